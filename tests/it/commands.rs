//! The commands that ask a registry: what they print for people and for scripts, and how they
//! end.

mod asking;
mod bench;
mod failing;
mod register;
mod run;
mod terminal;
mod wait;
mod watch;
