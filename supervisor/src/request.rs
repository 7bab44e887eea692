//! The words of the supervisor's control socket: one line per connection, from a fixed set.

/// The most bytes of a request, the line's end included.
pub const REQUEST_LIMIT: usize = 64;

/// What may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// How everything stands.
    Status,
    /// Which processes there are.
    Pids,
    /// Finish and end.
    Stop,
    /// Read `config.toml` again, with a new broker.
    Reload,
    /// Kill every confined process now and start none until the next start.
    Panic,
}

/// What the bytes received so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Heard {
    /// Not a whole line yet.
    Part,
    /// A request.
    Whole(Request),
    /// None of the set, or too long.
    Wrong,
}

/// Every request with its word.
pub const ALL: [(&str, Request); 5] = [
    ("status", Request::Status),
    ("pids", Request::Pids),
    ("stop", Request::Stop),
    ("reload", Request::Reload),
    ("panic", Request::Panic),
];

/// Reads a request from the bytes received so far.
pub fn parse(bytes: &[u8]) -> Heard {
    let Some((b'\n', line)) = bytes.split_last() else {
        let hopeless = bytes.len() >= REQUEST_LIMIT || bytes.contains(&b'\n');
        return if hopeless { Heard::Wrong } else { Heard::Part };
    };
    ALL.iter()
        .find(|(word, _)| word.as_bytes() == line)
        .map_or(Heard::Wrong, |(_, request)| Heard::Whole(*request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_line_of_the_set_is_a_request() {
        for (word, request) in ALL {
            let line = format!("{word}\n");
            assert_eq!(parse(line.as_bytes()), Heard::Whole(request));
            assert_eq!(parse(word.as_bytes()), Heard::Part);
        }
        for wrong in [
            "\n",
            "STATUS\n",
            "status \n",
            " status\n",
            "status\r\n",
            "status\nstop\n",
            "status\nst",
            "status\0\n",
            "kill 1\n",
        ] {
            assert_eq!(parse(wrong.as_bytes()), Heard::Wrong, "{wrong:?}");
        }
        assert_eq!(parse(b""), Heard::Part);
        assert_eq!(parse(&[b'a'; REQUEST_LIMIT - 1]), Heard::Part);
        assert_eq!(parse(&[b'a'; REQUEST_LIMIT]), Heard::Wrong);
    }
}
