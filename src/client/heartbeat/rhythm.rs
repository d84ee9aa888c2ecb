//! When the next heartbeat is due. Pure.

use std::time::Duration;

/// How many heartbeats fit into a ttl. Two may be lost before the service expires.
const HEARTBEATS_PER_TTL: u32 = 3;

/// The first pause after a heartbeat that was not answered is an interval divided by this.
const FIRST_PAUSE_DIVISOR: u32 = 4;

/// When heartbeats are due: at intervals while the registry answers, after growing pauses while
/// it does not.
#[derive(Debug)]
pub(super) struct Rhythm {
    interval: Duration,
    /// The longest pause after the next heartbeat that is not answered.
    pause: Duration,
}

impl Rhythm {
    pub(super) fn new(ttl_seconds: u32) -> Self {
        // A ttl of 0 is none that this registry grants; another might.
        let interval = Duration::from_secs(ttl_seconds.max(1).into()) / HEARTBEATS_PER_TTL;
        Self { interval, pause: interval / FIRST_PAUSE_DIVISOR }
    }

    /// The time between two heartbeats that are answered.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// How long to wait after an answer, for a heartbeat that `took` so long.
    pub(super) fn answered(&mut self, took: Duration) -> Duration {
        self.pause = self.interval / FIRST_PAUSE_DIVISOR;
        self.interval.saturating_sub(took)
    }

    /// How long to wait after a heartbeat that was not answered: twice as long each time, up to an
    /// interval. `chance`, from 0 to 1, shortens it by up to a half, so that a registry that comes
    /// back does not hear all its services at once.
    pub(super) fn unanswered(&mut self, chance: f64) -> Duration {
        let longest = self.pause;
        self.pause = (longest * 2).min(self.interval);
        longest.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn three_heartbeats_go_out_in_each_ttl() {
        assert_eq!(Rhythm::new(30).interval(), 10 * SECOND);
        assert_eq!(Rhythm::new(1).interval(), SECOND / 3);
        assert!(!Rhythm::new(0).interval().is_zero());
    }

    #[test]
    fn the_time_that_a_heartbeat_took_is_part_of_the_interval() {
        let mut rhythm = Rhythm::new(30);

        assert_eq!(rhythm.answered(3 * SECOND), 7 * SECOND);
        assert_eq!(rhythm.answered(12 * SECOND), Duration::ZERO);
    }

    #[test]
    fn pauses_grow_up_to_an_interval_while_the_registry_is_silent() {
        let mut rhythm = Rhythm::new(24);

        let pauses: Vec<u64> = (0..5).map(|_| rhythm.unanswered(0.0).as_secs()).collect();

        assert_eq!(pauses, [2, 4, 8, 8, 8]);
    }

    #[test]
    fn an_answer_makes_the_next_pause_short_again() {
        let mut rhythm = Rhythm::new(24);
        for _ in 0..5 {
            rhythm.unanswered(0.0);
        }

        rhythm.answered(SECOND);

        assert_eq!(rhythm.unanswered(0.0), 2 * SECOND);
    }

    #[test]
    fn chance_shortens_a_pause_by_up_to_a_half() {
        assert_eq!(Rhythm::new(24).unanswered(0.5), Duration::from_millis(1_500));
        assert_eq!(Rhythm::new(24).unanswered(1.0), SECOND);
    }
}
