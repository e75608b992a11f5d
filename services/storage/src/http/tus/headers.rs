//! The headers of tus.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use stoa_http::{Failure, Result, codes};

use crate::{
    error::TUS_VERSION_UNKNOWN,
    ids::UploadId,
    ops::uploads::source::{Algorithm, Checksum},
    store::uploads::UploadRow,
};

pub(super) const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(super) const VERSION: HeaderName = HeaderName::from_static("tus-version");
pub(super) const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
pub(super) const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
pub(super) const ALGORITHMS: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
pub(super) const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(super) const LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(super) const DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
pub(super) const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
pub(super) const CONCAT: HeaderName = HeaderName::from_static("upload-concat");
pub(super) const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
/// The version of the protocol.
pub(super) const V1: HeaderValue = HeaderValue::from_static("1.0.0");
/// Where uploads are.
pub(super) const PATH: &str = "/api/v1/storage/tus";
/// Longest `Upload-Metadata`, in bytes.
const METADATA_MAX: usize = 8 * 1024;
/// Most pieces that are joined at once.
const PIECES: usize = 100;

/// Refuses what is not of the version of tus that is spoken here.
///
/// # Errors
/// 412.
pub(super) fn version(headers: &HeaderMap) -> Result<()> {
    if headers.get(RESUMABLE) == Some(&V1) {
        return Ok(());
    }
    Err(Failure::new(TUS_VERSION_UNKNOWN)
        .detail("Send Tus-Resumable: 1.0.0.")
        .header(VERSION, V1))
}

/// A number of bytes, if the header is there.
///
/// # Errors
/// 422 when it is none.
pub(super) fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<i64>> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number
        .map(Some)
        .ok_or_else(|| Failure::invalid(name.as_str(), "invalid", "A number of bytes is expected"))
}

/// How long the upload is to be; none if that is said later.
///
/// # Errors
/// 422 when nothing is said, or both.
pub(super) fn length(headers: &HeaderMap) -> Result<Option<i64>> {
    let deferred = headers.get(DEFER_LENGTH);
    match (number(headers, &LENGTH)?, deferred) {
        (Some(length), None) => Ok(Some(length)),
        (None, Some(value)) if value == "1" => Ok(None),
        (Some(_), Some(_)) => Err(Failure::invalid(
            DEFER_LENGTH.as_str(),
            "invalid",
            "Either this or Upload-Length is said",
        )),
        (None, Some(_)) => Err(Failure::invalid(DEFER_LENGTH.as_str(), "invalid", "It is 1")),
        (None, None) => Err(Failure::invalid(
            LENGTH.as_str(),
            "missing_field",
            "This header is required, or Upload-Defer-Length: 1",
        )),
    }
}

/// What the uploader says of the upload: pairs of a name and a value, each name once.
///
/// # Errors
/// 422 when they cannot be read.
pub(super) fn metadata(headers: &HeaderMap) -> Result<Vec<(String, String)>> {
    let wrong = |message: &str| Failure::invalid(METADATA.as_str(), "invalid", message);
    let Some(value) = headers.get(METADATA) else {
        return Ok(Vec::new());
    };
    let text = value.to_str().map_err(|_| wrong("Only visible ASCII is taken"))?;
    if text.len() > METADATA_MAX {
        return Err(wrong("At most 8192 bytes are taken"));
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = STANDARD.decode(value.trim()).ok();
        let value = value.and_then(|value| String::from_utf8(value).ok());
        let value = value.ok_or_else(|| wrong("Values are UTF-8 in Base64"))?;
        if pairs.iter().any(|(other, _)| other == name) {
            return Err(wrong("Each name is given once"));
        }
        pairs.push((name.to_owned(), value));
    }
    Ok(pairs)
}

/// How an upload belongs to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Concat {
    /// It is an object of its own.
    None,
    /// It is a piece.
    Partial,
    /// It is what these pieces come to.
    Final(Vec<UploadId>),
}

/// How `Upload-Concat` of an upload begins that others are joined to.
const FINAL: &str = "final;";

/// Reads `Upload-Concat`.
///
/// # Errors
/// 422 when it cannot be read.
pub(super) fn concat(headers: &HeaderMap) -> Result<Concat> {
    let wrong = |message: &str| Failure::invalid(CONCAT.as_str(), "invalid", message);
    let Some(value) = headers.get(CONCAT) else {
        return Ok(Concat::None);
    };
    let text = value.to_str().unwrap_or_default();
    if text == "partial" {
        return Ok(Concat::Partial);
    }
    let Some(urls) = text.strip_prefix(FINAL) else {
        return Err(wrong("It is partial, or final; and the addresses of uploads"));
    };
    let ids: Option<Vec<UploadId>> = urls.split_ascii_whitespace().map(id).collect();
    let ids = ids.ok_or_else(|| wrong("These are not all addresses of uploads"))?;
    match ids.len() {
        0 => Err(wrong("No upload is named")),
        1..=PIECES => Ok(Concat::Final(ids)),
        _ => Err(wrong("At most 100 uploads are joined")),
    }
}

