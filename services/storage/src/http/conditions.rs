//! The headers of conditional requests.

use std::time::UNIX_EPOCH;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use stoa_http::{Failure, Result, codes};
use stoa_kernel::Timestamp;

use crate::{
    ops::conditions::{Conditions, Tags},
    store::versions::VersionRow,
};

/// Reads them. A date that cannot be read counts for nothing, as RFC 9110 has it.
///
/// # Errors
/// 400 for entity tags that cannot be read.
pub(super) fn conditions(headers: &HeaderMap) -> Result<Conditions> {
    let date = |name| headers.get(name).and_then(|value| date(value.to_str().ok()?));
    Ok(Conditions {
        if_match: tags(headers, header::IF_MATCH)?,
        if_none_match: tags(headers, header::IF_NONE_MATCH)?,
        if_modified_since: date(header::IF_MODIFIED_SINCE),
        if_unmodified_since: date(header::IF_UNMODIFIED_SINCE),
    })
}

/// Whether `If-Range`, if it is there, names the version as it is: only then a range of it is what the caller wants.
pub(super) fn is_same(headers: &HeaderMap, current: &VersionRow) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else {
        return true;
    };
    let Ok(text) = value.to_str() else { return false };
    match date(text) {
        Some(date) => date.as_second() == current.created_at.as_second(),
        // By strong comparison.
        None => {
            text.trim()
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                == Some(&*current.etag)
        }
    }
}

/// The time as HTTP writes it.
pub(super) fn http_date(time: Timestamp) -> Option<HeaderValue> {
    let time = UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(time.as_second()).ok()?);
    HeaderValue::try_from(httpdate::fmt_http_date(time)).ok()
}

fn date(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text).ok()?;
    Timestamp::try_from(time).ok()
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Result<Option<Tags>> {
    let malformed = || {
        Failure::new(codes::MALFORMED).detail(format!("{name} must be * or a list of entity tags in quotes."))
    };
    let mut listed = Vec::new();
    let mut lines = headers.get_all(&name).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    for line in lines {
        let line = line.to_str().map_err(|_| malformed())?;
        if line.trim() == "*" {
            return Ok(Some(Tags::Any));
        }
        for tag in line.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            let (tag, is_weak) = tag.strip_prefix("W/").map_or((tag, false), |tag| (tag, true));
            let tag = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            listed.push((tag.ok_or_else(malformed)?.to_owned(), is_weak));
        }
    }
    Ok(Some(Tags::Listed(listed)))
}
