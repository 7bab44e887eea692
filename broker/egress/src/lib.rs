//! The only sender. What leaves the machine leaves here, and only after it was judged and recorded:
//! [`Egress::send`] takes a `Recorded<ModelCall>`, which nothing but the store makes.
//!
//! Where bytes may go is fixed when the sender is made: one literal loopback address and port. There
//! is no name resolution, no proxy, no redirect and no TLS in it. An answer is read under a deadline
//! and a cap, chunk by chunk as the caller takes it; dropping the [`Response`] closes its connection.
//!
//! Nothing here reads what it carries, decides whether it may be sent, or tries again.

mod error;
mod response;

pub use error::{SendError, SetupError};
pub use response::Response;

use carapace_policy::ModelCall;
use carapace_providers::{Method, Outbound, origin_text};
use carapace_store::Recorded;
use reqwest::dns::{Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use response::Clock;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long an idle connection is kept for the next request. Model servers close theirs after a
/// minute or more; a shorter time here means that a stale one is rarely tried.
const KEEP_IDLE: Duration = Duration::from_secs(30);

/// How long a connection on this machine may take to stand.
const CONNECT: Duration = Duration::from_secs(5);

/// The sender. Clones share one pool of connections.
#[derive(Debug, Clone)]
pub struct Egress {
    allowed: Option<(IpAddr, u16)>,
    client: reqwest::Client,
}

impl Egress {
    /// A sender to this one origin; with `None`, to nowhere.
    ///
    /// # Errors
    /// [`SetupError::NotLoopback`] for an address that is not on this machine or for port 0;
    /// [`SetupError::Client`] where the HTTP client cannot be made.
    pub fn new(allowed: Option<(IpAddr, u16)>) -> Result<Self, SetupError> {
        if let Some((address, port)) = allowed
            && (!address.is_loopback() || port == 0)
        {
            return Err(SetupError::NotLoopback(SocketAddr::new(address, port)));
        }
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .dns_resolver(Arc::new(NoNames))
            .connect_timeout(CONNECT)
            .pool_idle_timeout(KEEP_IDLE)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| SetupError::Client(error::chain(&error)))?;
        Ok(Self { allowed, client })
    }

    /// Sends a recorded model call and returns when a successful answer has begun.
    ///
    /// # Errors
    /// [`SendError::WrongOrigin`] and [`SendError::NotRecorded`] before anything is sent, where the
    /// request goes elsewhere than allowed or than recorded; then what the network or the server
    /// did. An answer that is no success is an error with its status and at most 64 KiB of its body.
    pub async fn send(
        &self,
        what: &Recorded<ModelCall>,
        outbound: Outbound,
    ) -> Result<Response, SendError> {
        if self.allowed != Some(outbound.origin) {
            return Err(SendError::WrongOrigin {
                wanted: outbound.origin_text(),
            });
        }
        let recorded = what.what().origin.as_deref();
        if recorded != Some(outbound.origin_text().as_str()) {
            return Err(SendError::NotRecorded {
                recorded: recorded.unwrap_or("nowhere").to_owned(),
                wanted: outbound.origin_text(),
            });
        }
        let clock = Clock::start(&outbound.limits);
        let request = self.request(&outbound)?;
        let response = clock
            .first_byte(self.client.execute(request))
            .await?
            .map_err(|error| match error.is_connect() {
                true => SendError::Connect {
                    origin: outbound.origin_text(),
                    cause: error::chain(&error),
                },
                false => error::broken(&error),
            })?;
        let status = response.status();
        if status.is_success() {
            return Response::begin(response, clock, outbound.limits.response_bytes).await;
        }
        if let Some(target) = response
            .headers()
            .get(LOCATION)
            .filter(|_| status.is_redirection())
        {
            return Err(SendError::Redirect {
                target: error::shown(&String::from_utf8_lossy(target.as_bytes())),
            });
        }
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .map(error::shown);
        let body = response::error_body(response, &clock).await;
        Err(SendError::Status {
            status: status.as_u16(),
            retry_after,
            body,
        })
    }

    fn request(&self, outbound: &Outbound) -> Result<reqwest::Request, SendError> {
        let unusable = |what: String| SendError::Unusable { what };
        let url = reqwest::Url::parse(&outbound.url)
            .map_err(|error| unusable(format!("its address: {error}")))?;
        // The client connects to what the address says, so the address must say the origin, literally.
        let literal = format!("{}/", origin_text(outbound.origin));
        let same = url.scheme() == "http"
            && url.username().is_empty()
            && url.password().is_none()
            && outbound.url.starts_with(&literal)
            && url.port_or_known_default() == Some(outbound.origin.1);
        if !same {
            return Err(unusable("its address does not name its origin".to_owned()));
        }
        let method = match outbound.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &outbound.headers {
            let value =
                HeaderValue::try_from(value).map_err(|_| unusable(format!("the header {name}")))?;
            headers.append(HeaderName::from_static(name), value);
        }
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = Some(outbound.body.clone().into());
        Ok(request)
    }
}

/// Refuses every name. Literal addresses do not come here, so this is never asked; were it asked,
/// nothing would be looked up.
struct NoNames;

impl Resolve for NoNames {
    fn resolve(&self, name: Name) -> Resolving {
        let message = format!("{} is a name, and names are not resolved", name.as_str());
        Box::pin(std::future::ready(Err(message.into())))
    }
}
