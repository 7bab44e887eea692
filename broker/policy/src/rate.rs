//! How many calls a session may start within a minute: a token bucket that is told the time.

/// What a [`Bucket`] says about the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateState {
    /// A call may start.
    Open,
    /// None may start yet.
    Exhausted {
        /// Seconds until one may, at least 1.
        retry_after: u32,
    },
}

/// A token bucket: holds one minute's calls and refills evenly. Whole numbers only, so nothing is
/// lost or gained by rounding.
#[derive(Debug, Clone)]
pub struct Bucket {
    per_minute: u64,
    // In parts of a call: one call is MINUTE_MS parts, and each millisecond adds `per_minute`.
    level: u64,
    seen_ms: u64,
}

const MINUTE_MS: u64 = 60_000;

impl Bucket {
    /// A full bucket for `per_minute` calls a minute (0 lets nothing through), at `now_ms`
    /// milliseconds of any clock that does not run backwards.
    pub fn new(per_minute: u32, now_ms: u64) -> Self {
        let per_minute = u64::from(per_minute);
        Self {
            per_minute,
            level: per_minute * MINUTE_MS,
            seen_ms: now_ms,
        }
    }

    /// What a call at `now_ms` would meet. Takes nothing.
    pub fn state(&self, now_ms: u64) -> RateState {
        let level = self.level_at(now_ms);
        if level >= MINUTE_MS {
            return RateState::Open;
        }
        let missing_ms = (MINUTE_MS - level)
            .checked_div(self.per_minute)
            .unwrap_or(MINUTE_MS);
        RateState::Exhausted {
            retry_after: u32::try_from(missing_ms / 1000 + 1).unwrap_or(u32::MAX),
        }
    }

    /// Takes one call. To be used after the judgement, so that what is refused costs nothing.
    ///
    /// # Errors
    /// The seconds until a call may start, where none may now; nothing is taken then.
    pub fn take(&mut self, now_ms: u64) -> Result<(), u32> {
        match self.state(now_ms) {
            RateState::Exhausted { retry_after } => Err(retry_after),
            RateState::Open => {
                self.level = self.level_at(now_ms) - MINUTE_MS;
                self.seen_ms = self.seen_ms.max(now_ms);
                Ok(())
            }
        }
    }

    fn level_at(&self, now_ms: u64) -> u64 {
        let passed = now_ms.saturating_sub(self.seen_ms).min(MINUTE_MS);
        (self.level + passed * self.per_minute).min(self.per_minute * MINUTE_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_minute_holds_its_calls_and_no_more() {
        let mut bucket = Bucket::new(3, 0);
        for _ in 0..3 {
            assert_eq!(bucket.take(0), Ok(()));
        }
        assert_eq!(bucket.take(0), Err(21));
        assert_eq!(bucket.take(19_999), Err(1));
        assert_eq!(bucket.take(20_000), Ok(()));
    }

    #[test]
    fn nothing_a_minute_means_nothing() {
        assert!(Bucket::new(0, 0).take(u64::MAX).is_err());
    }

    proptest! {
        #[test]
        fn no_window_of_a_minute_lets_more_than_two_fillings_through(
            per_minute in 1u32..50, steps in proptest::collection::vec(0u64..5_000, 1..400)
        ) {
            let mut bucket = Bucket::new(per_minute, 0);
            let mut now = 0;
            let mut taken = Vec::new();
            for step in steps {
                now += step;
                if bucket.take(now).is_ok() {
                    taken.push(now);
                }
            }
            for (at, start) in taken.iter().enumerate() {
                let within = taken[at..].iter().take_while(|time| *time - start < MINUTE_MS).count();
                prop_assert!(within <= 2 * per_minute as usize);
            }
            prop_assert!(taken.len() as u64 <= u64::from(per_minute) * (1 + now.div_ceil(MINUTE_MS)));
        }

        #[test]
        fn waiting_as_told_is_enough(per_minute in 1u32..500, now in 0u64..1_000_000) {
            let mut bucket = Bucket::new(per_minute, now);
            while bucket.take(now).is_ok() {}
            let wait = bucket.take(now).unwrap_err();
            prop_assert_eq!(bucket.take(now + u64::from(wait) * 1000), Ok(()));
        }
    }
}
