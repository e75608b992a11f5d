//! The body of every refused or failed request.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::Code;

/// RFC 9457: what every refused or failed request answers, as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// Names the kind of problem: `/problems/<code>`.
    #[serde(rename = "type")]
    #[schema(example = "/problems/invalid_input")]
    pub type_: String,
    /// The kind of problem in words; the same for each of this code.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// Stable: programs decide by it.
    #[schema(value_type = String, example = "invalid_input")]
    pub code: Cow<'static, str>,
    /// What is particular to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub detail: Option<String>,
    /// Names the request in logs. Filled by the edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub request_id: Option<String>,
    /// The wrong fields of the input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A problem of this kind, with nothing particular said yet.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self {
            type_: format!("/problems/{}", code.code),
            title: code.title.to_owned(),
            status: code.status,
            code: Cow::Borrowed(code.code),
            detail: None,
            request_id: None,
            errors: Vec::new(),
        }
    }
}

/// One wrong field of the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// A dotted path such as `address.city` or `items[2].price`.
    pub field: String,
    /// Stable: `missing_field`, `unknown_field`, `duplicate_field`, `wrong_type`, `too_short`, `too_long`, `range`, `format`,
    /// `invalid`, or one of the service's own.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// What is wrong, in words.
    pub message: String,
}
