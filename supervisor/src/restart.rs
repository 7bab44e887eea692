//! When to start a process again.
//!
//! Pure: the caller says how long the dead one lived and gets the time to wait. The constants:
//! the first wait is short, because most deaths are a single accident and a person waits for the
//! answer; waits double, because a death that repeats is not cured by haste; a minute of life is
//! longer than any start takes, so what dies after it died of something new.

use std::time::Duration;

/// The wait after the first death: below what a person notices.
pub const FIRST_WAIT: Duration = Duration::from_millis(50);
/// No wait is longer: an owner who repaired the cause sees it work within seconds.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Who lived this long was healthy; its death counts as the first.
pub const HEALTHY: Duration = Duration::from_secs(60);
/// With this many deaths in a row, each of them quick, the cause is not an accident.
pub const QUICK_DEATHS: u32 = 8;

/// The deaths of one kind of process, in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restarts {
    quick: u32,
}

/// What to do after a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Start it again after this time.
    After(Duration),
    /// Do not start it again by itself.
    GiveUp,
}

impl Restarts {
    /// Counts a death of a process that must run, after `lived`.
    pub fn died(&mut self, lived: Duration) -> Next {
        let wait = self.failed(lived);
        if self.quick >= QUICK_DEATHS {
            Next::GiveUp
        } else {
            Next::After(wait)
        }
    }

    /// Counts a death of a process that is tried for ever; the time to wait.
    pub fn failed(&mut self, lived: Duration) -> Duration {
        if lived >= HEALTHY {
            self.quick = 0;
        }
        self.quick = self.quick.saturating_add(1);
        // Beyond 31 doublings the product is past the longest wait in any case.
        let factor = 1_u32 << (self.quick - 1).min(30);
        FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT)
    }

    /// Forgets the deaths.
    pub fn recovered(&mut self) {
        self.quick = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_then_it_gives_up() {
        let mut restarts = Restarts::default();
        let waits: Vec<Next> = (0..8).map(|_| restarts.died(Duration::ZERO)).collect();
        let after = |millis| Next::After(Duration::from_millis(millis));
        assert_eq!(
            waits,
            [
                after(50),
                after(100),
                after(200),
                after(400),
                after(800),
                after(1600),
                after(3200),
                Next::GiveUp
            ]
        );
    }

    #[test]
    fn a_minute_of_health_is_a_new_beginning() {
        let mut restarts = Restarts::default();
        for _ in 0..7 {
            let _ = restarts.died(HEALTHY - Duration::from_millis(1));
        }
        assert_eq!(restarts.died(HEALTHY), Next::After(FIRST_WAIT));
        assert_eq!(restarts.died(Duration::ZERO), Next::After(FIRST_WAIT * 2));
    }

    #[test]
    fn what_is_tried_for_ever_waits_no_longer_than_the_longest() {
        let mut restarts = Restarts::default();
        let last = (0..100).map(|_| restarts.failed(Duration::ZERO)).last();
        assert_eq!(last, Some(LONGEST_WAIT));
        restarts.recovered();
        assert_eq!(restarts.failed(Duration::ZERO), FIRST_WAIT);
    }
}
