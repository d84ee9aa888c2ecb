//! A whole conversation with the core.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| service_registry_fuzz::conversation::check(input));
