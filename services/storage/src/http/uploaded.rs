//! What the headers of an upload say of it.

use axum::http::{HeaderMap, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use stoa_http::{Failure, Result, codes};

use crate::{kind, ops::intake::Expected, store::versions::Metadata};

/// What headers begin with that say something of an object.
pub(super) const META: &str = "x-meta-";
/// Bytes of all names and values, and how many there may be.
pub(super) const META_BYTES: usize = 2048;
pub(super) const META_COUNT: usize = 32;

/// What the upload is to be like.
///
/// # Errors
/// 400 or 422 for headers that make no sense.
pub(super) fn expected(headers: &HeaderMap) -> Result<Expected> {
    Ok(Expected {
        length: length(headers)?,
        media_type: media_type(headers)?,
        md5: md5(headers)?.map(|md5| (md5, "content-md5")),
        sha256: sha256(headers)?,
        ..Expected::default()
    })
}

/// The length that is announced; none for a body in chunks.
fn length(headers: &HeaderMap) -> Result<Option<i64>> {
    let Some(value) = headers.get(header::CONTENT_LENGTH) else {
        return Ok(None);
    };
    let length = value.to_str().ok().and_then(|value| value.parse().ok());
    length
        .map(Some)
        .ok_or_else(|| Failure::new(codes::MALFORMED).detail("Content-Length is not a number."))
}

fn media_type(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .ok()
        .map(str::trim)
        .filter(|text| kind::is_media_type(text));
    match text {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(Failure::invalid(
            "content-type",
            "invalid",
            "A media type is such as image/png",
        )),
    }
}

fn md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>> {
    let Some(value) = headers.get("content-md5") else {
        return Ok(None);
    };
    decoded(value.as_bytes())
        .map(Some)
        .ok_or_else(|| Failure::invalid("content-md5", "invalid", "It is the MD5 of the body in Base64"))
}

/// `Repr-Digest` or `Content-Digest` (RFC 9530), which are the same here. Of the algorithms that may be listed, SHA-256 is looked at.
fn sha256(headers: &HeaderMap) -> Result<Option<([u8; 32], &'static str)>> {
    for name in ["repr-digest", "content-digest"] {
        let lines = headers.get_all(name).iter();
        let members = lines.flat_map(|line| line.as_bytes().split(|b| *b == b','));
        for member in members {
            let Some(rest) = member.trim_ascii().strip_prefix(b"sha-256=") else {
                continue;
            };
            let wrong = || Failure::invalid(name, "invalid", "It looks like sha-256=:Base64:");
            let digest = rest.strip_prefix(b":").and_then(|rest| rest.strip_suffix(b":"));
            return digest
                .and_then(decoded)
                .map(|digest| Some((digest, name)))
                .ok_or_else(wrong);
        }
    }
    Ok(None)
}

fn decoded<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    STANDARD.decode(text.trim_ascii()).ok()?.try_into().ok()
}

/// The headers that begin with `x-meta-`.
///
/// # Errors
/// 422 when they are too many, too long, or not of visible ASCII.
pub(super) fn metadata(headers: &HeaderMap) -> Result<Metadata> {
    let mut metadata = Metadata::new();
    let mut bytes = 0;
    for (name, value) in headers {
        let Some(short) = name.as_str().strip_prefix(META).filter(|short| !short.is_empty()) else {
            continue;
        };
        let Ok(value) = value.to_str() else {
            return Err(Failure::invalid(
                name.as_str(),
                "invalid",
                "Only visible ASCII is taken",
            ));
        };
        bytes += short.len() + value.len();
        if metadata.insert(short.to_owned(), value.to_owned()).is_some() {
            return Err(Failure::invalid(
                name.as_str(),
                "duplicate_field",
                "This header is given twice",
            ));
        }
        if metadata.len() > META_COUNT || bytes > META_BYTES {
            let message = format!("At most {META_COUNT} of them with {META_BYTES} bytes in all are taken");
            return Err(Failure::invalid("x-meta-*", "too_long", message));
        }
    }
    Ok(metadata)
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
    fn checksums_are_read_in_each_of_their_forms() {
        let zeros = STANDARD.encode([0; 32]);
        for (name, value) in [
            ("repr-digest", format!("sha-256=:{zeros}:")),
            ("content-digest", format!("md5=:AAAA:, sha-256=:{zeros}:")),
        ] {
            let found = expected(&headers(&[(name, &value)])).unwrap();
            assert_eq!(found.sha256, Some(([0; 32], name)));
        }
        let md5 = STANDARD.encode([7; 16]);
        let found = expected(&headers(&[("content-md5", &md5), ("content-length", "12")])).unwrap();
        assert_eq!(
            (found.md5, found.length),
            (Some(([7; 16], "content-md5")), Some(12))
        );
        let unknown = expected(&headers(&[("repr-digest", "sha-512=:AAAA:")])).unwrap();
        assert_eq!(unknown.sha256, None);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (name, value) in [
            ("content-md5", "AAAA"),
            ("content-md5", "nonsense!"),
            ("repr-digest", "sha-256=abc"),
            ("repr-digest", "sha-256=:AAAA:"),
            ("content-type", "image"),
            ("content-type", "a b/c"),
        ] {
            let failure = expected(&headers(&[(name, value)])).unwrap_err();
            assert_eq!(failure.problem.errors[0].field, name, "{value}");
        }
        let long = "x".repeat(META_BYTES);
        assert!(metadata(&headers(&[("x-meta-a", &long)])).is_err());
        assert_eq!(
            metadata(&headers(&[("x-meta-a", "b"), ("x-metal", "c")]))
                .unwrap()
                .len(),
            1
        );
    }
}
