//! A request to S3: which bucket and object it is about.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, request::Parts};
use percent_encoding::percent_decode_str;
use stoa_http::RequestFacts;

use super::error::{Result, S3Error};
use crate::path;

/// What the paths begin with.
const ROOT: &str = "/s3";
/// What headers of S3's own begin with.
const AMZ: &str = "x-amz-";
/// Headers that have entity tags.
const WITH_TAGS: [&str; 5] = [
    "if-match",
    "if-none-match",
    "if-range",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-none-match",
];
/// Parameters that are of the signature, and no headers.
const OF_SIGNATURE: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// A request, taken apart.
pub(super) struct S3Request {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    /// The name of the bucket; none for all.
    pub(super) bucket: Option<String>,
    /// The object's key as it came; none for the bucket.
    pub(super) key: Option<String>,
    pub(super) query: Query,
    pub(super) facts: Arc<RequestFacts>,
}

/// Names and values of a query, decoded, in their order.
pub(super) struct Query(pub(super) Vec<(String, String)>);

impl Query {
    fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decoded(name), decoded(value))
                })
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A number; `otherwise` if it is not there.
    pub(super) fn number(&self, name: &'static str, otherwise: usize) -> Result<usize> {
        match self.get(name).filter(|text| !text.is_empty()) {
            None => Ok(otherwise),
            Some(text) => text
                .parse::<u32>()
                .map(|number| number as usize)
                .map_err(|_| S3Error::invalid(format!("{name} is not a number"))),
        }
    }
}

/// A space may be written as a plus.
fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

impl S3Request {
    pub(super) fn new(parts: Parts, facts: Arc<RequestFacts>) -> Result<Self> {
        let rest = resource(parts.uri.path()).trim_start_matches('/');
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self {
            bucket: some(bucket)?,
            key: some(key)?,
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            facts,
        })
    }

    /// Takes the headers that a presigner wrote into the address. They are signed as all of it is; the signature must be checked before.
    ///
    /// # Errors
    /// When one can be no header, or is given twice with different values.
    pub(super) fn take_parameters(&mut self) -> Result<()> {
        for (name, value) in &self.query.0 {
            let name = name.to_ascii_lowercase();
            if !name.starts_with(AMZ) || OF_SIGNATURE.contains(&name.as_str()) {
                continue;
            }
            let wrong = || S3Error::invalid("A parameter that begins with x-amz- is no header");
            let value = HeaderValue::try_from(value).map_err(|_| wrong())?;
            let header = HeaderName::try_from(&name).map_err(|_| wrong())?;
            let known = self.headers.insert(header, value.clone());
            if known.is_some_and(|known| known != value) {
                return Err(S3Error::invalid(format!("{name} is given twice")));
            }
        }
        Ok(())
    }

    /// Writes the quotes that clients of S3 may leave out around entity tags.
    pub(super) fn quote_tags(&mut self) {
        for name in WITH_TAGS {
            let given = self.headers.get_all(name).iter();
            let quoted: Vec<_> = given
                .map(|value| with_quotes(value).unwrap_or_else(|| value.clone()))
                .collect();
            self.headers.remove(name);
            for value in quoted {
                self.headers.append(name, value);
            }
        }
    }

    /// The text of a header; none if it is not there.
    ///
    /// # Errors
    /// When it is there and not visible ASCII.
    pub(super) fn header(&self, name: &str) -> Result<Option<&str>> {
        let value = self.headers.get(name);
        let text = value.map(|value| value.to_str()).transpose();
        text.map_err(|_| S3Error::invalid(format!("The header {name} is not ASCII")))
    }

    /// The object's path.
    pub(super) fn path(&self) -> Result<String> {
        object_path(self.key.as_deref().unwrap_or_default())
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }
}

/// The path of the key, which is the key as it came. Clients compare the keys that they wrote with those that are listed, byte by byte:
/// one in another spelling would be deleted by the next synchronization, or replace a second object.
pub(super) fn object_path(key: &str) -> Result<String> {
    let path = path::object(key).map_err(|wrong| {
        if key.len() > 1024 {
            S3Error::new(400, "KeyTooLongError", wrong)
        } else {
            S3Error::invalid(wrong)
        }
    })?;
    if path == key {
        return Ok(path);
    }
    Err(S3Error::invalid(
        "The key is not in Unicode's normal form C (NFC), and keys are not changed",
    ))
}

/// The value with quotes around each entity tag; none where it is a date, or nothing that could be read.
fn with_quotes(value: &HeaderValue) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    if httpdate::parse_http_date(text).is_ok() {
        return None;
    }
    let tags: Vec<_> = text.split(',').map(str::trim).map(quoted).collect();
    HeaderValue::try_from(tags.join(", ")).ok()
}

fn quoted(tag: &str) -> String {
    let (weak, bare) = match tag.strip_prefix("W/") {
        Some(bare) => ("W/", bare),
        None => ("", tag),
    };
    if bare.is_empty() || bare == "*" || bare.contains('"') {
        return tag.to_owned();
    }
    format!("{weak}\"{bare}\"")
}

/// What of a path names something in S3.
pub(super) fn resource(path: &str) -> &str {
    path.strip_prefix(ROOT).unwrap_or(path)
}

fn some(text: &str) -> Result<Option<String>> {
    if text.is_empty() {
        return Ok(None);
    }
    let text = percent_decode_str(text).decode_utf8();
    let text = text.map_err(|_| S3Error::new(400, "InvalidURI", "The key is not UTF-8"))?;
    Ok(Some(text.into_owned()))
}
