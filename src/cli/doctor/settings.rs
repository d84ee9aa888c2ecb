//! Whether there is a `registry.yaml`, and what a registry would say of it.

use service_registry::config::Config;

use super::finding::Finding;
use crate::cli::configuration::Source;
use crate::cli::failure::Failure;

const CHECK: &str = "settings";

/// The settings from `source`, where they can be used.
pub(super) fn check(source: &Source) -> (Option<Config>, Finding) {
    let config = source.load().and_then(|config| {
        config.validate()?;
        Ok(config)
    });
    match config {
        Ok(config) => {
            (Some(config), Finding::ok(CHECK, &format!("{source}; flags of `start` may differ")))
        }
        Err(error) => {
            let remedy = "correct the file: no registry starts with it";
            (None, Finding::problem(CHECK, &Failure::from(error).chain(), remedy))
        }
    }
}
