//! Whose certificates are accepted.

use std::{path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::OutboundError;

/// The authorities that browsers know, and those of the file `ca`. Not what the system trusts: users' servers are of the public internet.
pub(crate) fn config(ca: &Path) -> Result<Arc<ClientConfig>, OutboundError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if !ca.as_os_str().is_empty() {
        add(&mut roots, ca).map_err(|why| {
            OutboundError::Settings(format!(
                "outbound.ca is {} and cannot be used: {why}",
                ca.display()
            ))
        })?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| OutboundError::Tls(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn add(roots: &mut RootCertStore, ca: &Path) -> Result<(), String> {
    let certificates = CertificateDer::pem_file_iter(ca).map_err(|e| e.to_string())?;
    let before = roots.len();
    for certificate in certificates {
        let certificate = certificate.map_err(|e| e.to_string())?;
        roots.add(certificate).map_err(|e| e.to_string())?;
    }
    if roots.len() == before {
        return Err("it has no certificate".to_owned());
    }
    Ok(())
}
