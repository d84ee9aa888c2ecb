//! What the registry takes at the most: every bound with its name, unit, default and range.
//!
//! Pure values. Who keeps to a bound names it in what it refuses, so that whoever runs the
//! registry finds the setting.

use std::fmt;
use std::time::Duration;

mod invalid;

pub use invalid::{InvalidLimit, InvalidLimits};

/// Something that is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The size of a message.
    MessageBytes,
    /// The frames of a message.
    Frames,
    /// The services.
    Services,
    /// What all services say of themselves.
    RegistryBytes,
    /// What a service says of itself.
    ServiceBytes,
    /// The tags of a service.
    Tags,
    /// The length of an id, a name, a host, a type or a tag.
    NameBytes,
    /// The shortest time to live.
    TtlMin,
    /// The longest time to live.
    TtlMax,
    /// The requests that wait to be stored.
    Jobs,
    /// The size of all requests that wait to be stored, as they came.
    JobBytes,
    /// The requests of a client that wait to be read.
    MessagesPerClient,
    /// The replies, or events, that wait for a client that does not read.
    RepliesPerClient,
    /// The refusals that wait behind replies for which their client waits.
    RefusalsPerClient,
    /// The large replies to a client in ten seconds while memory is short.
    LargeReplyBytes,
    /// The requests that are taken in a turn.
    RequestsPerTurn,
    /// The bytes of requests that are taken in a turn.
    BytesPerTurn,
    /// The connections.
    Connections,
    /// The connections that wait to be accepted.
    ConnectionsWaiting,
    /// How long a peer takes to say who it is.
    HandshakeSeconds,
    /// How long a peer gives no sign of life.
    SilenceSeconds,
    /// The memory of the process.
    MemoryBytes,
    /// The connections to the HTTP port.
    HttpConnections,
    /// How long an HTTP request takes to arrive.
    HttpRequestSeconds,
    /// How long an answer over HTTP takes to leave.
    HttpAnswerSeconds,
}

/// A value for each [`Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits([u64; Limit::ALL.len()]);

/// Something is more than its limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// The limit.
    pub limit: Limit,
    /// What it allows.
    pub allowed: u64,
}

impl Limit {
    /// All of them, in the order in which they are documented.
    pub const ALL: [Self; 25] = [
        Self::MessageBytes,
        Self::Frames,
        Self::Services,
        Self::RegistryBytes,
        Self::ServiceBytes,
        Self::Tags,
        Self::NameBytes,
        Self::TtlMin,
        Self::TtlMax,
        Self::Jobs,
        Self::JobBytes,
        Self::MessagesPerClient,
        Self::RepliesPerClient,
        Self::RefusalsPerClient,
        Self::LargeReplyBytes,
        Self::RequestsPerTurn,
        Self::BytesPerTurn,
        Self::Connections,
        Self::ConnectionsWaiting,
        Self::HandshakeSeconds,
        Self::SilenceSeconds,
        Self::MemoryBytes,
        Self::HttpConnections,
        Self::HttpRequestSeconds,
        Self::HttpAnswerSeconds,
    ];

