//! Checksums that clients send along, in a header or after the body.

use axum::http::{HeaderMap, HeaderName};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use crc_fast::{CrcAlgorithm, Digest as Crc};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{
    error::{Result, S3Error},
    request::S3Request,
};

/// What their headers begin with.
const HEADER: &str = "x-amz-checksum-";

/// A checksum that is being made.
pub(super) enum Running {
    Crc(&'static str, Box<Crc>),
    Sha1(Box<Sha1>),
    Sha256(Box<Sha256>),
}

impl Running {
    /// Of the algorithm that a header, or trailer, of this name is for.
    pub(super) fn of(header: &str) -> Result<Self> {
        Ok(match header.strip_prefix(HEADER) {
            Some("crc32") => Self::crc("crc32", CrcAlgorithm::Crc32IsoHdlc),
            Some("crc32c") => Self::crc("crc32c", CrcAlgorithm::Crc32Iscsi),
            Some("crc64nvme") => Self::crc("crc64nvme", CrcAlgorithm::Crc64Nvme),
            Some("sha1") => Self::Sha1(Box::default()),
            Some("sha256") => Self::Sha256(Box::default()),
            _ => return Err(S3Error::request(format!("{header} is not supported"))),
        })
    }

    fn crc(name: &'static str, algorithm: CrcAlgorithm) -> Self {
        Self::Crc(name, Box::new(Crc::new(algorithm)))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, crc) => crc.update(bytes),
            Self::Sha1(sha1) => sha1.update(bytes),
            Self::Sha256(sha256) => sha256.update(bytes),
        }
    }

    /// In Base64, as clients write it.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Crc("crc64nvme", crc) => STANDARD.encode(crc.finalize().to_be_bytes()),
            // The lower half of it.
            Self::Crc(_, crc) => STANDARD.encode(&crc.finalize().to_be_bytes()[4..]),
            Self::Sha1(sha1) => STANDARD.encode(sha1.finalize()),
            Self::Sha256(sha256) => STANDARD.encode(sha256.finalize()),
        }
    }
}

/// The checksum that stands in a header: its name and value.
pub(super) fn in_header(request: &S3Request) -> Result<Option<(String, String)>> {
    let mut names = request.headers.keys().map(HeaderName::as_str).filter(|name| {
        name.starts_with(HEADER) && !matches!(&name[HEADER.len()..], "type" | "algorithm" | "mode")
    });
    let Some(name) = names.next() else { return Ok(None) };
    if names.next().is_some() {
        return Err(S3Error::request("More than one checksum is given"));
    }
    let value = request.header(name)?.unwrap_or_default();
    Ok(Some((name.to_owned(), value.to_owned())))
}

/// Leaves out the checksums of the headers, where they are not of the body: those of a whole object of which the body lists the parts.
pub(super) fn leave_out(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(HEADER))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// 400 for a body that is not what its checksum says.
pub(super) fn mismatch(name: &str) -> S3Error {
    S3Error::new(400, "BadDigest", format!("The body does not match {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the catalogue of CRCs, and of FIPS 180.
    #[test]
    fn checksums_are_those_of_the_catalogue() {
        for (name, hex) in [
            ("crc32", "cbf43926"),
            ("crc32c", "e3069283"),
            ("crc64nvme", "ae8b14860a799888"),
            ("sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (
                "sha256",
                "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
            ),
        ] {
            let mut running = Running::of(&format!("{HEADER}{name}")).unwrap();
            running.update(b"12345");
            running.update(b"6789");
            let expected = STANDARD.encode(hex::decode(hex).unwrap());
            assert_eq!(running.finish(), expected, "{name}");
        }
        assert!(Running::of("x-amz-checksum-md5").is_err() && Running::of("etag").is_err());
    }
}
