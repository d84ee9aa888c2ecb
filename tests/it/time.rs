//! Time counts only while the registry listens: pauses, outages, steps of the clock, a host that
//! has no time for it, and a disk that stalls.

mod clock_steps;
mod heart;
mod loading;
mod outages;
mod pauses;
mod stalled_disk;
#[cfg(target_os = "linux")]
mod starved;
