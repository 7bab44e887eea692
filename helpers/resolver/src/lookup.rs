//! One name, one answer: limits around the resolver library.

use crate::settings::Settings;
use carapace_ipc_proto::resolve::{Answer, HostName, Status};
use hickory_resolver::config::{LookupIpStrategy, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::{Resolver as Library, TokioResolver};
use std::time::Duration;

/// For a name, all servers and tries together.
const WHOLE: Duration = Duration::from_secs(5);
/// For one try of one server: a second one fits the whole.
const TRY: Duration = Duration::from_secs(2);
/// Answers kept; each is some hundred bytes.
const CACHE: u64 = 1024;
/// No answer is kept longer, whatever its server allows: addresses move.
const OLDEST: Duration = Duration::from_secs(3600);

/// Asks.
#[derive(Clone)]
pub(crate) struct Resolver(TokioResolver);

impl Resolver {
    /// Reads `/etc/hosts`; no socket is made yet.
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = Library::builder_with_config(settings.config.clone(), provider);
        *builder.options_mut() = options();
        builder
            .build()
            .map(Self)
            .map_err(|error| format!("preparing the resolver: {error}"))
    }

    /// The answer to a question with this number.
    pub(crate) async fn answer(&self, id: u32, name: &HostName) -> Answer {
        match tokio::time::timeout(WHOLE, self.addresses(name)).await {
            Ok(Ok(addresses)) => Answer::found(id, addresses),
            Ok(Err(status)) => Answer::none(id, status),
            Err(_) => Answer::none(id, Status::Timeout),
        }
    }

    async fn addresses(&self, name: &HostName) -> Result<Vec<std::net::IpAddr>, Status> {
        let text = name.as_str();
        let mut wanted = Name::from_ascii(text).map_err(|_| Status::NoName)?;
        // A name with a dot is asked for as it stands: with the system's search list behind it, it
        // would be somebody else's. A single label is a name of this network, if any.
        wanted.set_fqdn(text.contains('.'));
        match self.0.lookup_ip(wanted).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) => Err(status_of(&error)),
        }
    }
}

fn options() -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = TRY;
    options.attempts = 1;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.cache_size = CACHE;
    options.positive_max_ttl = Some(OLDEST);
    options.negative_max_ttl = Some(Duration::from_secs(60));
    options.try_tcp_on_error = true;
    options
}

fn status_of(error: &NetError) -> Status {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none))
            if matches!(
                none.response_code,
                ResponseCode::NXDomain | ResponseCode::NoError
            ) =>
        {
            Status::Absent
        }
        NetError::Timeout => Status::Timeout,
        _ => Status::Failed,
    }
}