/// The upload that has this address, absolute or without a host.
fn id(url: &str) -> Option<UploadId> {
    let (before, id) = url.rsplit_once('/')?;
    if !before.ends_with(PATH) {
        return None;
    }
    id.parse().ok()
}

/// `Upload-Checksum`, if it is there.
///
/// # Errors
/// 400 for algorithms that are not known, as tus has it; 422 for what is none.
pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>> {
    let Some(value) = headers.get(CHECKSUM) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let (name, value) = text.split_once(' ').unwrap_or((text, ""));
    let Some(algorithm) = Algorithm::named(name) else {
        let detail = format!("Upload-Checksum is one of {}.", Algorithm::NAMES);
        return Err(Failure::new(codes::MALFORMED).detail(detail));
    };
    let value = STANDARD.decode(value.trim()).ok();
    let value = value.filter(|value| value.len() == algorithm.length());
    let wrong = || Failure::invalid(CHECKSUM.as_str(), "invalid", "It is a checksum in Base64");
    Ok(Some(Checksum {
        algorithm,
        value: value.ok_or_else(wrong)?,
    }))
}

/// Whether the body is one that is appended.
pub(super) fn is_piece(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value == "application/offset+octet-stream")
}

/// The method that is meant, where a client can send none but POST.
pub(super) fn method(headers: &HeaderMap) -> String {
    let value = headers.get(OVERRIDE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_uppercase()
}

/// What was said of an upload when it was made, and is said by it since.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Said {
    metadata: Option<String>,
    concat: Option<String>,
}

impl Said {
    /// What was said of an upload when it was begun.
    pub(super) fn read(row: &UploadRow) -> Self {
        let note = row.note.as_deref();
        note.and_then(|note| serde_json::from_str(note).ok())
            .unwrap_or_default()
    }

    /// Whether it is one that others were joined to.
    pub(super) fn is_final(&self) -> bool {
        let concat = self.concat.as_deref();
        concat.is_some_and(|concat| concat.starts_with(FINAL))
    }

    pub(super) fn of(headers: &HeaderMap) -> Self {
        let said = |name| {
            let value: &HeaderValue = headers.get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        Self {
            metadata: said(METADATA),
            concat: said(CONCAT),
        }
    }

    pub(super) fn say(self, headers: &mut HeaderMap) {
        for (name, value) in [(METADATA, self.metadata), (CONCAT, self.concat)] {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn metadata_is_read_as_tus_writes_it() {
        let read = |text: &str| metadata(&headers(&[("upload-metadata", text)]));
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        assert_eq!(
            read("filename d29ybGQ=,is_confidential, b ").unwrap(),
            pairs(&[("filename", "world"), ("is_confidential", ""), ("b", "")])
        );
        assert_eq!(read("").unwrap(), pairs(&[]));
        for wrong in ["a !", "a YQ==,a YQ==", "a /w==", &"x".repeat(9000)] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lengths_are_said_or_deferred_and_never_both() {
        let read = |pairs: &[(&'static str, &str)]| length(&headers(pairs)).ok();
        assert_eq!(read(&[("upload-length", "12")]), Some(Some(12)));
        assert_eq!(read(&[("upload-defer-length", "1")]), Some(None));
        for wrong in [
            &[][..],
            &[("upload-length", "-1")],
            &[("upload-length", "+1")],
            &[("upload-length", "99999999999999999999")],
            &[("upload-defer-length", "2")],
            &[("upload-length", "1"), ("upload-defer-length", "1")],
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn pieces_are_named_by_their_addresses() {
        let one = "01890000-0000-7000-8000-000000000001";
        let read = |text: &str| concat(&headers(&[("upload-concat", text)]));
        assert_eq!(read("partial").unwrap(), Concat::Partial);
        let named = read(&format!("final;{PATH}/{one} https://host{PATH}/{one}")).unwrap();
        assert_eq!(named, Concat::Final(vec![one.parse().unwrap(); 2]));
        let many = format!("final;{}", format!("{PATH}/{one} ").repeat(101));
        for wrong in [
            "",
            "final;",
            "final;/x",
            "final;/tus/01890000-0000-7000-8000-000000000001",
            &many,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn checksums_name_their_algorithm() {
        let read = |text: &str| checksum(&headers(&[("upload-checksum", text)]));
        let sum = STANDARD.encode([7; 20]);
        let found = read(&format!("sha1 {sum}")).unwrap().unwrap();
        assert_eq!((found.algorithm, found.value), (Algorithm::Sha1, vec![7; 20]));
        for (wrong, status) in [("crc32 AAAA", 400), ("sha1", 422), ("sha1 AAAA", 422), ("", 400)] {
            assert_eq!(read(wrong).unwrap_err().status().as_u16(), status, "{wrong}");
        }
    }
}
