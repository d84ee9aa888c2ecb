//! Any frames at all, opened and read as a message of either socket.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| service_registry_fuzz::decoder::check(input));
