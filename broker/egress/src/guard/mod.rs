//! The guard before every connection: an address as text and an address as number pass it, or nothing is
//! connected to. Pure: it resolves nothing, opens nothing, remembers nothing.
//!
//! Text is read by `url` as browsers read it, so odd spellings (`0x7f.1`, full-width digits, percent signs in the
//! host) are plain before they are checked, and what is connected to is what was checked.

mod address;
mod host;

pub use address::check_address;
pub(crate) use address::check_owners;

use carapace_providers::Origin;
use std::net::{IpAddr, Ipv4Addr};
use url::{Host, Url};

/// The most characters of an address.
pub const MAX_URL: usize = 2048;

/// The port that is always right.
const HTTPS: u16 = 443;

/// Why something is not connected to. No text of it holds more of an address than its host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// More than [`MAX_URL`] characters.
    #[error("the address is longer than {MAX_URL} characters\n  remedy: use a shorter one")]
    TooLong,
    /// White space, control characters or backslashes, which programs read in different ways.
    #[error(
        "the address has white space, control characters or a backslash\n  remedy: write it without, percent-encoded where needed"
    )]
    Characters,
    /// Not `https://HOST…`.
    #[error(
        "the address does not begin with https:// and a host\n  remedy: write it in full; plain http is for a configured server on this machine"
    )]
    Form,
    /// A user name or password in it.
    #[error("the address carries credentials\n  remedy: keep them with `carapace auth`")]
    Credentials,
    /// The host is neither a name nor an address.
    #[error("the host of the address cannot be read: {0}\n  remedy: check its spelling")]
    Host(String),
    /// A name that is not on the public internet.
    #[error(
        "{name:?} is {why}\n  remedy: if you trust it, configure exactly that origin as private"
    )]
    Name {
        /// The name.
        name: String,
        /// What it is.
        why: &'static str,
    },
    /// An address that is not on the public internet.
    #[error("{address}{} is {why}\n  remedy: if you trust it, configure exactly that origin as private", carrying(.carries))]
    Address {
        /// The address.
        address: IpAddr,
        /// What is there.
        why: &'static str,
        /// The IPv4 address in it, where it is a form of one.
        carries: Option<Ipv4Addr>,
    },
    /// Plain http to another machine.
    #[error("{0:?} is to be reached without TLS\n  remedy: use https")]
    PlainHttp(String),
    /// A port where no HTTPS is expected.
    #[error(
        "port {0} is not one of those that may be used\n  remedy: configure the origin with this port"
    )]
    Port(u16),
    /// The name has no address, or more than [`MAX_ANSWERS`].
    #[error("{name:?} has {count} addresses\n  remedy: check the name and the resolver")]
    Answers {
        /// The name.
        name: String,
        /// How many.
        count: usize,
    },
}

fn carrying(carries: &Option<Ipv4Addr>) -> String {
    carries.map_or_else(String::new, |address| {
        format!(" (which leads to {address})")
    })
}

/// The most addresses of one name that are looked at.
pub const MAX_ANSWERS: usize = 64;

/// An address that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    origin: Origin,
    exempt: bool,
}

impl Target {
    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether the owner configured it as this machine or as private.
    pub fn is_exempt(&self) -> bool {
        self.exempt
    }

    /// The whole address in its one spelling, with the origin's host.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// The guard's settings.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    ports: Vec<u16>,
    exempt: Vec<Origin>,
}

impl Guard {
    /// A guard that lets through port 443, these ports, and exactly these origins.
    pub fn new(ports: Vec<u16>, exempt: Vec<Origin>) -> Self {
        Self { ports, exempt }
    }

    /// Checks an address as text. A name that passes is still to be resolved, and
    /// [`check_answer`](Self::check_answer) is to see all that comes back.
    ///
    /// # Errors
    /// [`Refused`] says why not.
    pub fn check_url(&self, text: &str) -> Result<Target, Refused> {
        // A character has at least one byte, so this bounds the work before it is done.
        if text.len() > MAX_URL * 4 || text.chars().count() > MAX_URL {
            return Err(Refused::TooLong);
        }
        if text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '\\')
        {
            return Err(Refused::Characters);
        }
        let authority = authority(text).ok_or(Refused::Form)?;
        if authority.contains('@') {
            return Err(Refused::Credentials);
        }
        let mut url = Url::parse(text).map_err(|error| Refused::Host(error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        let host = url.host().ok_or(Refused::Form)?.to_owned();
        let port = url.port_or_known_default().unwrap_or_default();
        let origin = Origin::of(url.as_str());
        if let Ok(origin) = &origin
            && self.exempt.contains(origin)
        {
            // `localhost` became a literal address in the origin; nobody is to be asked for it.
            url.set_host(Some(origin.host()))
                .map_err(|error| Refused::Host(error.to_string()))?;
            return Ok(Target {
                url,
                origin: origin.clone(),
                exempt: true,
            });
        }
        match &host {
            Host::Ipv4(address) => check_address(IpAddr::V4(*address))?,
            Host::Ipv6(address) => check_address(IpAddr::V6(*address))?,
            Host::Domain(name) => {
                if let Some(why) = host::refusal(name) {
                    let name = name.chars().take(253).collect();
                    return Err(Refused::Name { name, why });
                }
            }
        }
        if url.scheme() != "https" {
            return Err(Refused::PlainHttp(host.to_string()));
        }
        if port != HTTPS && !self.ports.contains(&port) || port == 0 {
            return Err(Refused::Port(port));
        }
        Ok(Target {
            url,
            origin: origin.map_err(|_| Refused::Form)?,
            exempt: false,
        })
    }

    /// Checks all that a name resolved to; one bad address refuses all of them.
    ///
    /// # Errors
    /// [`Refused::Answers`] for none or too many, [`Refused::Address`] for the first bad one.
    pub fn check_answer(name: &str, exempt: bool, answer: &[IpAddr]) -> Result<(), Refused> {
        if answer.is_empty() || answer.len() > MAX_ANSWERS {
            return Err(Refused::Answers {
                name: name.to_owned(),
                count: answer.len(),
            });
        }
        let check = if exempt { check_owners } else { check_address };
        answer.iter().try_for_each(|address| check(*address))
    }
}

/// Checks an address as text with nothing exempt and port 443 only: total over all input, for fuzzing and for
/// addresses that nobody configured.
///
/// # Errors
/// [`Refused`] says why not.
pub fn check_url(text: &str) -> Result<Target, Refused> {
    Guard::default().check_url(text)
}

/// What stands between `https://` and the path; `None` where the text is not of that form. The parser would repair
/// `https:host` and `https:///host`; others read these differently, so they are refused.
fn authority(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    Some(&rest[..end]).filter(|authority| !authority.is_empty())
}
