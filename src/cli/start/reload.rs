//! Reading the settings anew while the registry runs.

use log::LevelFilter;
use service_registry::config::{Config, Curve};
use service_registry::server::AllowHandle;

use crate::cli::configuration::Source;
use crate::cli::failure::Failure;

use super::Start;

/// What it takes to read the settings anew.
pub(super) struct Reload {
    pub(super) start: Start,
    pub(super) source: Source,
    /// What counts at present.
    pub(super) config: Config,
    pub(super) allow: AllowHandle,
}

impl Reload {
    /// Reads the settings anew and takes over what can be; says what came of it in one line. A
    /// mistake changes nothing.
    pub(super) fn run(&mut self) {
        match self.read() {
            Ok(config) => self.take_over(config),
            Err(failure) => log::error!("the settings stay as they are: {}", failure.chain()),
        }
    }

    fn read(&self) -> Result<Config, Failure> {
        self.start.settings(&self.source)
    }

    fn take_over(&mut self, config: Config) {
        let Config { allow, curve, log_level, .. } = config.clone();
        let changed = self.config.differences(&config);
        let (taken_over, not_yet): (Vec<&str>, Vec<&str>) =
            changed.into_iter().partition(|key| self.can_take_over(key, &config));

        if taken_over.contains(&"allow") {
            self.allow.set(allow.clone());
        }
        if let Some(curve) = curve
            && taken_over.contains(&"curve")
            && self.allow.set_keys(curve.clients.clone())
        {
            self.config.curve = Some(curve);
        }
        // So that the line is seen where either level lets it through.
        log::set_max_level(log_level.max(log::max_level()));
        tell(&self.source, &taken_over, &not_yet, &config);
        log::set_max_level(log_level);
        self.config.allow = allow;
        self.config.log_level = log_level;
    }

    /// Whether a running registry can take over this setting.
    fn can_take_over(&self, key: &str, config: &Config) -> bool {
        match (key, &self.config.curve, &config.curve) {
            ("allow" | "log_level", ..) => true,
            // Whom it lets in, and not whether it encrypts, and by which keys.
            ("curve", Some(Curve { key_file, .. }), Some(new)) => *key_file == new.key_file,
            _ => false,
        }
    }
}

fn tell(source: &Source, taken_over: &[&str], not_yet: &[&str], config: &Config) {
    let values = taken_over.iter().map(|&key| match key {
        "allow" => format!("allow is {}", config.allow),
        "curve" => {
            let keys = config.curve.as_ref().map_or(0, |curve| curve.clients.len());
            format!("curve lets {keys} keys in")
        }
        _ => format!("log_level is {}", level_name(config.log_level)),
    });
    let values: Vec<String> = values.collect();
    let values =
        if values.is_empty() { "nothing to take over".to_owned() } else { values.join("; ") };
    if not_yet.is_empty() {
        log::info!("{source}, read anew: {values}");
    } else {
        let keys = not_yet.join(", ");
        log::warn!("{source}, read anew: {values}; a restart is needed for {keys}");
    }
}

fn level_name(level: LevelFilter) -> String {
    level.as_str().to_ascii_lowercase()
}
