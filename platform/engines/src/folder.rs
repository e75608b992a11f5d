//! Folders that also an engine under another user may enter.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::Path};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

pub(crate) fn temporary(engine: &str) -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix(&format!("stoa-{engine}-"))
        .tempdir()
        .unwrap_or_else(|e| panic!("no temporary folder for {engine}: {e}"));
    let open = Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open)
        .unwrap_or_else(|e| panic!("the folder of {engine} cannot be opened to others: {e}"));
    folder
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
}

/// A certificate for 127.0.0.1 that is its own authority: `own.crt` and `own.key`.
pub(crate) fn certificate(folder: &TempDir) {
    let made = || {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()])?.self_signed(&key)?;
        Ok::<_, rcgen::Error>((certificate.pem(), key.serialize_pem()))
    };
    let (certificate, key) = made().unwrap_or_else(|e| panic!("no certificate: {e}"));
    write(folder.path(), "own.crt", &certificate);
    write(folder.path(), "own.key", &key);
}
