//! `curve`: the keys of a registry, and those that it lets in.

use std::path::PathBuf;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::access::{AmbiguousClient, KnownClient, KnownKeys};
use crate::key::InvalidKey;

/// The word for no keys.
const OFF: &str = "off";

const KEY_FILE: &str = "key_file";
const CLIENTS: &str = "clients";
const NAME: &str = "name";
const KEY: &str = "key";
const RIGHTS: &str = "rights";

/// The keys of a registry that lets in those it knows, and nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Curve {
    /// The file with the registry's own keys.
    pub key_file: PathBuf,
    /// Whom it lets in.
    pub clients: KnownKeys,
}

/// Why `curve` cannot be as it is asked for. It never repeats a key: somebody may have written a
/// secret one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidCurve {
    /// It is neither off nor a mapping.
    #[error("must be off, or a mapping with key_file and clients")]
    Form,
    /// A key is missing that must be there.
    #[error("{}has no {missing}", in_place(place.as_deref(), " "))]
    Missing {
        /// In which client, if it is in one.
        place: Option<String>,
        /// Which.
        missing: &'static str,
    },
    /// A key is there that means nothing.
    #[error("{}has {found:?}, which is none of {known}", in_place(place.as_deref(), " "))]
    Unknown {
        /// In which client, if it is in one.
        place: Option<String>,
        /// Which.
        found: String,
        /// What it can have.
        known: &'static str,
    },
    /// A value is nothing that it can be.
    #[error("{}{field} must be {allowed}", in_place(place.as_deref(), ": "))]
    Impossible {
        /// In which client, if it is in one.
        place: Option<String>,
        /// Whose value.
        field: &'static str,
        /// What it can be.
        allowed: &'static str,
    },
    /// The key of a client is none.
    #[error("{place}: the key is {problem}")]
    Key {
        /// In which client.
        place: String,
        /// What is wrong.
        problem: InvalidKey,
    },
    /// Two clients cannot be told apart.
    #[error("clients: {0}")]
    Ambiguous(#[from] AmbiguousClient),
}

/// What `text` stands for: `off`, or a mapping in JSON, as which the file's mapping comes here.
pub(super) fn parse(text: &str) -> Result<Option<Curve>, InvalidCurve> {
    if text == OFF {
        return Ok(None);
    }
    let mapping: Map<String, Value> = serde_json::from_str(text).map_err(|_| InvalidCurve::Form)?;
    let all = Mapping { place: None, mapping: &mapping };
    all.allow(&[KEY_FILE, CLIENTS], "key_file and clients")?;
    let key_file = all.text(KEY_FILE, "the path of a file")?;
    let clients = all.get(CLIENTS)?.as_array();
    let clients = clients.filter(|clients| !clients.is_empty());
    let clients =
        clients.ok_or_else(|| all.impossible(CLIENTS, "a list of at least one client"))?;
    let clients = clients.iter().enumerate().map(|(index, client)| read_client(index, client));
    let clients = KnownKeys::new(clients.collect::<Result<Vec<_>, _>>()?)?;
    Ok(Some(Curve { key_file: PathBuf::from(key_file), clients }))
}

fn read_client(index: usize, client: &Value) -> Result<KnownClient, InvalidCurve> {
    const FORM: &str = "mappings with name, key and rights";

    let place = Some(format!("client {}", index + 1));
    let Value::Object(mapping) = client else {
        return Err(InvalidCurve::Impossible { place: None, field: CLIENTS, allowed: FORM });
    };
    let client = Mapping { place, mapping };
    client.allow(&[NAME, KEY, RIGHTS], "name, key and rights")?;
    let name = client.text(NAME, "a text")?;
    // From here on it is called by its name.
    let place = format!("client {name:?}");
    let client = Mapping { place: Some(place.clone()), mapping };
    let key = client.text(KEY, "a text, in quotes")?;
    let key = key.parse().map_err(|problem| InvalidCurve::Key { place, problem })?;
    let rights = "read, register or admin";
    let rights =
        client.text(RIGHTS, rights)?.parse().map_err(|()| client.impossible(RIGHTS, rights))?;
    Ok(KnownClient { name: name.to_owned(), key, rights })
}

