//! Stands before a server and keeps each request as it came, with TLS where the test wants it. What
//! arrives at a foreign server is seen here, because that server does not show keys.

use crate::http::{Received, receive};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The front of a server. Dropping it closes the port.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

impl Tap {
    /// Before this server.
    ///
    /// # Panics
    /// Where no port is free.
    pub fn before(server: SocketAddr) -> Self {
        Self::open(server, None)
    }

    /// Before this server, with TLS: a certificate for this name. Also gives the authority that signed it, as PEM.
    ///
    /// # Panics
    /// Where no port is free.
    pub fn with_tls(server: SocketAddr, name: &str) -> (Self, String) {
        let mut params = CertificateParams::new(vec![]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .and_then(|params| params.signed_by(&key, &authority))
            .expect("a certificate");
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(ring)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .and_then(|config| {
                config
                    .with_no_client_auth()
                    .with_single_cert(vec![certificate.der().clone()], private)
            })
            .expect("a configuration");
        (Self::open(server, Some(Arc::new(config))), authority.pem())
    }

    fn open(server: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if theirs.stopped.load(Ordering::SeqCst) {
                    break;
                }
                theirs.connections.fetch_add(1, Ordering::SeqCst);
                let (shared, tls) = (Arc::clone(&theirs), tls.clone());
                // A side that leaves ends its thread; that is no failure of the front.
                std::thread::spawn(move || drop(serve(stream, server, tls, &shared)));
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, in the order of arrival.
    pub fn received(&self) -> Vec<Received> {
        let received = &self.shared.received;
        received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(
    stream: TcpStream,
    server: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    shared: &Shared,
) -> io::Result<()> {
    match tls {
        None => pass(&stream, server, shared),
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            let mut secured = StreamOwned::new(connection, stream);
            let outcome = pass(&mut secured, server, shared);
            secured.conn.send_close_notify();
            let _ = secured.flush();
            outcome
        }
    }
}

/// One request and its answer.
fn pass(stream: impl Read + Write, server: SocketAddr, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let Some(request) = receive(&mut reader)? else {
        return Ok(());
    };
    let received = &shared.received;
    received
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request.clone());
    let mut stream = reader.into_inner();
    let mut upstream = BufReader::new(TcpStream::connect(server)?);
    request.forward(upstream.get_ref())?;
    let mut head = Vec::new();
    while upstream.read_until(b'\n', &mut head)? > 0 && !head.ends_with(b"\n\r\n") {}
    stream.write_all(&closing(&head))?;
    let mut block = [0; 16 * 1024];
    loop {
        let read = upstream.read(&mut block)?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&block[..read])?;
        stream.flush()?;
    }
}

/// The head of an answer for a connection that ends with it: a server may offer to keep its own, but
/// what is sent after the first request would not be read here. What is no such head stays as it is.
fn closing(head: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(head).unwrap_or_default();
    let Some(lines) = text.strip_suffix("\r\n\r\n") else {
        return head.to_vec();
    };
    let kept = lines.split("\r\n").filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !["connection", "keep-alive"].contains(&name.to_ascii_lowercase().as_str())
    });
    let mut out: String = kept.flat_map(|line| [line, "\r\n"]).collect();
    out.push_str("connection: close\r\n\r\n");
    out.into_bytes()
}
