//! Certificates and keys as they stand in files.

use std::{fs, path::Path, sync::Arc};

use rustls::{RootCertStore, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{TlsError, provider, wrong};

/// A chain and its key from PEM texts, which may be one and the same.
///
/// # Errors
/// When one of the two is not there or cannot be read, or the key is not that of the first certificate.
pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>, TlsError> {
    certified(&("the chain", chain), &("the key", key))
}

/// Reads a chain and its key. The names of the settings begin the message when something is wrong.
pub(crate) fn read(certificate: (&str, &Path), key: (&str, &Path)) -> Result<Arc<CertifiedKey>, TlsError> {
    let (chain_text, key_text) = (text(certificate)?, text(key)?);
    certified(&(&named(certificate), &chain_text), &(&named(key), &key_text))
}

/// Reads the authorities that a file of certificates names.
///
/// # Errors
/// When it cannot be read or names none. `setting` begins the message.
pub fn roots(setting: &str, path: &Path) -> Result<RootCertStore, TlsError> {
    let text = text((setting, path))?;
    let mut roots = RootCertStore::empty();
    for authority in chain(&(&named((setting, path)), &text))? {
        roots
            .add(authority)
            .map_err(|e| wrong(named((setting, path)), e))?;
    }
    Ok(roots)
}

fn named((setting, path): (&str, &Path)) -> String {
    format!("{setting} ({})", path.display())
}

fn text((setting, path): (&str, &Path)) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|e| wrong(named((setting, path)), e))
}

fn chain((name, text): &(&str, &[u8])) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|e| wrong(name, e))?;
    if chain.is_empty() {
        return Err(wrong(name, "there is no certificate in it; it has to be PEM"));
    }
    Ok(chain)
}

fn certified(certificate: &(&str, &[u8]), key: &(&str, &[u8])) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = chain(certificate)?;
    let private = PrivateKeyDer::from_pem_slice(key.1).map_err(|e| match e {
        rustls_pki_types::pem::Error::NoItemsFound => wrong(
            key.0,
            "there is no private key in it; it has to be PEM, and not encrypted",
        ),
        other => wrong(key.0, other),
    })?;
    CertifiedKey::from_der(chain, private, &provider())
        .map(Arc::new)
        .map_err(|e| match e {
            rustls::Error::InconsistentKeys(_) => wrong(
                key.0,
                format!("it is not the key of the certificate in {}", certificate.0),
            ),
            rustls::Error::InvalidCertificate(_) => wrong(certificate.0, e),
            other => wrong(key.0, other),
        })
}
