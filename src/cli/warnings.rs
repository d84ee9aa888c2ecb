//! What the client library warns of, shown by the commands that use it for longer than one answer.

use log::{LevelFilter, Log, Metadata, Record};

/// Hands each warning to a function.
struct Warnings<Tell>(Tell);

/// From now on each warning of the library is given to `tell`. Once in a process.
pub(super) fn show(tell: impl Fn(String) + Send + Sync + 'static) {
    // Fails only where there is a logger already, and then that shows them.
    if log::set_boxed_logger(Box::new(Warnings(tell))).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

impl<Tell: Fn(String) + Send + Sync> Log for Warnings<Tell> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("service_registry::client")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            (self.0)(record.args().to_string());
        }
    }

    fn flush(&self) {}
}
