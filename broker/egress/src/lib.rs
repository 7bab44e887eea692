//! The only sender. What leaves the machine leaves here, and only after it was judged and recorded:
//! [`Egress::send`] takes a `Recorded`, which nothing but the store makes.
//!
//! Where bytes may go is fixed when the sender is made: the origins of the configuration. A [`guard`] looks at
//! every address as text and as number, and the connection goes to what it has seen. Secrets are lent for one
//! request and put on it as the last thing before it goes out. Redirects are never followed. An answer is read under
//! deadlines and a cap, chunk by chunk as the caller takes it; dropping the [`Response`] closes its connection.
//! HTTP/1.1 only: a request has its connection to itself, so that nobody's cancellation touches another's.
//!
//! Nothing here reads what it carries, decides whether it may be sent, or tries again.

mod attach;
mod client;
mod error;
pub mod guard;
mod page;
mod response;
mod settings;
mod stop;
mod tls;

pub use attach::AttachError;
pub use error::{SendError, SetupError};
pub use response::Response;
pub use settings::{Addressed, LendError, Lender, Resolve, Settings};

use attach::attach;
use carapace_providers::{Attach, Method, Origin, Outbound};
use carapace_store::Recorded;
use client::Proxy;
use guard::Guard;
use page::Pages;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Request};
use response::Clock;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use stop::Stop;
use url::Url;
use zeroize::Zeroizing;

/// How long a secret may take to come: a password manager's program is started for some.
const LENDING: Duration = Duration::from_secs(30);

/// A secret shorter than this is found in any text by chance, so texts are not searched for it.
const TELLING: usize = 8;

/// The sender. Clones share one pool of connections and one switch.
#[derive(Clone)]
pub struct Egress(Rc<Inner>);

struct Inner {
    clients: RefCell<BTreeMap<Origin, Client>>,
    guard: Guard,
    pages: Option<Pages>,
    lender: Rc<dyn Lender>,
    stop: Stop,
}

impl Egress {
    /// A sender to these origins; with none, to nowhere.
    ///
    /// # Errors
    /// [`SetupError::Origin`] for an origin that the guard refuses and that is not named as private, or that is private
    /// in a way that nothing excuses (a metadata service, the local link, many machines at once); [`SetupError::Proxy`],
    /// [`SetupError::Authorities`]; [`SetupError::Client`] where the HTTP client cannot be made.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let proxy = settings.proxy.as_deref().map(Proxy::of).transpose()?;
        let tls = tls::config(settings.ca_pem.as_deref())?;
        let mut exempt = settings.private_origins;
        exempt.extend(settings.allowed.iter().filter(|o| o.is_loopback()).cloned());
        let ports = settings.allowed.iter().map(Origin::port).collect();
        let guard = Guard::new(ports, exempt);
        let mut clients = BTreeMap::new();
        for origin in settings.allowed {
            let refused = |refused| SetupError::Origin {
                origin: origin.to_string(),
                refused,
            };
            let target = guard.check_url(&origin.to_string()).map_err(refused)?;
            if let Some(address) = origin.address().filter(|_| target.is_exempt()) {
                guard::check_owners(address).map_err(refused)?;
            }
            let client = client::client(
                &origin,
                target.is_exempt(),
                tls.clone(),
                proxy.as_ref(),
                settings.resolver.clone(),
            )?;
            clients.insert(origin, client);
        }
        let pages = settings.pages.map(|private| Pages {
            guard: Guard::new(Vec::new(), private),
            tls,
            proxy,
            resolver: settings.resolver,
        });
        Ok(Self(Rc::new(Inner {
            clients: RefCell::new(clients),
            guard,
            pages,
            lender: settings.lender,
            stop: Stop::new(),
        })))
    }

    /// Sends what was recorded and returns when a successful answer has begun.
    ///
    /// In this order: is it stopped, may it go there and does the record say so, what does the guard say, the secret is
    /// lent, attached, and the request goes out.
    ///
    /// # Errors
    /// [`SendError`]; [`SendError::nothing_left`] tells whether the request may have been seen. An answer that is no
    /// success is an error with its status and at most 64 KiB of its body.
    pub async fn send<T: Addressed>(
        &self,
        what: &Recorded<T>,
        outbound: Outbound,
    ) -> Result<Response, SendError> {
        self.0.stop.unless(self.0.send(what.what(), outbound)).await
    }

    /// Ends everything in flight and lets nothing out any more, for good. Connections that are idle are closed.
    pub fn stop(&self) {
        self.0.stop.throw();
        self.0.clients.borrow_mut().clear();
    }
}

impl Inner {
    async fn send<T: Addressed>(
        &self,
        recorded: &T,
        outbound: Outbound,
    ) -> Result<Response, SendError> {
        let mut clock = Clock::start(&outbound.limits);
        let (client, origin) = self.allowed(recorded, &outbound)?;
        let target = self.guard.check_url(&outbound.url)?;
        if *target.origin() != origin {
            return Err(unusable("its address does not name its origin".to_owned()));
        }
        let mut request = request(target.url().clone(), &outbound)?;
        let secrets = match &outbound.attach {
            Some(how) => self.attach(&mut request, how, &origin, &clock).await?,
            None => Vec::new(),
        };
        clock.ready();
        let answer = self
            .exchange(&client, request, &origin, clock, &outbound)
            .await;
        answer.map_err(|error| without(error, &secrets))
    }

