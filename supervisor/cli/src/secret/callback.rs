//! Where the browser comes back to after a login (RFC 8252, section 7.3): one loopback port, one GET,
//! one page. It reads nothing else, serves nothing else, and ends.

use crate::failure::{Exit, Explain};
use carapace_contract::secret::SecretText;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long a person may take to log in.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
/// For one connection: a browser sends its request at once.
const REQUEST: Duration = Duration::from_secs(5);
/// The longest request that is read, in bytes; codes of today's servers have less than 2 KiB.
const LONGEST: usize = 16 * 1024;
/// Where the browser comes back to.
pub(crate) const PATH: &str = "/callback";

/// Why a login did not come back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallbackError {
    /// No port.
    #[error("waiting for the browser: {0}")]
    Listen(#[from] io::Error),
    /// Nobody came.
    #[error("waiting for the browser: nobody logged in within {} minutes", PATIENCE.as_secs() / 60)]
    Late,
    /// The server says no.
    #[error("logging in: the server answered {code:?}{}", .words.as_deref().map(|words| format!(": {words}")).unwrap_or_default())]
    Refused {
        /// `error` (RFC 6749, section 4.1.2.1).
        code: String,
        /// `error_description`.
        words: Option<String>,
    },
    /// Somebody else's answer.
    #[error("logging in: what came back belongs to another login")]
    State,
    /// Neither code nor error.
    #[error("logging in: what came back has no code")]
    NoCode,
}

impl Explain for CallbackError {
    fn code(&self) -> &'static str {
        match self {
            Self::Listen(_) => "login-listen",
            Self::Late => "login-late",
            Self::Refused { .. } => "login-refused",
            Self::State => "login-state",
            Self::NoCode => "login-no-code",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Listen(_) => "mend what the system names and try again",
            Self::Late | Self::Refused { .. } => "run `carapace auth login` again",
            Self::State | Self::NoCode => {
                "run `carapace auth login` again and use the page that it opens, no other"
            }
        }
        .to_owned()
    }

    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

/// What the browser brought.
#[derive(Debug)]
pub(crate) struct Returned {
    /// As it was sent out.
    pub(crate) state: SecretText,
    /// Buys the tokens.
    pub(crate) code: SecretText,
}

/// A port that waits.
#[derive(Debug)]
pub(crate) struct Callback {
    listener: TcpListener,
    port: u16,
}

impl Callback {
    /// Takes a free port of this machine.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn listen() -> Result<Self, CallbackError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        listener.set_nonblocking(true)?;
        Ok(Self { listener, port })
    }

    /// The address that the server sends the browser to.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// Waits for the browser with this state. Requests for anything else are answered and forgotten.
    ///
    /// # Errors
    /// Nobody came in time, or what came is no login.
    pub(crate) fn wait(self, state: &SecretText) -> Result<Returned, CallbackError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(CallbackError::Late);
            }
            let mut waits = [rustix::event::PollFd::new(
                &self.listener,
                rustix::event::PollFlags::IN,
            )];
            let timeout = rustix::event::Timespec::try_from(left).ok();
            match rustix::event::poll(&mut waits, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
            let stream = match self.listener.accept() {
                Ok((stream, from)) if from.ip().is_loopback() => stream,
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            };
            if let Some(outcome) = serve(stream, state) {
                return outcome;
            }
        }
    }
}

/// One connection: its outcome, or nothing where it was not the browser's return.
fn serve(mut stream: TcpStream, state: &SecretText) -> Option<Result<Returned, CallbackError>> {
    stream.set_nonblocking(false).ok()?;
    stream.set_write_timeout(Some(REQUEST)).ok()?;
    let head = read_head(&mut stream)?;
    let Some(query) = query_of(&head) else {
        answer(&mut stream, "404 Not Found", "There is nothing here.");
        return None;
    };
    let outcome = judge(query, state);
    let (status, words) = match &outcome {
        Ok(_) => (
            "200 OK",
            "You are logged in. Close this page and go back to your terminal.",
        ),
        Err(_) => (
            "400 Bad Request",
            "The login did not work. Your terminal says why.",
        ),
    };
    answer(&mut stream, status, words);
    match outcome {
        // Any page in the browser can send such a request; the login of this terminal goes on.
        Err(CallbackError::State) => None,
        outcome => Some(outcome),
    }
}

