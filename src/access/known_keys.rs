//! The public keys that may connect, whose they are, and what they may do.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::key::PublicKey;

/// What the owner of a key may do. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    /// To look services up, and to hear events.
    Read,
    /// To register, renew and deregister services.
    Register,
    /// To stop the registry, to let it write a backup, and to change the services of others.
    Admin,
}

/// The owner of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownClient {
    /// What people call it.
    pub name: String,
    /// The key by which it is known.
    pub key: PublicKey,
    /// What it may do.
    pub rights: Rights,
}

/// All keys that may connect. None is in it twice, and neither is a name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownKeys(HashMap<PublicKey, KnownClient>);

/// Why keys cannot be known together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AmbiguousClient {
    /// Nobody could say who it is.
    #[error("{0:?} stands there twice; give each client a name of its own")]
    Name(String),
    /// Nobody could say what it may do.
    #[error("{one:?} and {other:?} have the same key; give each client keys of its own")]
    Key {
        /// The name of one.
        one: String,
        /// The name of the other.
        other: String,
    },
}

impl KnownKeys {
    /// The keys of `clients`.
    ///
    /// # Errors
    /// [`AmbiguousClient`], for the first that is like one before it.
    pub fn new(clients: impl IntoIterator<Item = KnownClient>) -> Result<Self, AmbiguousClient> {
        let mut known: HashMap<PublicKey, KnownClient> = HashMap::new();
        for client in clients {
            if known.values().any(|other| other.name == client.name) {
                return Err(AmbiguousClient::Name(client.name));
            }
            if let Some(other) = known.get(&client.key) {
                let one = other.name.clone();
                return Err(AmbiguousClient::Key { one, other: client.name });
            }
            known.insert(client.key, client);
        }
        Ok(Self(known))
    }

    /// Whether each of these keys is in `other`, too, whatever it may do there.
    #[must_use]
    pub fn are_in(&self, other: &Self) -> bool {
        self.0.keys().all(|key| other.0.contains_key(key))
    }

    /// What the owner of `key` may do; none, where the key is not known.
    #[must_use]
    pub fn rights(&self, key: &PublicKey) -> Option<Rights> {
        self.0.get(key).map(|client| client.rights)
    }

    /// What people call the owner of `key`; none, where the key is not known.
    #[must_use]
    pub fn name(&self, key: &PublicKey) -> Option<&str> {
        self.0.get(key).map(|client| client.name.as_str())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Rights {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "read" => Ok(Self::Read),
            "register" => Ok(Self::Register),
            "admin" => Ok(Self::Admin),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Read => "read",
            Self::Register => "register",
            Self::Admin => "admin",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> PublicKey {
        PublicKey::from_bytes(&[byte; 32]).unwrap()
    }

    fn client(name: &str, byte: u8, rights: Rights) -> KnownClient {
        KnownClient { name: name.to_owned(), key: key(byte), rights }
    }

    #[test]
    fn a_key_has_the_rights_of_its_owner_and_an_unknown_one_has_none() {
        let known =
            KnownKeys::new([client("a", 1, Rights::Read), client("b", 2, Rights::Admin)]).unwrap();

        assert_eq!(known.rights(&key(1)), Some(Rights::Read));
        assert_eq!(known.rights(&key(2)), Some(Rights::Admin));
        assert_eq!(known.rights(&key(3)), None);
    }

    #[test]
    fn a_key_that_is_taken_away_is_missed_and_a_right_is_not() {
        let both = KnownKeys::new([client("a", 1, Rights::Admin), client("b", 2, Rights::Read)]);
        let (one, both) = (KnownKeys::new([client("c", 1, Rights::Read)]).unwrap(), both.unwrap());

        assert!(one.are_in(&both));
        assert!(!both.are_in(&one));
    }

    #[test]
    fn each_right_includes_those_before_it() {
        assert!(Rights::Read < Rights::Register && Rights::Register < Rights::Admin);
        for rights in [Rights::Read, Rights::Register, Rights::Admin] {
            assert_eq!(rights.to_string().parse(), Ok(rights));
        }
    }

    #[test]
    fn neither_a_name_nor_a_key_is_known_twice() {
        let [a, again] = [client("a", 1, Rights::Read), client("a", 2, Rights::Read)];
        assert_eq!(KnownKeys::new([a.clone(), again]), Err(AmbiguousClient::Name("a".to_owned())));

        let error = KnownKeys::new([a, client("b", 1, Rights::Admin)]).unwrap_err().to_string();
        assert!(error.starts_with("\"a\" and \"b\" have the same key"), "{error}");
    }
}