    /// The client for it, if it may go there and the record says so.
    fn allowed<T: Addressed>(
        &self,
        recorded: &T,
        outbound: &Outbound,
    ) -> Result<(Client, Origin), SendError> {
        // What `Origin` says of an address that it cannot read repeats the address.
        let origin = outbound
            .origin()
            .map_err(|_| unusable("its address, which cannot be read".to_owned()))?;
        let wanted = origin.to_string();
        let Some(client) = self.clients.borrow().get(&origin).cloned() else {
            return Err(SendError::WrongOrigin { wanted });
        };
        if recorded.origin() != Some(wanted.as_str()) {
            return Err(SendError::NotRecorded {
                recorded: recorded.origin().unwrap_or("nowhere").to_owned(),
                wanted,
            });
        }
        let secret = outbound.attach.as_ref().map(Attach::secret);
        if recorded.secret() != secret {
            let name = |secret: Option<&carapace_contract::id::SecretName>| {
                secret.map_or_else(|| "no secret".to_owned(), ToString::to_string)
            };
            return Err(SendError::SecretNotRecorded {
                recorded: name(recorded.secret()),
                wanted: name(secret),
            });
        }
        Ok((client, origin))
    }

    /// Puts the secret on, and returns the values that must not come back.
    async fn attach(
        &self,
        request: &mut Request,
        how: &Attach,
        origin: &Origin,
        clock: &Clock,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, SendError> {
        let secret = how.secret();
        let failed = |cause| SendError::Lend {
            secret: secret.to_string(),
            cause,
        };
        let lent = tokio::time::timeout(LENDING, self.lender.lend(secret, origin));
        let credential = clock
            .deadline(lent)
            .await?
            .map_err(|_| {
                failed(LendError {
                    message: format!("it did not come within {} s\n  remedy: see whether its password manager waits for you", LENDING.as_secs()),
                    retriable: true,
                })
            })?
            .map_err(failed)?;
        let derived = attach(request, how, &credential, SystemTime::now()).map_err(|cause| {
            SendError::Attach {
                secret: secret.to_string(),
                cause,
            }
        })?;
        for value in &derived {
            self.lender.derived(secret, value);
        }
        let lent = credential.values();
        Ok(lent
            .into_iter()
            .map(|value| Zeroizing::new(value.expose().to_vec()))
            .chain(derived)
            .collect())
    }

    async fn exchange(
        &self,
        client: &Client,
        request: Request,
        origin: &Origin,
        clock: Clock,
        outbound: &Outbound,
    ) -> Result<Response, SendError> {
        let response = clock
            .first_byte(client.execute(request))
            .await?
            .map_err(|error| error::unconnected(error, origin.to_string()))?;
        response::check_head(response.headers())?;
        let status = response.status();
        if status.is_success() {
            let limit = outbound.limits.response_bytes;
            return Response::begin(response, clock, self.stop.clone(), limit).await;
        }
        if let Some(target) = response
            .headers()
            .get(LOCATION)
            .filter(|_| status.is_redirection())
        {
            return Err(self.redirect(response.url(), target));
        }
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .filter(|text| is_time(text))
            .map(str::to_owned);
        let body = response::error_body(response, &clock).await;
        Err(SendError::Status {
            status: status.as_u16(),
            retry_after,
            body,
        })
    }

    fn redirect(&self, from: &Url, target: &HeaderValue) -> SendError {
        let target = target
            .to_str()
            .ok()
            .filter(|text| text.len() <= guard::MAX_URL)
            .and_then(|text| from.join(text).ok());
        match target {
            None => SendError::Redirect {
                host: "an address that cannot be read".to_owned(),
                refused: Some(guard::Refused::Form),
            },
            Some(url) => SendError::Redirect {
                host: error::shown(url.host_str().unwrap_or("no host")),
                refused: self.guard.check_url(url.as_str()).err(),
            },
        }
    }
}

fn unusable(what: String) -> SendError {
    SendError::Unusable { what }
}

/// Header fields that frame a request or belong to the connection: the client's own.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn request(url: Url, outbound: &Outbound) -> Result<Request, SendError> {
    let method = match outbound.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &outbound.headers {
        let bad = || unusable(format!("the header {name}"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        if FRAMING.contains(&name.as_str()) {
            return Err(bad());
        }
        headers.append(name, HeaderValue::try_from(value).map_err(|_| bad())?);
    }
    let mut request = Request::new(method, url);
    *request.headers_mut() = headers;
    if outbound.method == Method::Post || !outbound.body.is_empty() {
        *request.body_mut() = Some(outbound.body.clone().into());
    }
    Ok(request)
}

/// Seconds, or a date as RFC 9110 writes it.
fn is_time(text: &str) -> bool {
    let seconds = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let date = text.len() == 29
        && text.ends_with(" GMT")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b" ,:".contains(&byte));
    seconds || date
}

/// The error, unless its text repeats one of these values: the server knows them and writes parts of the text.
fn without(error: SendError, secrets: &[Zeroizing<Vec<u8>>]) -> SendError {
    let mut text = format!("{error}\n{error:?}").into_bytes();
    text.make_ascii_lowercase();
    let told = secrets
        .iter()
        .filter(|secret| secret.len() >= TELLING)
        .any(|secret| {
            let mut secret = secret.clone();
            secret.make_ascii_lowercase();
            text.windows(secret.len()).any(|part| part == &secret[..])
        });
    if told { SendError::Withheld } else { error }
}
