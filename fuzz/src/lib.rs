//! What the fuzz targets check. A check panics where a promise is broken.
//!
//! Inputs are text as far as they can be, so that a person can read and write them: `seeds.py`
//! makes them of the recorded cases.

pub mod conversation;
pub mod decoder;

mod host;
mod json;
mod kept;