    /// Its name, in settings and in refusals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessageBytes => "message_bytes",
            Self::Frames => "frames",
            Self::Services => "services",
            Self::RegistryBytes => "registry_bytes",
            Self::ServiceBytes => "service_bytes",
            Self::Tags => "tags",
            Self::NameBytes => "name_bytes",
            Self::TtlMin => "ttl_min",
            Self::TtlMax => "ttl_max",
            Self::Jobs => "jobs",
            Self::JobBytes => "job_bytes",
            Self::MessagesPerClient => "messages_per_client",
            Self::RepliesPerClient => "replies_per_client",
            Self::RefusalsPerClient => "refusals_per_client",
            Self::LargeReplyBytes => "large_reply_bytes",
            Self::RequestsPerTurn => "requests_per_turn",
            Self::BytesPerTurn => "bytes_per_turn",
            Self::Connections => "connections",
            Self::ConnectionsWaiting => "connections_waiting",
            Self::HandshakeSeconds => "handshake_seconds",
            Self::SilenceSeconds => "silence_seconds",
            Self::MemoryBytes => "memory_bytes",
            Self::HttpConnections => "http_connections",
            Self::HttpRequestSeconds => "http_request_seconds",
            Self::HttpAnswerSeconds => "http_answer_seconds",
        }
    }

    /// The limit of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.name() == name)
    }

    /// What it is where nobody says otherwise. `registry.yaml` has the reasons.
    #[must_use]
    pub const fn default_value(self) -> u64 {
        match self {
            Self::MessageBytes => 128 << 10,
            Self::Frames => 16,
            Self::Services => 100_000,
            Self::RegistryBytes => 64 << 20,
            Self::ServiceBytes => 64 << 10,
            Self::Tags => 64,
            Self::NameBytes => 512,
            Self::TtlMin => 1,
            Self::TtlMax => u32::MAX as u64,
            Self::Jobs => 16_384,
            Self::JobBytes => 16 << 20,
            Self::MessagesPerClient => 256,
            Self::RepliesPerClient => 16_384,
            Self::RefusalsPerClient => 1_024,
            Self::LargeReplyBytes => 8 << 20,
            Self::RequestsPerTurn => 256,
            Self::BytesPerTurn => 1 << 20,
            Self::Connections => 16_384,
            Self::ConnectionsWaiting => 8_192,
            Self::HandshakeSeconds => 10,
            Self::SilenceSeconds => 60,
            Self::MemoryBytes => 192 << 20,
            Self::HttpConnections => 64,
            Self::HttpRequestSeconds => 5,
            Self::HttpAnswerSeconds => 15,
        }
    }

    /// The smallest and the largest value that it can have.
    #[must_use]
    pub const fn range(self) -> (u64, u64) {
        match self {
            Self::MessageBytes | Self::ServiceBytes => (1 << 10, 16 << 20),
            Self::Frames => (3, 1_024),
            Self::Services | Self::Jobs | Self::Connections => (1, 1_000_000),
            Self::RegistryBytes | Self::JobBytes | Self::LargeReplyBytes | Self::BytesPerTurn => {
                (1 << 10, 1 << 40)
            }
            Self::Tags | Self::RequestsPerTurn => (1, 65_536),
            Self::NameBytes => (64, 65_536),
            Self::TtlMin | Self::TtlMax => (1, u32::MAX as u64),
            Self::MessagesPerClient | Self::RepliesPerClient | Self::RefusalsPerClient => {
                (1, 1_000_000)
            }
            Self::ConnectionsWaiting => (1, 65_535),
            Self::HandshakeSeconds | Self::HttpRequestSeconds | Self::HttpAnswerSeconds => {
                (1, 3_600)
            }
            Self::SilenceSeconds => (2, 86_400),
            Self::HttpConnections => (1, 4_096),
            Self::MemoryBytes => (32 << 20, 1 << 40),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self(Limit::ALL.map(Limit::default_value))
    }
}

impl Limits {
    /// What `limit` allows.
    #[must_use]
    pub const fn get(&self, limit: Limit) -> u64 {
        self.0[limit as usize]
    }

    /// The same as a number of things in memory.
    #[must_use]
    pub fn count(&self, limit: Limit) -> usize {
        usize::try_from(self.get(limit)).unwrap_or(usize::MAX)
    }

    /// The same as so many seconds.
    #[must_use]
    pub const fn duration(&self, limit: Limit) -> Duration {
        Duration::from_secs(self.get(limit))
    }

    /// The same, with `limit` at `value`.
    ///
    /// # Errors
    /// [`InvalidLimit::Impossible`], where that is out of range.
    pub fn with(mut self, limit: Limit, value: u64) -> Result<Self, InvalidLimit> {
        let (least, most) = limit.range();
        if !(least..=most).contains(&value) {
            return Err(InvalidLimit::Impossible { limit, given: value.to_string() });
        }
        self.0[limit as usize] = value;
        Ok(self)
    }

