//! Bodies that are not made anew for everybody who asks.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::clock::ListeningTime;

/// How old a small body may be.
const AGE_MAX: Duration = Duration::from_millis(500);

/// From how many bytes on a body is kept only while somebody receives it.
const LARGE: usize = 256 * 1_024;

/// How old a large body may be, as long as somebody receives it: slow peers must not fill the
/// memory with bodies, each of its own. An answer takes at most thrice as long, so that there are
/// at most four.
const LARGE_AGE_MAX: Duration = Duration::from_secs(5);

/// A body that was made for somebody, and may be what the next one gets.
#[derive(Debug, Default)]
pub(super) enum Cached {
    #[default]
    Nothing,
    Small {
        body: Arc<Vec<u8>>,
        made: ListeningTime,
    },
    Large {
        body: Weak<Vec<u8>>,
        made: ListeningTime,
    },
}

impl Cached {
    /// The body, as `make` makes it, or as it made it a moment ago.
    pub(super) fn get(
        &mut self,
        now: ListeningTime,
        make: impl FnOnce() -> Vec<u8>,
    ) -> Arc<Vec<u8>> {
        self.kept(now).unwrap_or_else(|| {
            let body = Arc::new(make());
            *self = if body.len() < LARGE {
                Self::Small { body: Arc::clone(&body), made: now }
            } else {
                Self::Large { body: Arc::downgrade(&body), made: now }
            };
            body
        })
    }

    fn kept(&self, now: ListeningTime) -> Option<Arc<Vec<u8>>> {
        match self {
            Self::Small { body, made } if now.since(*made) < AGE_MAX => Some(Arc::clone(body)),
            Self::Large { body, made } if now.since(*made) < LARGE_AGE_MAX => body.upgrade(),
            Self::Nothing | Self::Small { .. } | Self::Large { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> ListeningTime {
        ListeningTime::from_milliseconds(milliseconds)
    }

    fn body(length: usize) -> Vec<u8> {
        vec![b'x'; length]
    }

    #[test]
    fn a_small_body_is_made_twice_a_second() {
        let mut cached = Cached::default();
        assert_eq!(cached.get(at(1_000), || body(1)).len(), 1);

        assert_eq!(cached.get(at(1_499), || body(2)).len(), 1);
        assert_eq!(cached.get(at(1_500), || body(3)).len(), 3);
    }

    #[test]
    fn a_large_body_is_there_once_and_no_longer_than_somebody_receives_it() {
        let mut cached = Cached::default();
        let receiving = cached.get(at(1_000), || body(LARGE));

        assert!(Arc::ptr_eq(&receiving, &cached.get(at(5_999), || body(1))));
        assert_eq!(Arc::strong_count(&receiving), 1);

        drop(receiving);
        assert_eq!(cached.get(at(1_001), || body(1)).len(), 1);
    }

    #[test]
    fn a_large_body_that_is_received_for_long_does_not_stay_for_ever() {
        let mut cached = Cached::default();
        let _receiving = cached.get(at(1_000), || body(LARGE));

        assert_eq!(cached.get(at(6_000), || body(1)).len(), 1);
    }
}
