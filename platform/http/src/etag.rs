//! Entity tags and `If-Match`.

use axum::extract::FromRequestParts;
use http::{HeaderValue, header, request::Parts};
use stoa_kernel::Expected;

use crate::{Failure, Result, codes};

/// A strong entity tag made of a row's version.
#[must_use]
pub fn etag(version: i64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// `If-Match` of a request. Absent it allows any version. Tags that we never gave out are left out, so that they match nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Expected);

impl IfMatch {
    /// Whether `version` is meant.
    ///
    /// # Errors
    /// 412 if it is not.
    pub fn check(&self, version: i64) -> Result<()> {
        if self.0.allows(version) {
            Ok(())
        } else {
            Err(Failure::new(codes::PRECONDITION_FAILED))
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let mut versions = Vec::new();
        let mut lines = parts.headers.get_all(header::IF_MATCH).iter().peekable();
        if lines.peek().is_none() {
            return Ok(Self(Expected::Any));
        }
        for line in lines {
            let line = line.to_str().map_err(|_| malformed())?;
            if line.trim() == "*" {
                return Ok(Self(Expected::Any));
            }
            for tag in line.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
                versions.extend(version(tag)?);
            }
        }
        Ok(Self(Expected::Versions(versions)))
    }
}

/// The version that a tag names; none for one that is not ours.
///
/// A weak tag counts as the strong one: whoever compresses an answer on its way, the edge or a proxy, makes its tag weak, and ours
/// name the version of a thing, not the bytes of one answer.
fn version(tag: &str) -> Result<Option<i64>> {
    let inner = tag
        .strip_prefix("W/")
        .unwrap_or(tag)
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or_else(malformed)?;
    Ok(inner.parse().ok())
}

fn malformed() -> Failure {
    Failure::new(codes::MALFORMED).detail("If-Match must be * or a list of entity tags in quotes.")
}
