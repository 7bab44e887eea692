//! TLS: version 1.2 or 1.3, Mozilla's authorities and the owner's own, HTTP/1.1. Nothing of the system's store
//! is read, and nothing here can turn a check off.

use crate::error::SetupError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// The most bytes of the owner's own authorities.
const MAX_PEM: usize = 1024 * 1024;

/// The client's side of TLS.
///
/// # Errors
/// [`SetupError::Authorities`] where the PEM text is too long, holds no certificate, or one that cannot be used.
pub(crate) fn config(ca_pem: Option<&str>) -> Result<ClientConfig, SetupError> {
    let mut config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| SetupError::Client(error.to_string()))?
            .with_root_certificates(roots(ca_pem)?)
            .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(ca_pem: Option<&str>) -> Result<RootCertStore, SetupError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(pem) = ca_pem {
        let unusable = |why: String| SetupError::Authorities(why);
        if pem.len() > MAX_PEM {
            return Err(unusable(format!("they are more than {MAX_PEM} bytes")));
        }
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| unusable(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(unusable("there is no certificate in them".to_owned()));
        }
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mozillas_authorities_are_trusted_with_and_without_others() {
        let mozillas = webpki_roots::TLS_SERVER_ROOTS.len();
        assert!(mozillas > 50);
        assert_eq!(roots(None).unwrap().len(), mozillas);
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::new(vec![]).unwrap();
        let own = own.self_signed(&key).unwrap().pem();
        assert_eq!(roots(Some(&own)).unwrap().len(), mozillas + 1);
    }
}
