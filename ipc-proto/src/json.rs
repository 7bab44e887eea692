//! Limits on JSON, checked over the bytes before anything is parsed or allocated.

use crate::limits;

/// What is wrong with a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Nested deeper than [`limits::JSON_DEPTH`].
    #[error("nested deeper than {} levels", limits::JSON_DEPTH)]
    Depth,
    /// A string longer than the limit.
    #[error("a string is longer than {0} bytes")]
    Field(usize),
    /// A string that does not end, or brackets that do not close.
    #[error("it ends in the middle")]
    Unfinished,
}

/// Checks nesting and the length of strings (as written, escapes included). Does not check that
/// the text is JSON otherwise.
///
/// # Errors
/// The limit that is exceeded.
pub fn check(text: &[u8], longest_string: usize) -> Result<(), Excess> {
    let mut depth = 0_usize;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > limits::JSON_DEPTH {
                    return Err(Excess::Depth);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let mut length = 0_usize;
                loop {
                    match bytes.next() {
                        None => return Err(Excess::Unfinished),
                        Some(b'"') => break,
                        Some(b'\\') => {
                            length += 2;
                            if bytes.next().is_none() {
                                return Err(Excess::Unfinished);
                            }
                        }
                        Some(_) => length += 1,
                    }
                    if length > longest_string {
                        return Err(Excess::Field(longest_string));
                    }
                }
            }
            _ => {}
        }
    }
    if depth == 0 {
        Ok(())
    } else {
        Err(Excess::Unfinished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_at_their_edge() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(nested(64).as_bytes(), 10), Ok(()));
        assert_eq!(check(nested(65).as_bytes(), 10), Err(Excess::Depth));
        let string = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length));
        assert_eq!(check(string(10).as_bytes(), 10), Ok(()));
        assert_eq!(check(string(11).as_bytes(), 10), Err(Excess::Field(10)));
        assert_eq!(check(b"{\"a\\\"[[\": 1}", 10), Ok(()));
        assert_eq!(check(b"\"abc", 10), Err(Excess::Unfinished));
        assert_eq!(check(b"\"\\", 10), Err(Excess::Unfinished));
    }
}
