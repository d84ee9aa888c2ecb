//! The keys in etcd, under the prefix.
//!
//! ```text
//! head                     how far everything has come; whoever writes must know it
//! services/<id>            a service
//! policies/<id>            what an id said about sharing its type
//! feed/log/<n>             the last transactions, in a ring
//! feed/heard/<name>/<n>    what a registry heard, in a ring
//! feed/registries/<name>   a registry that is there, under a lease
//! ```
//!
//! Registries watch what is under `feed/`, and nothing else.

use super::api::Bytes;

/// How many transactions are remembered. Who was away for longer takes the whole list.
pub(super) const LOG_LENGTH: u64 = 4_096;

/// How many beats in which something was heard are remembered: a service with the usual three
/// heartbeats per ttl, of up to six minutes, is found in one of them by a registry that starts.
pub(super) const HEARD_LENGTH: u64 = 256;

/// Makes the keys of one list, whose names all begin with the same prefix.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

/// What a key under `feed/` stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Feed<'a> {
    Log,
    Heard { by: &'a str },
    Registry { name: &'a str },
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    pub(super) fn head(&self) -> Bytes {
        self.key("head")
    }

    pub(super) fn services(&self) -> Bytes {
        self.key("services/")
    }

    pub(super) fn service(&self, id: &str) -> Bytes {
        self.key(&format!("services/{id}"))
    }

    pub(super) fn policies(&self) -> Bytes {
        self.key("policies/")
    }

    pub(super) fn policy(&self, id: &str) -> Bytes {
        self.key(&format!("policies/{id}"))
    }

    pub(super) fn feed(&self) -> Bytes {
        self.key("feed/")
    }

    pub(super) fn log(&self) -> Bytes {
        self.key("feed/log/")
    }

    pub(super) fn log_of(&self, transaction: u64) -> Bytes {
        self.key(&format!("feed/log/{}", transaction % LOG_LENGTH))
    }

    pub(super) fn heard(&self) -> Bytes {
        self.key("feed/heard/")
    }

    /// Where the `number`th beat in which something was heard stands; those in which nothing
    /// was heard share a place.
    pub(super) fn heard_by(&self, name: &str, number: Option<u64>) -> Bytes {
        match number {
            Some(number) => self.key(&format!("feed/heard/{name}/{}", number % HEARD_LENGTH)),
            None => self.key(&format!("feed/heard/{name}/none")),
        }
    }

    pub(super) fn registries(&self) -> Bytes {
        self.key("feed/registries/")
    }

    pub(super) fn registry(&self, name: &str) -> Bytes {
        self.key(&format!("feed/registries/{name}"))
    }

    /// What `key` stands for; none, where that is nothing that this version knows.
    pub(super) fn read_feed<'a>(&self, key: &'a Bytes) -> Option<Feed<'a>> {
        let key = std::str::from_utf8(&key.0).ok()?;
        let key = key.strip_prefix(&self.prefix)?.strip_prefix("feed/")?;
        if key.starts_with("log/") {
            return Some(Feed::Log);
        }
        if let Some(name) = key.strip_prefix("registries/") {
            return Some(Feed::Registry { name });
        }
        let (by, _) = key.strip_prefix("heard/")?.rsplit_once('/')?;
        Some(Feed::Heard { by })
    }

    fn key(&self, rest: &str) -> Bytes {
        Bytes(format!("{}{rest}", self.prefix).into_bytes())
    }
}

/// The first key after all that begin with `key`, which ends with a slash.
pub(super) fn behind(key: &Bytes) -> Bytes {
    let mut end = key.clone();
    if let Some(last) = end.0.last_mut() {
        *last += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_under_the_feed_is_read_as_that() {
        let keys = Keys::new("/lab/");

        assert_eq!(keys.read_feed(&keys.log_of(5_000)), Some(Feed::Log));
        let name = "host:6100";
        let beats = [keys.heard_by(name, Some(3)), keys.heard_by(name, None)];
        for key in &beats {
            assert_eq!(keys.read_feed(key), Some(Feed::Heard { by: name }));
        }
        let registry = keys.registry(name);
        assert_eq!(keys.read_feed(&registry), Some(Feed::Registry { name }));
        assert_eq!(keys.read_feed(&keys.head()), None);
    }

    #[test]
    fn a_ring_uses_its_places_again() {
        let keys = Keys::new("/");

        assert_eq!(keys.log_of(1), keys.log_of(1 + LOG_LENGTH));
        assert_ne!(keys.log_of(1), keys.log_of(2));
    }

    #[test]
    fn behind_a_folder_is_what_follows_all_its_keys() {
        assert_eq!(behind(&Bytes::from("a/")), Bytes::from("a0"));
    }
}
