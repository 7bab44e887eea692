//! Pages that a recorded call of a tool names. They carry no secret and follow no redirect; where they
//! go is written in the record, and the guard lets only public https through, and what the owner
//! named for pages.

use crate::client::{self, Proxy};
use crate::error::SendError;
use crate::guard::Guard;
use crate::response::{Clock, Response};
use crate::{Egress, Inner, request, unusable};
use bytes::Bytes;
use carapace_contract::tool::Invocation;
use carapace_providers::{Limits, Method, Origin, Outbound};
use carapace_store::Recorded;
use rustls::ClientConfig;
use std::sync::Arc;

use crate::settings::Resolve;

/// How pages are reached.
pub(crate) struct Pages {
    pub(crate) guard: Guard,
    pub(crate) tls: ClientConfig,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) resolver: Arc<dyn Resolve>,
}

impl Egress {
    /// Asks for the page that stands in the argument `url` of a recorded call. The record says which,
    /// so nothing else can be asked for.
    ///
    /// # Errors
    /// [`SendError`]; pages that are not switched on are unusable.
    pub async fn page(
        &self,
        what: &Recorded<Invocation>,
        limits: Limits,
    ) -> Result<Response, SendError> {
        let call = what.what();
        let named = call.effects.egress.iter().any(|argument| argument == "url");
        let url = call
            .arguments
            .get("url")
            .and_then(|url| url.as_str())
            .filter(|_| named)
            .ok_or_else(|| unusable("a call that names no page".to_owned()))?;
        self.0.stop.unless(self.0.page(url, limits)).await
    }
}

impl Inner {
    async fn page(&self, url: &str, limits: Limits) -> Result<Response, SendError> {
        let Some(pages) = &self.pages else {
            return Err(unusable(
                "a page, which the configuration does not allow".to_owned(),
            ));
        };
        let mut clock = Clock::start(&limits);
        let target = pages.guard.check_url(url)?;
        let origin: Origin = target.origin().clone();
        let client = client::client(
            &origin,
            target.is_exempt(),
            pages.tls.clone(),
            pages.proxy.as_ref(),
            Arc::clone(&pages.resolver),
        )
        .map_err(|error| unusable(error.to_string()))?;
        let outbound = Outbound {
            method: Method::Get,
            url: url.to_owned(),
            headers: vec![
                (
                    "accept",
                    "text/*, application/json, application/xml;q=0.9".to_owned(),
                ),
                ("user-agent", "carapace".to_owned()),
            ],
            body: Bytes::new(),
            attach: None,
            limits,
        };
        let request = request(target.url().clone(), &outbound)?;
        clock.ready();
        self.exchange(&client, request, &origin, clock, &outbound)
            .await
    }
}
