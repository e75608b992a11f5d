//! How a handler fails: a problem for the caller, and what only the log may see.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{Code, FieldError, Problem, codes};

/// Wrong fields that a problem lists at most.
const MAX_ERRORS: usize = 100;
/// Longest name of a field that a problem repeats, in bytes.
const MAX_FIELD: usize = 128;
/// Longest text about one failure, in bytes.
const MAX_MESSAGE: usize = 512;

/// Put into a response's extensions by an endpoint that answers 4xx or 5xx in a form of its own, such as a page. Without it the edge
/// makes a problem of such an answer.
#[derive(Clone, Copy, Debug)]
pub struct AsIs;

/// What handlers return.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// A problem, plus what only the log may see, plus headers such as `Retry-After`.
///
/// A service's error enum becomes one by a hand-written `From<Error> for Failure`.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What the caller is told.
    pub problem: Box<Problem>,
    /// What only the log is told.
    pub internal: Option<String>,
    /// Headers of the answer beside the content type.
    pub headers: Box<HeaderMap>,
}

/// Stands in the extensions of a response that was made of a [`Failure`].
#[derive(Clone, Debug)]
pub struct FailureInfo(pub Arc<FailureFacts>);

/// What a failed response was made of.
#[derive(Debug)]
pub struct FailureFacts {
    /// What the caller is told.
    pub problem: Problem,
    /// What only the log is told.
    pub internal: Option<String>,
}

impl Failure {
    /// A failure of this kind.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self {
            problem: Box::new(Problem::new(code)),
            internal: None,
            headers: Box::default(),
        }
    }

    /// Says what is particular to this one. The caller sees it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.problem.detail = Some(cut(detail.into(), MAX_MESSAGE));
        self
    }

    /// Adds a wrong field. Names and messages may repeat what the caller sent, so they are cut to a short length, and no more
    /// than [`MAX_ERRORS`] fields are listed.
    #[must_use]
    pub fn field(
        mut self,
        field: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        if self.problem.errors.len() < MAX_ERRORS {
            self.problem.errors.push(FieldError {
                field: cut(field.into(), MAX_FIELD),
                code: code.into(),
                message: cut(message.into(), MAX_MESSAGE),
            });
        }
        self
    }

    /// 422 with one wrong field.
    #[must_use]
    pub fn invalid(
        field: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(codes::INVALID_INPUT).field(field, code, message)
    }

    /// 500; the cause goes to the log only.
    #[must_use]
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::new(codes::INTERNAL).cause(cause)
    }

    /// 503 with `Retry-After`; the cause goes to the log only.
    #[must_use]
    pub fn unavailable(cause: impl std::fmt::Display) -> Self {
        Self::new(codes::UNAVAILABLE)
            .cause(cause)
            .retry_after(Duration::ZERO)
    }

    /// Says when another try may succeed: `Retry-After`, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = whole_seconds(wait).max(1);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Notes for the log what lies behind.
    #[must_use]
    pub fn cause(mut self, cause: impl std::fmt::Display) -> Self {
        self.internal = Some(cause.to_string());
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// In whole seconds, rounded up: who waits for so long has waited long enough.
#[must_use]
pub fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// The text, up to `max` bytes and a sign that more was there.
fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        text.push('\u{2026}');
    }
    text
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(body_of(&self.problem));
        *response.status_mut() = self.status();
        *response.headers_mut() = *self.headers;
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        let facts = FailureFacts {
            problem: *self.problem,
            internal: self.internal,
        };
        response.extensions_mut().insert(FailureInfo(Arc::new(facts)));
        response
    }
}

fn body_of(problem: &Problem) -> Body {
    Body::from(serde_json::to_vec(problem).unwrap_or_default())
}

/// Writes the request's id into a problem. Other responses pass unchanged. For the edge, which alone knows the id.
#[must_use]
pub fn with_request_id(mut response: Response, request_id: &str) -> Response {
    let Some(FailureInfo(facts)) = response.extensions().get::<FailureInfo>() else {
        return response;
    };
    let problem = Problem {
        request_id: Some(request_id.to_owned()),
        ..facts.problem.clone()
    };
    *response.body_mut() = body_of(&problem);
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
}

/// Fallback of a router: nothing is offered under this path.
pub async fn not_found() -> Failure {
    Failure::new(codes::NOT_FOUND).detail("There is no endpoint at this path.")
}

/// Fallback of a router for known paths: the method is not offered there. axum adds `Allow`.
pub async fn method_not_allowed() -> Failure {
    Failure::new(codes::METHOD_NOT_ALLOWED)
}

/// `Cursor` → `invalid_input`; `NotFound` → `not_found`; `Conflict` and `Unique` → `conflict`; `Busy` and `TimedOut` → `unavailable` with `Retry-After`; others → `internal`.
impl From<stoa_db::Error> for Failure {
    fn from(error: stoa_db::Error) -> Self {
        match error {
            stoa_db::Error::Cursor => Self::invalid("cursor", "invalid", error.to_string()),
            stoa_db::Error::NotFound => Self::new(codes::NOT_FOUND),
            stoa_db::Error::Conflict | stoa_db::Error::Unique => Self::new(codes::CONFLICT).cause(error),
            // A full disk is the operator's to mend, not a fault: until then only what writes is refused.
            stoa_db::Error::Busy | stoa_db::Error::TimedOut | stoa_db::Error::Full => {
                Self::unavailable(error)
            }
            other => Self::internal(other),
        }
    }
}

impl From<stoa_cache::CacheError> for Failure {
    fn from(error: stoa_cache::CacheError) -> Self {
        Self::unavailable(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_waits_for_whole_seconds_and_never_for_too_few() {
        for (millis, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (59_999, "60")] {
            let failure = Failure::new(codes::RATE_LIMITED).retry_after(Duration::from_millis(millis));
            assert_eq!(failure.headers[header::RETRY_AFTER], seconds, "{millis} ms");
        }
    }
}
