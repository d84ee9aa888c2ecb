//! The commands that ask a registry: what they print for people and for scripts, and how they
//! end.

mod asking;
mod failing;
mod register;
mod run;
mod wait;
mod watch;
