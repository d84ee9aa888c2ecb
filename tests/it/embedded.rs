//! The library's server with backends of the tests' own: slow ones, failing ones, broken ones.

mod blocked;
mod each_commit;
mod failing;
mod heartbeats;
mod lifetime;
mod overtaken;
