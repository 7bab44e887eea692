//! Servers that do what a test wants: plain, or with TLS and certificates of an authority of their own.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What a server has seen.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<(usize, Vec<String>)>>);

impl Seen {
    /// Connections that were taken.
    pub fn connections(&self) -> usize {
        self.0.lock().unwrap().0
    }

    /// Heads of requests.
    pub fn heads(&self) -> Vec<String> {
        self.0.lock().unwrap().1.clone()
    }
}

/// A connection in the clear, either way.
pub trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A plain server: reads a request's head and leaves the rest to `act`.
pub fn plain(act: impl Fn(&mut dyn Stream) + Send + Sync + 'static) -> (SocketAddr, Seen) {
    serve(TcpListener::bind("127.0.0.1:0").unwrap(), None, act)
}

/// The same on a listener of one's own, with TLS if there is a configuration.
pub fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    act: impl Fn(&mut dyn Stream) + Send + Sync + 'static,
) -> (SocketAddr, Seen) {
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let (act, theirs) = (Arc::new(act), seen.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            theirs.0.lock().unwrap().0 += 1;
            let (tls, act, seen) = (tls.clone(), act.clone(), theirs.clone());
            std::thread::spawn(move || one(stream, tls, &seen, &*act));
        }
    });
    (address, seen)
}

fn one(
    mut stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    seen: &Seen,
    act: &dyn Fn(&mut dyn Stream),
) {
    let mut secured;
    let stream: &mut dyn Stream = match tls {
        None => &mut stream,
        Some(config) => {
            secured = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
            &mut secured
        }
    };
    if let Some(head) = head(stream) {
        seen.0.lock().unwrap().1.push(head);
        act(stream);
    }
}

/// A request's head; `None` where the connection ends before.
pub fn head(stream: &mut dyn Stream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

pub fn put(stream: &mut dyn Stream, bytes: &[u8]) {
    // The sender may have left already; that is what some of these tests want.
    drop(stream.write_all(bytes).and_then(|()| stream.flush()));
}

/// Waits until the other side closes.
pub fn linger(stream: &mut dyn Stream) {
    while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
}

/// Answers `hello` and closes.
pub fn hello(stream: &mut dyn Stream) {
    put(
        stream,
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
    );
}

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two authorities of one name would be told apart by their signatures only.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::SeqCst));
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server's configuration for this name, valid over these years.
    pub fn server(&self, name: &str, years: std::ops::Range<i32>) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = params(name, years).signed_by(&key, &self.0).unwrap();
        configured(certificate.der().clone(), &key, rustls::ALL_VERSIONS)
    }

    /// One that speaks only TLS 1.2.
    pub fn old_server(&self, name: &str) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = params(name, 2000..2090).signed_by(&key, &self.0).unwrap();
        configured(certificate.der().clone(), &key, &[&rustls::version::TLS12])
    }
}

/// A server's configuration with a certificate that it signed itself.
pub fn self_signed(name: &str) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let certificate = params(name, 2000..2090).self_signed(&key).unwrap();
    configured(certificate.der().clone(), &key, rustls::ALL_VERSIONS)
}

fn params(name: &str, years: std::ops::Range<i32>) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
    params
}

fn configured(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}