    /// The same, with what `text` says, such as `services=1000,tags=8`.
    ///
    /// # Errors
    /// [`InvalidLimit`], for the first mistake.
    pub fn with_text(self, text: &str) -> Result<Self, InvalidLimit> {
        text.split(',').try_fold(self, |limits, part| {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| InvalidLimit::Form(format!("{:?}", part.trim())))?;
            limits.with_named(name.trim(), value.trim())
        })
    }

    /// The same, with the limit `name` at what `value` stands for.
    ///
    /// # Errors
    /// [`InvalidLimit`].
    pub fn with_named(self, name: &str, value: &str) -> Result<Self, InvalidLimit> {
        let limit = Limit::named(name).ok_or_else(|| InvalidLimit::Unknown(name.to_owned()))?;
        let impossible = || InvalidLimit::Impossible { limit, given: format!("{value:?}") };
        let is_digits = value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse().ok().filter(|_| is_digits).ok_or_else(impossible)?;
        self.with(limit, number)
    }

    /// Checks what the limits have to do with each other.
    ///
    /// # Errors
    /// [`InvalidLimits`], for the first two that exclude each other.
    pub fn validate(&self) -> Result<(), InvalidLimits> {
        for (smaller, larger) in [
            (Limit::ServiceBytes, Limit::MessageBytes),
            (Limit::ServiceBytes, Limit::RegistryBytes),
            (Limit::MessageBytes, Limit::JobBytes),
            (Limit::TtlMin, Limit::TtlMax),
        ] {
            let (smaller_value, larger_value) = (self.get(smaller), self.get(larger));
            if smaller_value > larger_value {
                return Err(InvalidLimits::Order { larger, larger_value, smaller, smaller_value });
            }
        }
        let registry_bytes = self.get(Limit::RegistryBytes);
        let needed = registry_bytes.saturating_add(registry_bytes / 2 * 3);
        match self.get(Limit::MemoryBytes) {
            given if given < needed => Err(InvalidLimits::Memory { needed, given }),
            _ => Ok(()),
        }
    }

    /// Refuses `amount` where it is more than `limit` allows.
    ///
    /// # Errors
    /// [`Exceeded`].
    pub fn check(&self, limit: Limit, amount: usize) -> Result<(), Exceeded> {
        if amount > self.count(limit) { Err(self.exceeded(limit)) } else { Ok(()) }
    }

    /// That `limit` is exceeded.
    #[must_use]
    pub const fn exceeded(&self, limit: Limit) -> Exceeded {
        Exceeded { limit, allowed: self.get(limit) }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, allowed } = self;
        let (before, behind) = match limit {
            Limit::MessageBytes => ("A message has at most", "bytes"),
            Limit::Frames => ("A message has at most", "frames"),
            Limit::Services => ("There are at most", "services"),
            Limit::RegistryBytes => ("All services together have at most", "bytes"),
            Limit::ServiceBytes => ("The service_info of a service has at most", "bytes"),
            Limit::Tags => ("A service has at most", "tags"),
            Limit::NameBytes => {
                ("An id, a name, a host, a type and a tag have at most", "bytes each")
            }
            Limit::TtlMin => ("A ttl is at least", "seconds"),
            Limit::TtlMax => ("A ttl is at most", "seconds"),
            Limit::Jobs => ("At most", "requests wait to be stored"),
            Limit::JobBytes => ("At most", "bytes of requests wait to be stored"),
            Limit::MessagesPerClient => ("At most", "messages of a client wait to be read"),
            Limit::RepliesPerClient => ("At most", "replies wait for a client to read them"),
            Limit::RefusalsPerClient => ("At most", "refusals wait for a client behind replies"),
            Limit::LargeReplyBytes => (
                "A client gets at most",
                "bytes of large replies in ten seconds while memory is short",
            ),
            Limit::RequestsPerTurn => ("At most", "requests are taken in a turn"),
            Limit::BytesPerTurn => ("At most", "bytes of requests are taken in a turn"),
            Limit::Connections => ("There are at most", "connections"),
            Limit::ConnectionsWaiting => ("At most", "connections wait to be accepted"),
            Limit::HandshakeSeconds => ("A peer says who it is within", "seconds"),
            Limit::SilenceSeconds => ("A peer gives a sign of life within", "seconds"),
            Limit::MemoryBytes => ("The registry takes at most", "bytes of memory"),
            Limit::HttpConnections => ("There are at most", "HTTP connections"),
            Limit::HttpRequestSeconds => ("An HTTP request arrives within", "seconds"),
            Limit::HttpAnswerSeconds => ("An HTTP answer leaves within", "seconds"),
        };
        write!(formatter, "{before} {allowed} {behind}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_name_of_its_own_and_a_default_in_its_range() {
        for (number, limit) in Limit::ALL.into_iter().enumerate() {
            let (least, most) = limit.range();

            assert_eq!(limit as usize, number);
            assert_eq!(Limit::named(limit.name()), Some(limit));
            assert!((least..=most).contains(&limit.default_value()), "{limit:?}");
        }
    }

    #[test]
    fn every_limit_can_be_all_of_its_range_and_nothing_else() {
        for limit in Limit::ALL {
            let set = |value: u64| Limits::default().with(limit, value);
            let (least, most) = limit.range();

            for value in [least, most] {
                assert_eq!(set(value).unwrap().get(limit), value);
            }
            for value in [least - 1, most + 1] {
                let expected = format!(
                    "{} must be a whole number from {least} to {most}, not {value}",
                    limit.name()
                );
                assert_eq!(set(value).unwrap_err().to_string(), expected);
            }
        }
    }

    #[test]
    fn what_a_text_names_is_set_and_nothing_else() {
        let limits = Limits::default().with_text("services=10, tags = 3").unwrap();

        for limit in Limit::ALL {
            let expected = match limit {
                Limit::Services => 10,
                Limit::Tags => 3,
                other => other.default_value(),
            };
            assert_eq!(limits.get(limit), expected);
        }
    }

    #[test]
    fn a_mistake_names_the_limit_and_what_it_can_be() {
        for (text, expected) in [
            ("tags=0", "tags must be a whole number from 1 to 65536, not 0"),
            ("tags=65537", "tags must be a whole number from 1 to 65536, not 65537"),
            ("tags=x", "tags must be a whole number from 1 to 65536, not \"x\""),
            ("tags=+5", "tags must be a whole number from 1 to 65536, not \"+5\""),
            ("tags=", "tags must be a whole number from 1 to 65536, not \"\""),
            ("services=5,tags", "must be limits such as services=1000,tags=8, not \"tags\""),
            ("", "must be limits such as services=1000,tags=8, not \"\""),
        ] {
            assert_eq!(Limits::default().with_text(text).unwrap_err().to_string(), expected);
        }
        let unknown = Limits::default().with_text("ports=5").unwrap_err().to_string();
        assert!(unknown.starts_with("ports is no limit; the limits are message_bytes, "));
    }

    #[test]
    fn what_is_inside_is_no_larger_than_what_is_around_it() {
        assert_eq!(Limits::default().validate(), Ok(()));
        for (text, expected) in [
            (
                "message_bytes=2048,service_bytes=2049",
                "message_bytes must be at least service_bytes, 2049, not 2048",
            ),
            ("ttl_min=61,ttl_max=60", "ttl_max must be at least ttl_min, 61, not 60"),
            (
                "memory_bytes=167772159",
                "memory_bytes must be at least 167772160, two and a half times registry_bytes, not \
                 167772159; raise it, or lower registry_bytes",
            ),
        ] {
            let error = Limits::default().with_text(text).unwrap().validate().unwrap_err();

            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn what_a_limit_allows_is_not_exceeded() {
        let limits = Limits::default().with(Limit::Tags, 2).unwrap();

        assert_eq!(limits.check(Limit::Tags, 2), Ok(()));
        let exceeded = Exceeded { limit: Limit::Tags, allowed: 2 };
        assert_eq!(limits.check(Limit::Tags, 3), Err(exceeded));
    }
}
