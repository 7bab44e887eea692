//! Where a model is, checked: the address is parsed once, here, and only literal loopback
//! addresses come out of it.

use super::request::RequestError;
use crate::outbound::{Limits, Outbound, origin_text};
use carapace_contract::config::{Provider, loopback_origin};
use std::net::IpAddr;
use std::time::Duration;

/// The most bytes of an answer, as they come over the wire. A delta of one token takes some 300
/// bytes of JSON, so this is room for 200,000 of them.
const RESPONSE_BYTES: u64 = 64 * 1024 * 1024;

/// One model on one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    origin: (IpAddr, u16),
    base: String,
    model: String,
    limits: Limits,
}

impl Endpoint {
    /// The model `model` of a configured provider.
    ///
    /// # Errors
    /// [`RequestError::Address`] where the address is not plain http to this machine,
    /// [`RequestError::Model`] where the model's name is empty or over 256 bytes.
    pub fn new(provider: &Provider, model: &str) -> Result<Self, RequestError> {
        let origin = loopback_origin(&provider.base_url).map_err(RequestError::Address)?;
        if model.is_empty() || model.len() > 256 || model.chars().any(char::is_control) {
            return Err(RequestError::Model(model.chars().take(80).collect()));
        }
        // What follows the authority; the authority itself is written anew from the parsed origin,
        // so that a name such as `localhost` never reaches a resolver.
        let rest = provider.base_url.trim_start_matches("http://");
        let path = rest
            .split_once('/')
            .map_or("", |(_, path)| path)
            .trim_matches('/');
        if path.split('/').any(|part| part == "." || part == "..") {
            return Err(RequestError::Address(format!(
                "{:?} has a relative path",
                provider.base_url
            )));
        }
        let base = if path.is_empty() {
            origin_text(origin)
        } else {
            format!("{}/{path}", origin_text(origin))
        };
        let limits = Limits {
            first_byte: Duration::from_millis(provider.first_byte_ms),
            deadline: Duration::from_millis(provider.deadline_ms),
            response_bytes: RESPONSE_BYTES,
            line_bytes: super::MAX_LINE,
        };
        Ok(Self {
            origin,
            base,
            model: model.to_owned(),
            limits,
        })
    }

    /// The address and port that are connected to.
    pub fn origin(&self) -> (IpAddr, u16) {
        self.origin
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn post(
        &self,
        path: &str,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> Outbound {
        Outbound {
            method: crate::Method::Post,
            url: format!("{}/{path}", self.base),
            headers,
            body: body.into(),
            origin: self.origin,
            limits: self.limits,
        }
    }
}
