//! The commands that ask a registry: what they print for people and for scripts, and how they
//! end.

mod asking;
mod bench;
mod doctor;
mod failing;
mod register;
mod run;
mod screen;
mod terminal;
mod top;
mod wait;
mod watch;
