//! Time counts only while the registry listens: pauses, outages and steps of the clock, done to
//! the real binary.

mod clock_steps;
mod heart;
mod outages;
mod pauses;
