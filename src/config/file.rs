//! `registry.yaml`: from its text to settings, with the line of each mistake.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_saphyr::{
    MergeKeyPolicy, MessageFormatter, NonFiniteFloatPolicy, Spanned, UserMessageFormatter,
};
use thiserror::Error;

use super::Config;
use super::settings::{self, InvalidSetting};

/// Why a `registry.yaml` gives no settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidFile {
    /// The text is not one mapping from keys to values, each key once.
    #[error("{}:{line}: {problem}", file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// The line of the mistake, from 1.
        line: u64,
        /// What is wrong there.
        problem: String,
    },
    /// The form is right, and one setting is not.
    #[error("{}:{line}: {}: {problem}", file.display(), key.escape_debug())]
    Setting {
        /// The file.
        file: PathBuf,
        /// The line of the key, from 1.
        line: u64,
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: InvalidSetting,
    },
}

pub(super) fn parse(text: &str, path: &Path) -> Result<Config, InvalidFile> {
    let mut config = Config::default();
    for (key, value) in entries(text, path)? {
        settings::set_value(&mut config, &key.value, &value).map_err(|problem| {
            InvalidFile::Setting {
                file: path.to_owned(),
                line: key.referenced.line(),
                key: key.value,
                problem,
            }
        })?;
    }
    Ok(config)
}

/// The keys of the file with their values, in its order.
fn entries(text: &str, path: &Path) -> Result<Vec<(Spanned<String>, Value)>, InvalidFile> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        // What remains of YAML is keys and plain values: `yes` is a text, `<<` an unknown key,
        // and `.inf` a text that is no number of seconds.
        strict_booleans: true,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
    };
    let entries: Option<HashMap<_, _>> = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| InvalidFile::Form {
            file: path.to_owned(),
            line: error.location().map_or(1, |location| location.line()),
            problem: problem(&error, text),
        })?;
    // An empty file is fine.
    let mut entries: Vec<(Spanned<String>, Value)> =
        entries.unwrap_or_default().into_iter().collect();
    entries.sort_by_key(|(key, _)| (key.referenced.line(), key.referenced.column()));
    Ok(entries)
}

fn problem(error: &serde_saphyr::Error, text: &str) -> String {
    match error {
        serde_saphyr::Error::Unexpected { .. } => "must be lines of `key: value`".to_owned(),
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            let first = line(error).and_then(|line| line_of_same_key(text, line));
            let first = first.map(|line| format!(", first in line {line}")).unwrap_or_default();
            format!("{}: stands in the file twice{first}", key.escape_debug())
        }
        error => {
            let message = UserMessageFormatter.format_message(error);
            let hint = if has_bare_asterisk(text, error) { "; write * in quotes" } else { "" };
            format!("is not YAML: {}{hint}", message.replace('\n', "; "))
        }
    }
}

/// The line of the error, from 1.
fn line(error: &serde_saphyr::Error) -> Option<usize> {
    usize::try_from(error.location()?.line()).ok()
}

/// The last line before this one with the same key, as deep in the file, both from 1.
fn line_of_same_key(text: &str, line: usize) -> Option<usize> {
    let key_of = |line: &str| line.split_once(':').map(|(key, _)| key.to_owned());
    let lines: Vec<&str> = text.lines().collect();
    let (before, from) = lines.split_at_checked(line.checked_sub(1)?)?;
    let key = key_of(from.first()?)?;
    before.iter().rposition(|line| key_of(line).as_ref() == Some(&key)).map(|index| index + 1)
}

