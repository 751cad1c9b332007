//! TLS to servers elsewhere, by the certificates that the system trusts.

use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;

/// A client that trusts whom the system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name other certificates.
///
/// # Errors
/// The library has no protocol that it could speak.
pub fn client() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(trusted()).with_no_client_auth())
}

/// Whom the system trusts: read once, for a hook asks for it with every event. While nobody is found it is looked for anew.
fn trusted() -> Arc<RootCertStore> {
    static TRUSTED: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(known) = TRUSTED.get() {
        return Arc::clone(known);
    }
    let mut roots = RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // One that cannot be read is trusted by nobody.
        let _ = roots.add(certificate);
    }
    let roots = Arc::new(roots);
    if roots.is_empty() { roots } else { Arc::clone(TRUSTED.get_or_init(|| roots)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificates_of_the_system_are_read_once() {
        let (first, second) = (trusted(), trusted());
        assert!(first.is_empty() || Arc::ptr_eq(&first, &second));
    }
}