fn read_head(stream: &mut TcpStream) -> Option<Zeroizing<Vec<u8>>> {
    let until = Instant::now() + REQUEST;
    let mut head = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut piece = Zeroizing::new([0; 2048]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        stream.set_read_timeout(Some(left)).ok()?;
        match stream.read(piece.as_mut_slice()) {
            Ok(count @ 1..) if head.len() + count <= LONGEST => {
                head.extend_from_slice(&piece[..count]);
            }
            _ => return None,
        }
    }
    Some(head)
}

/// The query of a GET for [`PATH`].
fn query_of(head: &[u8]) -> Option<&str> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    if !request.parse(head).is_ok_and(|status| status.is_complete()) {
        return None;
    }
    let (path, query) = request.path?.split_once('?')?;
    (request.method == Some("GET") && path == PATH).then_some(query)
}

fn judge(query: &str, state: &SecretText) -> Result<Returned, CallbackError> {
    let back = SecretText::new(value(query, "state").unwrap_or_default());
    if !same(back.reveal().as_bytes(), state.reveal().as_bytes()) {
        return Err(CallbackError::State);
    }
    if let Some(code) = value(query, "error") {
        return Err(CallbackError::Refused {
            code: code.chars().take(100).collect(),
            words: value(query, "error_description").map(|text| text.chars().take(300).collect()),
        });
    }
    match value(query, "code").filter(|code| !code.is_empty()) {
        Some(code) => Ok(Returned {
            state: back,
            code: SecretText::new(code),
        }),
        None => Err(CallbackError::NoCode),
    }
}

/// Whether two texts are the same, without telling by time where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .fold(0, |differs, (one, other)| differs | (one ^ other))
            == 0
}

/// A value of `application/x-www-form-urlencoded`, decoded. The first counts.
fn value(query: &str, name: &str) -> Option<String> {
    let (_, value) = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(value.len()));
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                // NOTE(as): two hexadecimal digits are at most 255.
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    std::str::from_utf8(&bytes).ok().map(str::to_owned)
}

fn answer(stream: &mut TcpStream, status: &str, words: &str) {
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>carapace</title><p style=\"font:1.2em sans-serif;margin:3em\">{words}</p>"
    );
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\nReferrer-Policy: no-referrer\r\n\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.shutdown(std::net::Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    fn get(address: &str, query: &str) -> String {
        let port = address.split([':', '/']).nth(4).unwrap();
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        write!(stream, "GET {query} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut told = String::new();
        let _ = stream.read_to_string(&mut told);
        told
    }

    #[test]
    fn only_the_return_of_this_login_ends_it() {
        let callback = Callback::listen().unwrap();
        let address = callback.address();
        let wait = std::thread::spawn(move || callback.wait(&secret("right")));
        assert!(get(&address, "/favicon.ico").starts_with("HTTP/1.1 404"));
        assert!(get(&address, "/callback?code=evil&state=wrong").starts_with("HTTP/1.1 400"));
        assert!(get(&address, "nonsense").starts_with("HTTP/1.1 404"));
        let told = get(&address, "/callback?code=a%2Fb+c&state=right");
        assert!(
            told.starts_with("HTTP/1.1 200") && !told.contains("<script"),
            "{told}"
        );
        let returned = wait.join().unwrap().unwrap();
        assert_eq!(returned.code.reveal(), "a/b c");
    }

    #[test]
    fn a_refusal_of_the_server_is_told() {
        let state = secret("s");
        let told = judge(
            "error=access_denied&error_description=not+you&state=s",
            &state,
        );
        let told = told.unwrap_err().to_string();
        assert!(
            told.contains("access_denied") && told.contains("not you"),
            "{told}"
        );
        assert!(matches!(judge("code=x", &state), Err(CallbackError::State)));
        assert!(matches!(
            judge("state=s", &state),
            Err(CallbackError::NoCode)
        ));
        assert!(matches!(
            judge("error=access_denied", &state),
            Err(CallbackError::State)
        ));
    }

    proptest! {
        #[test]
        fn any_request_is_read(head in proptest::collection::vec(any::<u8>(), 0..200), query in "\\PC{0,80}") {
            let _ = query_of(&head);
            let _ = judge(&query, &secret("s"));
            let _ = judge(&format!("state=s&{query}"), &secret("s"));
        }
    }
}
