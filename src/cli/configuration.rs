//! Which `registry.yaml` counts, and what is in it.

use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

use service_registry::config::{Config, InvalidConfig, InvalidFile};
use thiserror::Error;

/// The environment variable that names the file.
const VARIABLE: &str = "SERVICE_REGISTRY_CONFIG";

/// Where the file is looked for when nobody names it, the first that exists.
const USUAL_PLACES: [&str; 2] = ["registry.yaml", "/etc/service-registry/registry.yaml"];

/// Where the settings come from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From the file that somebody named, and from no other.
    Named {
        path: PathBuf,
        /// What named it.
        by: &'static str,
    },
    /// From a file in one of the usual places.
    Found(PathBuf),
    /// From nowhere: all of them have their defaults.
    Defaults,
}

/// Why there are no settings.
#[derive(Debug, Error)]
pub(super) enum ConfigurationError {
    #[error("cannot read {}, which {by} names", path.display())]
    Named { path: PathBuf, by: &'static str, source: io::Error },
    #[error("cannot read {}", path.display())]
    Found { path: PathBuf, source: io::Error },
    #[error(transparent)]
    File(#[from] InvalidFile),
    #[error(transparent)]
    Config(#[from] InvalidConfig),
}

/// Finds the file: the one that `--config` names, that the environment names, or that stands
/// in a usual place.
pub(super) fn source(option: Option<&Path>) -> Source {
    pick(option, env::var_os(VARIABLE).map(PathBuf::from), USUAL_PLACES.map(Path::new))
}

impl Source {
    /// The file, where there is one.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Named { path, .. } | Self::Found(path) => Some(path),
            Self::Defaults => None,
        }
    }

    /// The settings from there.
    pub(super) fn load(&self) -> Result<Config, ConfigurationError> {
        let (path, text) = match self {
            Self::Named { path, by } => {
                let named = |source| ConfigurationError::Named { path: path.clone(), by, source };
                (path, fs::read_to_string(path).map_err(named)?)
            }
            Self::Found(path) => {
                let found = |source| ConfigurationError::Found { path: path.clone(), source };
                (path, fs::read_to_string(path).map_err(found)?)
            }
            Self::Defaults => return Ok(Config::default()),
        };
        Ok(Config::from_yaml(&text, path)?)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { path, by } => {
                write!(formatter, "settings from {}, which {by} names", path.display())
            }
            Self::Found(path) => write!(formatter, "settings from {}", path.display()),
            Self::Defaults => formatter.write_str("settings by default"),
        }
    }
}

fn pick<const COUNT: usize>(
    option: Option<&Path>,
    variable: Option<PathBuf>,
    usual_places: [&Path; COUNT],
) -> Source {
    if let Some(path) = option {
        return Source::Named { path: path.to_owned(), by: "--config" };
    }
    // An empty variable is how a shell unsets one for a single command.
    if let Some(path) = variable.filter(|path| !path.as_os_str().is_empty()) {
        return Source::Named { path, by: VARIABLE };
    }
    usual_places
        .into_iter()
        .find(|path| path.exists())
        .map_or(Source::Defaults, |path| Source::Found(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Both exist wherever the tests run.
    const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    const ALSO_HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/registry.yaml");
    const NOWHERE: &str = "/no/such/registry.yaml";

    #[test]
    fn the_option_comes_before_the_variable_and_that_before_the_usual_places() {
        let option = Path::new("option.yaml");
        let variable = || Some(PathBuf::from("variable.yaml"));
        let usual = [Path::new(NOWHERE), Path::new(HERE), Path::new(ALSO_HERE)];

        assert_eq!(
            pick(Some(option), variable(), usual),
            Source::Named { path: option.to_owned(), by: "--config" }
        );
        assert_eq!(
            pick(None, variable(), usual),
            Source::Named { path: "variable.yaml".into(), by: VARIABLE }
        );
        assert_eq!(pick(None, None, usual), Source::Found(HERE.into()));
        assert_eq!(pick(None, Some(PathBuf::new()), usual), Source::Found(HERE.into()));
    }

    #[test]
    fn without_a_file_there_are_defaults() {
        let source = pick(None, None, [Path::new(NOWHERE)]);

        assert_eq!(source, Source::Defaults);
        assert_eq!(source.load().unwrap(), Config::default());
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let source = pick(Some(Path::new(NOWHERE)), None, [Path::new(ALSO_HERE)]);

        let error = source.load().unwrap_err().to_string();

        assert_eq!(error, "cannot read /no/such/registry.yaml, which --config names");
    }

    #[test]
    fn the_documented_file_can_be_loaded() {
        let source = pick(None, None, [Path::new(ALSO_HERE)]);

        assert_eq!(source.load().unwrap(), Config::default());
    }
}
