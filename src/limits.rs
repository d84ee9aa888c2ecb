//! What the registry takes at the most: every bound with its name, unit, default and range.
//!
//! Pure values. Who keeps to a bound names it in what it refuses, so that whoever runs the
//! registry finds the setting.

use std::fmt;
use std::time::Duration;

mod invalid;
mod limit;

pub use invalid::{InvalidLimit, InvalidLimits};
pub use limit::Limit;

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
        formatter.write_str(&self.limit.sentence(self.allowed))
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
            let exceeded = Exceeded { limit, allowed: 7_654_321 }.to_string();
            assert_eq!(exceeded.matches("7654321").count(), 1, "{exceeded}");
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
