//! Which steps of a plan an answer is about. Parsed once, at the edge; never empty, never beyond the
//! longest plan.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The most steps of a plan.
pub const STEPS: u8 = 64;

/// The longest text of a part: each of the steps by itself.
const LONGEST: usize = 256;

/// Some steps of a plan, counted from 1: `1-3,5`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Part(BTreeSet<u8>);

/// A text that is no part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no steps: numbers from 1 to {STEPS} are expected, as in 1-3,5")]
pub struct BadPart(String);

impl Part {
    /// True where it has this step, counted from 1.
    pub fn has(&self, step: usize) -> bool {
        u8::try_from(step).is_ok_and(|step| self.0.contains(&step))
    }

    /// The highest step in it.
    pub fn last(&self) -> u8 {
        self.0.last().copied().unwrap_or(0)
    }
}

impl FromStr for Part {
    type Err = BadPart;

    fn from_str(text: &str) -> Result<Self, BadPart> {
        let bad = || BadPart(text.chars().take(40).collect());
        if text.len() > LONGEST {
            return Err(bad());
        }
        let number = |digits: &str| -> Result<u8, BadPart> {
            let digits = digits.trim();
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(bad());
            }
            let step: u8 = digits.parse().map_err(|_| bad())?;
            if (1..=STEPS).contains(&step) {
                Ok(step)
            } else {
                Err(bad())
            }
        };
        let mut steps = BTreeSet::new();
        for one in text.split(',') {
            match one.split_once('-') {
                Some((from, to)) => {
                    let (from, to) = (number(from)?, number(to)?);
                    if from > to {
                        return Err(bad());
                    }
                    steps.extend(from..=to);
                }
                None => {
                    steps.insert(number(one)?);
                }
            }
        }
        Ok(Self(steps))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.iter().copied().peekable();
        let mut first = true;
        while let Some(from) = left.next() {
            let mut to = from;
            while left.peek() == Some(&(to + 1)) {
                to += 1;
                left.next();
            }
            if !std::mem::take(&mut first) {
                out.write_str(",")?;
            }
            if from == to {
                write!(out, "{from}")?;
            } else {
                write!(out, "{from}-{to}")?;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Part {
    type Error = BadPart;

    fn try_from(text: String) -> Result<Self, BadPart> {
        text.parse()
    }
}

impl From<Part> for String {
    fn from(part: Part) -> String {
        part.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_read_as_a_person_types_it() {
        for (typed, shown) in [
            ("1", "1"),
            ("1-3,5", "1-3,5"),
            ("5, 3,2,1", "1-3,5"),
            ("2,2,2-2", "2"),
            ("63-64", "63-64"),
        ] {
            let part: Part = typed.parse().unwrap();
            assert_eq!(part.to_string(), shown);
            assert_eq!(part.to_string().parse::<Part>(), Ok(part));
        }
        let part: Part = "1-3,5".parse().unwrap();
        assert!(part.has(3) && part.has(5) && !part.has(4) && !part.has(0));
        assert_eq!(part.last(), 5);
    }

    #[test]
    fn what_names_no_steps_is_none() {
        let long = "1,".repeat(200);
        for bad in [
            "", ",", "0", "65", "-1", "3-1", "1-", "+1", "1..3", "all", "1;2", "256", "1-999",
            "\u{0661}", &long,
        ] {
            assert!(bad.parse::<Part>().is_err(), "{bad:?}");
        }
    }
}
