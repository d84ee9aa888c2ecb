//! The life of the process: how it gets its settings, how it starts, how it ends.

mod ending;
mod settings;
mod starting;
mod unread_log;
