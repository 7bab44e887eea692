//! One HTTP client for each allowed origin. It knows one name, and connects only to addresses of it that the guard
//! has seen: the check is inside the connecting, so nothing can change between the two.

use crate::error::{SetupError, chain};
use crate::guard::{Guard, Refused, check_owners};
use crate::settings::Resolve;
use carapace_providers::Origin;
use reqwest::Client;
use reqwest::dns::{Name, Resolving};
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long an idle connection is kept for the next request. Model servers close theirs after a
/// minute or more; a shorter time here means that a stale one is rarely tried.
const KEEP_IDLE: Duration = Duration::from_secs(30);

/// How long a connection may take to stand: name, TCP, TLS.
const CONNECT: Duration = Duration::from_secs(5);

/// Header fields of an answer; vendors send some thirty.
const MAX_HEADERS: usize = 128;

/// A client that reaches this origin and nothing else.
///
/// # Errors
/// [`SetupError::Proxy`] or [`SetupError::Client`].
pub(crate) fn client(
    origin: &Origin,
    exempt: bool,
    tls: ClientConfig,
    proxy: Option<&Proxy>,
    resolver: Arc<dyn Resolve>,
) -> Result<Client, SetupError> {
    let proxy = proxy.filter(|_| !exempt);
    let names = OneName {
        host: proxy.map_or(origin.host(), |proxy| &proxy.host).to_owned(),
        // A proxy is usually in the owner's own network, and the owner named it.
        exempt: exempt || proxy.is_some(),
        resolver,
    };
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .http1_max_headers(MAX_HEADERS)
        .https_only(origin.is_https())
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(names))
        .connect_timeout(CONNECT)
        .pool_idle_timeout(KEEP_IDLE)
        .tcp_nodelay(true);
    if let Some(proxy) = proxy {
        let proxy = reqwest::Proxy::all(proxy.address.clone())
            .map_err(|error| SetupError::Proxy(chain(&error.without_url())))?;
        builder = builder.proxy(proxy);
    }
    builder
        .build()
        .map_err(|error| SetupError::Client(chain(&error.without_url())))
}

/// Where the owner's proxy is.
pub(crate) struct Proxy {
    address: String,
    host: String,
}

impl Proxy {
    /// Reads `http://HOST:PORT` or `https://HOST:PORT`.
    ///
    /// # Errors
    /// [`SetupError::Proxy`] for anything else, and for a literal address that is no single machine.
    pub(crate) fn of(text: &str) -> Result<Self, SetupError> {
        let bad = |why: &str| SetupError::Proxy(why.to_owned());
        let url = url::Url::parse(text).map_err(|error| SetupError::Proxy(error.to_string()))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(bad("its address is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("its address carries credentials"));
        }
        if url.path().len() > 1 || url.query().is_some() || url.fragment().is_some() {
            return Err(bad("its address is more than scheme, host and port"));
        }
        let literal = match url.host() {
            Some(url::Host::Ipv4(address)) => Some(address.into()),
            Some(url::Host::Ipv6(address)) => Some(address.into()),
            Some(url::Host::Domain(_)) => None,
            None => return Err(bad("its address has no host")),
        };
        if let Some(address) = literal {
            check_owners(address).map_err(|refused| SetupError::Proxy(refused.to_string()))?;
        }
        Ok(Self {
            host: url.host_str().unwrap_or_default().to_owned(),
            address: url.into(),
        })
    }
}

/// Resolves one name and lets only checked addresses out. Literal addresses do not come here: the guard reads them
/// from the request's address.
struct OneName {
    host: String,
    exempt: bool,
    resolver: Arc<dyn Resolve>,
}

/// What the resolver said instead of an address.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unresolved(pub(crate) String);

impl reqwest::dns::Resolve for OneName {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        if name != self.host {
            let why = "not the name that this client was made for";
            return Box::pin(std::future::ready(Err(Refused::Name { name, why }.into())));
        }
        let answer = self.resolver.resolve(self.host.clone());
        let exempt = self.exempt;
        Box::pin(async move {
            let addresses = answer.await.map_err(Unresolved)?;
            Guard::check_answer(&name, exempt, &addresses)?;
            // Port 0 stands for the port of the request.
            let pinned = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(pinned) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use reqwest::dns::Resolve as _;
    use std::net::IpAddr;
    use std::sync::Mutex;

    /// Gives its answers one after the other.
    struct Changing(Mutex<Vec<&'static [&'static str]>>);

    impl Resolve for Changing {
        fn resolve(&self, _: String) -> BoxFuture<'static, Result<Vec<IpAddr>, String>> {
            let answer = self.0.lock().unwrap().remove(0);
            let answer = answer.iter().map(|text| text.parse().unwrap()).collect();
            Box::pin(std::future::ready(Ok(answer)))
        }
    }

    fn ask(names: &OneName, name: &str) -> Result<Vec<SocketAddr>, Refused> {
        let answer = names.resolve(name.parse().unwrap()).now_or_never().unwrap();
        answer
            .map(Iterator::collect)
            .map_err(|error| error.downcast_ref::<Refused>().unwrap().clone())
    }

    fn names(answers: &[&'static [&'static str]]) -> OneName {
        OneName {
            host: "api.example.com".to_owned(),
            exempt: false,
            resolver: Arc::new(Changing(Mutex::new(answers.to_vec()))),
        }
    }

    #[test]
    fn what_was_checked_is_all_that_is_connected_to() {
        let names = names(&[&["8.8.8.8", "2606:4700::1"]]);
        let pinned = ask(&names, "api.example.com").unwrap();
        let wanted: [SocketAddr; 2] = ["8.8.8.8:0", "[2606:4700::1]:0"].map(|a| a.parse().unwrap());
        assert_eq!(pinned, wanted);
    }

    #[test]
    fn a_name_that_changes_its_answer_is_refused_at_the_next_connection() {
        let names = names(&[
            &["8.8.8.8"],
            &["127.0.0.1"],
            &["8.8.8.8", "169.254.169.254"],
            &["::ffff:10.0.0.1"],
        ]);
        assert!(ask(&names, "api.example.com").is_ok());
        for _ in 0..3 {
            let refused = ask(&names, "api.example.com");
            assert!(
                matches!(refused, Err(Refused::Address { .. })),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn another_name_is_not_asked_for() {
        let refused = ask(&names(&[]), "evil.example.com");
        assert!(matches!(refused, Err(Refused::Name { .. })));
    }
}
