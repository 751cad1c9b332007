//! TLS to servers elsewhere, by the certificates that the system trusts.

use std::sync::Arc;

/// A client that trusts whom the system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name other certificates.
///
/// # Errors
/// The library has no protocol that it could speak.
pub fn client() -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // One that cannot be read is trusted by nobody.
        let _ = roots.add(certificate);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
