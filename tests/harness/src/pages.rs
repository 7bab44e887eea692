//! A site on this machine for tools that read pages: it answers each path with its text and keeps who asked.

use crate::http::{Received, receive};
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The site. Dropping it closes the port.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    pages: Vec<(String, String)>,
    received: Mutex<Vec<Received>>,
    stopped: AtomicBool,
}

impl Site {
    /// A site with these pages: path and text. Every other path is empty text.
    ///
    /// # Panics
    /// Where no port is free.
    pub fn with(pages: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            pages: pages
                .iter()
                .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
                .collect(),
            ..Shared::default()
        });
        let site = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if site.stopped.load(Ordering::SeqCst) {
                    break;
                }
                // A client that leaves is no failure of the site.
                drop(answer(&stream, &site));
            }
        });
        Self { address, shared }
    }

    /// The address of a page.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `http://HOST:PORT`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The paths that were asked for, in order.
    pub fn asked_for(&self) -> Vec<String> {
        let received = self
            .shared
            .received
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        received
            .iter()
            .map(|request| request.path.clone())
            .collect()
    }
}

fn answer(stream: &TcpStream, site: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let Some(request) = receive(&mut reader)? else {
        return Ok(());
    };
    let text = site
        .pages
        .iter()
        .find(|(path, _)| *path == request.path)
        .map_or("", |(_, text)| text);
    site.received
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    )
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}
