//! Texts in requests.

use garde::Result;
use serde::{Deserialize, Deserializer};
use stoa_http::field_error;
use stoa_kernel::text::{is_blank, is_forbidden};

use crate::ops::{
    names::{BIO_MAX, NAME_MAX, clean},
    profile::Change,
};

/// For `deserialize_with`: tells a field that is null from one that is absent. An empty text is null.
pub(super) fn given<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Change, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(Some(text.as_deref().and_then(clean)))
}

/// For `garde`: a first or last name.
pub(super) fn name(change: &Change, (): &()) -> Result {
    check(change, NAME_MAX, false)
}

/// For `garde`: a text of several lines.
pub(super) fn bio(change: &Change, (): &()) -> Result {
    check(change, BIO_MAX, true)
}

fn check(change: &Change, max: usize, lines: bool) -> Result {
    let Some(Some(text)) = change else { return Ok(()) };
    if text.chars().count() > max {
        return Err(field_error(
            "too_long",
            format_args!("The greatest length is {max}"),
        ));
    }
    if text
        .chars()
        .any(|c| is_forbidden(c) && !(lines && matches!(c, '\n' | '\r' | '\t')))
    {
        return Err(field_error("invalid", "Control characters are not accepted"));
    }
    if is_blank(text) {
        return Err(field_error("invalid", "It has no visible characters"));
    }
    Ok(())
}
