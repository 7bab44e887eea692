//! AWS Signature Version 4 in the `Authorization` header, as Bedrock takes it: the path encoded twice and
//! normalised, the body's digest in the canonical request and not in a header of its own.
//! Source: "AWS Signature Version 4 for API requests" in the IAM user guide.

use super::{AttachError, Derived, put};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest,
    SignatureLocation, SigningSettings, UriPathNormalizationMode, sign as signature,
};
use aws_sigv4::sign::v4::SigningParams;
use reqwest::Request;
use reqwest::header::HeaderName;
use std::time::SystemTime;
use zeroize::Zeroizing;

/// What is signed with.
pub(super) struct Keys<'a> {
    /// Names the key.
    pub(super) id: &'a str,
    /// Signs.
    pub(super) secret: &'a str,
    /// With temporary credentials.
    pub(super) session: Option<&'a str>,
}

/// Signs the request as it is, all its headers included.
pub(super) fn sign(
    request: &mut Request,
    region: &str,
    service: &str,
    keys: &Keys<'_>,
    now: SystemTime,
) -> Result<Derived, AttachError> {
    let identity = Credentials::new(
        keys.id,
        keys.secret,
        keys.session.map(str::to_owned),
        None,
        "vault",
    )
    .into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(now)
        .settings(settings())
        .build()
        .map_err(|_| AttachError::Signing("the scope is not complete"))?
        .into();
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| value.to_str().map(|value| (name.as_str(), value)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| AttachError::Signing("a header is not ASCII"))?;
    let body = match request.body() {
        None => &[][..],
        Some(body) => body
            .as_bytes()
            .ok_or(AttachError::Signing("the body is not at hand"))?,
    };
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.url().as_str(),
        headers.into_iter(),
        SignableBody::Bytes(body),
    )
    .map_err(|_| AttachError::Signing("the address cannot be read"))?;
    let (instructions, signature) = signature(signable, &params)
        .map_err(|_| AttachError::Signing("the canonical request was not made"))?
        .into_parts();
    let (headers, _) = instructions.into_parts();
    let mut derived = vec![Zeroizing::new(signature.into_bytes())];
    for header in headers {
        let text = Zeroizing::new(header.value().as_bytes().to_vec());
        put(request, HeaderName::from_static(header.name()), &text)?;
        if header.name() == "authorization" {
            derived.push(text);
        }
    }
    Ok(derived)
}

fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Double;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Enabled;
    settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    settings.signature_location = SignatureLocation::Headers;
    settings.session_token_mode = SessionTokenMode::Include;
    settings
}
