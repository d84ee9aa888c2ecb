//! The wire protocol of the CGSE service registry: frames and JSON, in and out.
//!
//! Pure translation. Frames are opened by [`envelope`], bodies read by [`request`]; replies and
//! events are written by [`reply`] and [`event`]; everything that can be wrong with a request is
//! in [`fault`], and how it is told in [`error_reply`]. `docs/protocol.md` describes what travels;
//! the recorded answers of the Python registry in `tests/conformance` decide where the two differ.

pub mod action;
pub mod code;
pub mod envelope;
pub mod error_reply;
pub mod event;
pub mod fault;
pub mod reply;
pub mod request;
pub mod request_id;

mod fields;
mod object;
mod readable;
mod shown;
