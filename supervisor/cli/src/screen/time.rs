//! Times for people, in the machine's own time zone.

use jiff::{Timestamp, tz::TimeZone};

/// Now, in seconds since 1970.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// `2026-01-31 17:05:09`; the bare number where it is no time.
pub(crate) fn clock(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(time) => time
            .to_zoned(TimeZone::system())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
        Err(_) => seconds.to_string(),
    }
}

/// A length of time in its largest unit: `42 s`, `3 min`, `5 h`, `2 days`.
pub(crate) fn span(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_their_unit() {
        for (seconds, shown) in [
            (-5, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7_200, "2 h"),
            (172_800, "2 days"),
        ] {
            assert_eq!(span(seconds), shown);
        }
    }

    #[test]
    fn what_is_no_time_is_a_number() {
        assert_eq!(clock(i64::MAX), i64::MAX.to_string());
        assert_eq!(clock(0).len(), "1970-01-01 00:00:00".len());
    }
}