/// Whether the error comes of `bind: *`, where YAML takes the asterisk for something else.
fn has_bare_asterisk(text: &str, error: &serde_saphyr::Error) -> bool {
    line(error)
        .and_then(|line| text.lines().nth(line.saturating_sub(1)))
        .is_some_and(|line| line.contains(": *"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::BackendKind;
    use crate::limits::Limit;

    fn read(text: &str) -> Result<Config, InvalidFile> {
        Config::from_yaml(text, Path::new("registry.yaml"))
    }

    #[track_caller]
    fn refusal(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn the_documented_file_is_the_defaults_and_names_every_key() {
        let text = include_str!("../../registry.yaml");

        assert_eq!(read(text), Ok(Config::default()));

        for key in Config::keys() {
            assert!(text.contains(&format!("\n{key}:")), "{key}");
        }
        for limit in Limit::ALL {
            let line = format!("\n  {}: {}\n", limit.name(), limit.default_value());
            assert!(text.contains(&line), "{line}");
        }
    }

    #[test]
    fn the_file_sets_what_it_names_and_nothing_else() {
        let config = read("backend: memory\ncleanup_interval: 2.5\nbind: '*'\n").unwrap();

        let expected = Config {
            backend: BackendKind::Memory,
            cleanup_interval: Duration::from_millis(2_500),
            bind: "*".parse().unwrap(),
            ..Config::default()
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn networks_are_a_list_or_a_text() {
        for text in [
            "allow: [127.0.0.1, 'fd00::/8']\n",
            "allow:\n  - 127.0.0.1\n  - fd00::/8\n",
            "allow: 127.0.0.1, fd00::/8\n",
        ] {
            assert_eq!(read(text).unwrap().allow.to_string(), "127.0.0.1, fd00::/8", "{text}");
        }
        assert!(read("allow: all\n").unwrap().allow.is_everybody());
    }

    #[test]
    fn the_part_of_a_list_that_is_no_network_is_named() {
        for (line, given) in [
            ("allow: [127.0.0.1, lab]", "\"lab\""),
            ("allow: [127.0.0.1, 10]", "10"),
            ("allow: ['127.0.0.1,::1,lab']", "\"127.0.0.1,::1,lab\""),
            ("allow: [all, 127.0.0.1]", "\"all\""),
            ("allow: [[127.0.0.1]]", "a list"),
            ("allow: []", "an empty list"),
            ("allow: ''", "\"\""),
            ("allow:", "empty"),
        ] {
            let text = refusal(line);

            assert!(text.starts_with("registry.yaml:1: allow: must be all, or a list"), "{text}");
            assert!(text.ends_with(&format!(", not {given}")), "{text}");
        }
    }

    #[test]
    fn an_address_that_is_written_as_a_network_is_told_what_to_write() {
        assert_eq!(
            refusal("allow: [127.0.0.1, 10.0.0.1/8]"),
            "registry.yaml:1: allow: 10.0.0.1/8 is a single address in a network; \
             write 10.0.0.0/8, or the address alone",
        );
    }

    #[test]
    fn a_file_without_settings_is_the_defaults() {
        for text in ["", "\n", "# nothing\n", "---\n", "{}\n"] {
            assert_eq!(read(text), Ok(Config::default()), "{text:?}");
        }
    }

    #[test]
    fn a_file_from_another_system_is_read() {
        let config = read("\u{feff}req_port: 7100\r\nhb_port: 7102\r\n").unwrap();

        assert_eq!((config.req_port, config.hb_port), (7_100, 7_102));
    }

    #[test]
    fn a_mistake_names_file_line_key_and_what_is_allowed() {
        assert_eq!(
            refusal("# ports\n\nhb_port: 7102\nreq_port: abc\n"),
            r#"registry.yaml:4: req_port: must be a whole number from 0 to 65535, not "abc""#
        );
    }

    #[test]
    fn an_unknown_key_names_the_known_ones() {
        let text = refusal("hb_port: 7102\nport: 1\n");

        assert!(
            text.starts_with("registry.yaml:2: port: is not a setting; the settings are bind,")
        );
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused() {
        for (line, given) in [
            ("req_port: '6100'", "\"6100\""),
            ("req_port:", "empty"),
            ("req_port: 6100.5", "6100.5"),
            ("req_port: [6100]", "a list"),
            ("req_port: {a: 1}", "a mapping"),
            ("req_port: true", "true"),
            ("cleanup_interval: .inf", "\".inf\""),
            ("db_path: 17", "17"),
            ("enforce_unique_service_types: yes", "\"yes\""),
            ("enforce_unique_service_types: 1", "1"),
            ("log_level: 3", "3"),
        ] {
            let text = refusal(line);

            assert!(text.ends_with(&format!(", not {given}")), "{text}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_named_with_both_its_lines() {
        assert_eq!(
            refusal("# Ports.\nreq_port: 1\nhb_port: 2\nreq_port: 3\n"),
            "registry.yaml:4: req_port: stands in the file twice, first in line 2"
        );
        // Told as far as it can be seen.
        assert_eq!(
            refusal("{req_port: 1, req_port: 2}"),
            "registry.yaml:1: req_port: stands in the file twice"
        );
    }

    #[test]
    fn the_first_of_several_mistakes_is_told() {
        for _ in 0..20 {
            let text = refusal("bind: 1\nreq_port: a\npub_port: b\nhb_port: c\nlog_level: d\n");

            assert!(text.starts_with("registry.yaml:1: bind: "), "{text}");
        }
    }

    #[test]
    fn broken_yaml_names_its_line() {
        for (text, line) in
            [("a: 1\n b: 2\n", 2), ("bind: [1,\n", 1), ("bind: 'x\n", 1), ("a: @x\n", 1)]
        {
            let text = refusal(text);

            assert!(text.starts_with(&format!("registry.yaml:{line}: is not YAML: ")), "{text}");
        }
    }

    #[test]
    fn what_is_no_list_of_settings_is_told_the_form() {
        for text in ["- bind\n", "bind\n", "17\n"] {
            assert_eq!(refusal(text), "registry.yaml:1: must be lines of `key: value`");
        }
    }

    #[test]
    fn a_bare_asterisk_is_told_its_quotes() {
        let text = refusal("req_port: 1\nbind: *\n");

        assert!(text.starts_with("registry.yaml:2: "), "{text}");
        assert!(text.ends_with("; write * in quotes"), "{text}");
    }

    #[test]
    fn nothing_that_moves_the_cursor_gets_into_an_error() {
        let text = refusal("\"a\\x1b[31m\": 1\n");

        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
