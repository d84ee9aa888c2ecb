//! A conversation with the core: messages, time, and a disk that works or does not.
//!
//! An input is a list of steps, one a line. A step is a letter and what belongs to it:
//!
//! | letter | step |
//! |---|---|
//! | `R` | a message on the request socket: the last digit of its address, then its frames, parted by tabs |
//! | `H` | a message on the heartbeat socket: its frames, parted by tabs |
//! | `C`, `F` | what waits for the disk is committed, or fails |
//! | `X`, `Y` | the same, with expired services cleaned up and heartbeats saved |
//! | `T` | time passes: milliseconds |
//! | `W` | the clock is set: Unix seconds |
//! | `P` | the process stands still |
//! | `S` | the registry is killed and starts again |
//!
//! The first byte of the input says how the registry is set: whether types are unique, and whose
//! services are whose.

use std::iter;
use std::time::Duration;

use service_registry::access::Ownership;

use crate::host::Host;

/// The longest conversation. A longer one says nothing new and takes its time.
const STEPS_MAX: usize = 64;

/// Carries out `input`, and checks what must hold on the way.
pub fn check(input: &[u8]) {
    let Some((settings, steps)) = input.split_first() else { return };
    let unique = settings & 1 == 0;
    let ownership = if settings & 2 == 0 { Ownership::Open } else { Ownership::Host };
    let mut host = Host::start(unique, ownership);
    for step in steps.split(|byte| *byte == b'\n').take(STEPS_MAX) {
        take(&mut host, step);
    }
    host.turn(true, true);
    host.check();
}

fn take(host: &mut Host, step: &[u8]) {
    let Some((letter, rest)) = step.split_first() else { return };
    match letter {
        b'R' => {
            let (from, rest) = rest.split_first().unwrap_or((&0, &[]));
            host.take_request(&message(rest), *from);
        }
        b'H' => host.take_heartbeat(&message(rest)),
        b'C' => host.turn(false, true),
        b'F' => host.turn(false, false),
        b'X' => host.turn(true, true),
        b'Y' => host.turn(true, false),
        b'T' => host.elapse(Duration::from_millis(number(rest))),
        b'W' => host.set_clock(number(rest)),
        b'P' => host.stand_still(),
        b'S' => host.restart(),
        _ => {}
    }
}

/// The frames as a ROUTER hands them over: behind the identity of their sender.
fn message(frames: &[u8]) -> Vec<&[u8]> {
    iter::once(b"me".as_slice()).chain(frames.split(|byte| *byte == b'\t')).collect()
}

fn number(digits: &[u8]) -> u64 {
    str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