/// What comes before a mistake in a client.
fn in_place(place: Option<&str>, separator: &str) -> String {
    place.map(|place| format!("{place}{separator}")).unwrap_or_default()
}

/// A mapping, and where it stands.
struct Mapping<'a> {
    /// Of a client; none, where it is the whole.
    place: Option<String>,
    mapping: &'a Map<String, Value>,
}

impl<'a> Mapping<'a> {
    fn allow(&self, keys: &[&str], known: &'static str) -> Result<(), InvalidCurve> {
        match self.mapping.keys().find(|key| !keys.contains(&key.as_str())) {
            None => Ok(()),
            Some(found) => Err(InvalidCurve::Unknown {
                place: self.place.clone(),
                found: found.clone(),
                known,
            }),
        }
    }

    fn get(&self, key: &'static str) -> Result<&'a Value, InvalidCurve> {
        let missing = || InvalidCurve::Missing { place: self.place.clone(), missing: key };
        self.mapping.get(key).ok_or_else(missing)
    }

    fn text(&self, key: &'static str, allowed: &'static str) -> Result<&'a str, InvalidCurve> {
        let text = self.get(key)?.as_str().filter(|text| !text.is_empty());
        text.ok_or_else(|| self.impossible(key, allowed))
    }

    fn impossible(&self, field: &'static str, allowed: &'static str) -> InvalidCurve {
        InvalidCurve::Impossible { place: self.place.clone(), field, allowed }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::access::Rights;

    const ONE: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    const OTHER: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

    fn client(name: &str, key: &str, rights: &str) -> Value {
        json!({"name": name, "key": key, "rights": rights})
    }

    fn curve(clients: Value) -> Value {
        json!({"key_file": "server.key", "clients": clients})
    }

    #[track_caller]
    fn refusal(value: &Value) -> String {
        parse(&value.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn off_means_no_keys() {
        assert_eq!(parse("off"), Ok(None));
    }

    #[test]
    fn a_mapping_names_the_key_file_and_the_clients_with_their_rights() {
        let value = curve(json!([client("camera", ONE, "register"), client("me", OTHER, "admin")]));

        let curve = parse(&value.to_string()).unwrap().unwrap();

        assert_eq!(curve.key_file, PathBuf::from("server.key"));
        assert_eq!(curve.clients.len(), 2);
        assert_eq!(curve.clients.rights(&ONE.parse().unwrap()), Some(Rights::Register));
        assert_eq!(curve.clients.rights(&OTHER.parse().unwrap()), Some(Rights::Admin));
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (value, expected) in [
            (json!("on"), "must be off, or a mapping with key_file and clients"),
            (json!([]), "must be off, or a mapping with key_file and clients"),
            (json!({"clients": []}), "has no key_file"),
            (json!({"key_file": ""}), "key_file must be the path of a file"),
            (json!({"key_file": "a"}), "has no clients"),
            (curve(json!([])), "clients must be a list of at least one client"),
            (curve(json!(["a"])), "clients must be mappings with name, key and rights"),
            (curve(json!([{}])), "client 1 has no name"),
            (curve(json!([{"name": "a"}])), "client \"a\" has no key"),
            (
                curve(json!([{"name": "a", "key": 1}])),
                "client \"a\": key must be a text, in quotes",
            ),
            (curve(json!([{"name": "a", "key": ONE}])), "client \"a\" has no rights"),
            (
                curve(json!([client("a", ONE, "all")])),
                "client \"a\": rights must be read, register or admin",
            ),
            (
                curve(json!([{"nmae": "a"}])),
                "client 1 has \"nmae\", which is none of name, key and rights",
            ),
        ] {
            assert_eq!(refusal(&value), expected);
        }
    }

    #[test]
    fn a_key_that_is_none_is_not_repeated() {
        let text = refusal(&curve(json!([client("a", &ONE[1..], "read")])));

        assert!(
            text.starts_with("client \"a\": the key is no key; a key has 40 characters"),
            "{text}"
        );
        assert!(!text.contains(&ONE[1..]), "{text}");
    }

    #[test]
    fn clients_that_cannot_be_told_apart_are_refused() {
        let text = refusal(&curve(json!([client("a", ONE, "read"), client("b", ONE, "admin")])));

        assert!(text.starts_with("clients: \"a\" and \"b\" have the same key"), "{text}");
    }
}
