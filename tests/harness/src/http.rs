//! Requests of HTTP/1.1 as a server in a test reads them: whole, with `content-length`. Nothing else.

use std::io::{self, BufRead, Write};

/// The largest request body that is read, in bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// A request as it was received.
#[derive(Debug, Clone)]
pub struct Received {
    /// `POST` or `GET`.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text; what is not UTF-8 is replaced.
    pub body: String,
}

impl Received {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Sends it on, over a connection that ends with the answer.
    ///
    /// # Errors
    /// Those of writing.
    pub fn forward(&self, mut to: impl Write) -> io::Result<()> {
        write!(
            to,
            "{} {} HTTP/1.1\r\nconnection: close\r\n",
            self.method, self.path
        )?;
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "connection") {
            write!(to, "{name}: {value}\r\n")?;
        }
        write!(to, "\r\n{}", self.body)?;
        to.flush()
    }
}

/// The next request of a connection; `None` where it ends.
///
/// # Errors
/// Those of reading.
pub fn receive(reader: &mut impl BufRead) -> io::Result<Option<Received>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut parts = first.split_whitespace().map(str::to_owned);
    let (method, path) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; usize::min(length, MAX_BODY)];
    reader.read_exact(&mut body)?;
    Ok(Some(Received {
        method,
        path,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }))
}
