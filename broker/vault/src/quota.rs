//! How often the vault may be changed: ten times a minute, with a bucket that fills again evenly. The clock is the
//! caller's; one that goes back gives nothing and takes nothing.

use crate::error::VaultError;

/// Changes in a minute.
const LIMIT: u32 = 10;
/// Seconds for one more.
const EACH: i64 = 60 / LIMIT as i64;

/// Seconds of credit, up to a minute, each change costs [`EACH`].
#[derive(Debug)]
pub(crate) struct Quota {
    credit: i64,
    seen: Option<i64>,
}

impl Quota {
    pub(crate) fn new() -> Self {
        Self {
            credit: 60,
            seen: None,
        }
    }

    /// Takes one change.
    ///
    /// # Errors
    /// [`VaultError::TooFast`].
    pub(crate) fn take(&mut self, now: i64) -> Result<(), VaultError> {
        let passed = self.seen.map_or(0, |seen| now.saturating_sub(seen).max(0));
        self.credit = self.credit.saturating_add(passed).min(60);
        self.seen = Some(now);
        if self.credit < EACH {
            return Err(VaultError::TooFast {
                limit: LIMIT,
                wait: EACH - self.credit,
            });
        }
        self.credit -= EACH;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_at_once_then_one_each_six_seconds() {
        let mut quota = Quota::new();
        assert!((0..10).all(|_| quota.take(1000).is_ok()));
        assert!(matches!(
            quota.take(1002),
            Err(VaultError::TooFast { limit: 10, wait: 4 })
        ));
        assert!(quota.take(1006).is_ok());
        assert!(quota.take(1006).is_err());
        assert_eq!((0..20).filter(|_| quota.take(9000).is_ok()).count(), 10);
    }

    #[test]
    fn a_clock_that_jumps_back_and_forth_gives_no_more_than_it_moved() {
        let mut quota = Quota::new();
        (0..10).for_each(|_| quota.take(1000).unwrap());
        assert!(quota.take(0).is_err());
        assert!(quota.take(i64::MIN).is_err());
        assert_eq!((0..20).filter(|_| quota.take(i64::MAX).is_ok()).count(), 10);
    }
}
