//! What is served over HTTP: every path, to every kind of peer, and nothing to hold up the
//! registry.

mod access;
mod dashboard;
pub(crate) mod exchange;
mod exposition;
mod hostile;
mod metrics;
mod page;
mod paths;
