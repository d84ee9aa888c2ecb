//! Tests of the watch as a whole, without a registry: a picture that follows a model of one.

mod random;
pub(super) mod samples;
