//! What S3 clients are told when something goes wrong.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use stoa_http::{AsIs, Failure, Problem, RefusedRequest, codes};
use stoa_objects::ObjectError;

use super::xml::Writer;
use crate::error::Error;

/// A refusal, with one of S3's codes.
#[derive(Debug)]
pub(super) struct S3Error {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: Cow<'static, str>,
    headers: Box<HeaderMap>,
    /// What only the log is told.
    cause: Option<String>,
}

pub(super) type Result<T, E = S3Error> = std::result::Result<T, E>;

impl S3Error {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            headers: Box::default(),
            cause: None,
        }
    }

    pub(super) fn denied() -> Self {
        Self::new(403, "AccessDenied", "Access denied")
    }

    pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "InvalidArgument", message)
    }

    pub(super) fn request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "InvalidRequest", message)
    }

    pub(super) fn no_key() -> Self {
        Self::new(404, "NoSuchKey", "The key does not exist")
    }

    pub(super) fn no_bucket() -> Self {
        Self::new(404, "NoSuchBucket", "The bucket does not exist")
    }

    pub(super) fn not_implemented(what: &str) -> Self {
        Self::new(501, "NotImplemented", format!("Not implemented: {what}"))
    }

    /// For a caller who may come again after that time.
    pub(super) fn slow_down(wait: Duration) -> Self {
        let mut error: Self = Failure::new(codes::RATE_LIMITED).retry_after(wait).into();
        error.message = "Too many requests; try again later".into();
        error
    }

    fn cause(mut self, cause: impl ToString) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The answer to a request for `path`. One to HEAD has no body.
    pub(super) fn answer(self, path: &str, request_id: &str, is_head: bool) -> Response {
        if self.status >= 500 && self.code != "NotImplemented" && self.code != "SlowDown" {
            let (code, cause) = (self.code, self.cause.as_deref().unwrap_or("not told"));
            tracing::error!(request_id, code, cause, "an S3 request failed");
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = if is_head {
            Body::empty()
        } else {
            let mut xml = Writer::new("Error");
            xml.text("Code", self.code);
            xml.text("Message", &self.message);
            xml.text("Resource", path);
            xml.text("RequestId", request_id);
            Body::from(xml.finish())
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = *self.headers;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        response.extensions_mut().insert(AsIs);
        response
    }
}

/// What use cases fail with.
impl From<Error> for S3Error {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound => Self::no_key(),
            Error::Erased => Self::no_bucket(),
            Error::Revoked => Self::denied(),
            Error::Precondition => precondition(),
            Error::NameTaken => Self::new(409, "BucketAlreadyExists", "A bucket of this name exists"),
            Error::NotEmpty => Self::new(
                409,
                "BucketNotEmpty",
                "The bucket is not empty; deleted objects and older versions are in it until they are purged. \
                 ListObjectVersions names them, and by their ids they are deleted at once",
            ),
            Error::BucketsFull(_) => Self::new(400, "TooManyBuckets", message),
            Error::TooLong => Self::new(400, "KeyTooLongError", message),
            Error::Quota => Self::new(403, "QuotaExceeded", message),
            Error::TooLarge(max) => {
                Self::new(400, "EntityTooLarge", format!("At most {max} bytes are taken"))
            }
            Error::Type(_) => Self::invalid(message),
            Error::Digest("x-amz-content-sha256") => Self::new(
                400,
                "XAmzContentSHA256Mismatch",
                "The body does not match x-amz-content-sha256",
            ),
            Error::Digest(_) => Self::new(400, "BadDigest", message),
            Error::BrokenOff(_) => Self::new(400, "IncompleteBody", "The body ended early"),
            Error::UploadGone => Self::new(404, "NoSuchUpload", "The upload is not open any more"),
            Error::UploadsFull(_) => Self::new(403, "QuotaExceeded", message),
            Error::NoSuchPart(_) => Self::new(400, "InvalidPart", message),
            Error::PartOrder => Self::new(400, "InvalidPartOrder", message),
            Error::PartTooSmall(_) => Self::new(400, "EntityTooSmall", message),
            Error::PartNumber => Self::invalid(message),
            Error::InProgress => Self::new(409, "OperationAborted", message),
            Error::Damaged | Error::Objects(ObjectError::NotFound) => internal().cause(message),
            other => Failure::from(other).into(),
        }
    }
}

impl From<stoa_db::Error> for S3Error {
    fn from(error: stoa_db::Error) -> Self {
        Error::from(error).into()
    }
}

/// What the parts that are shared with the API fail with.
impl From<Failure> for S3Error {
    fn from(failure: Failure) -> Self {
        let mut error = of_problem(&failure.problem);
        error.headers = failure.headers;
        error.cause = failure.internal;
        error
    }
}

/// How the edge's refusals of requests to S3 are said.
pub(crate) fn refuse(refused: &RefusedRequest<'_>) -> Response {
    let is_head = refused.method == axum::http::Method::HEAD;
    let mut error = of_problem(refused.problem);
    // The edge has logged it.
    error.cause = Some("it is in the line of the edge".into());
    let path = super::request::resource(refused.uri.path());
    error.answer(path, refused.request_id, is_head)
}

fn of_problem(problem: &Problem) -> S3Error {
    let message = problem
        .errors
        .first()
        .map(|wrong| format!("{}: {}", wrong.field, wrong.message))
        .or_else(|| problem.detail.clone())
        .unwrap_or_else(|| problem.title.clone());
    let (status, code) = match (&*problem.code, problem.status) {
        ("precondition_failed", _) => return precondition(),
        ("range_not_satisfiable", _) => (416, "InvalidRange"),
        ("rate_limited", _) => (503, "SlowDown"),
        ("too_large", _) => (400, "EntityTooLarge"),
        ("uri_too_long", _) => (400, "KeyTooLongError"),
        ("header_too_large", _) => (400, "RequestHeaderSectionTooLarge"),
        ("body_too_slow", _) => (400, "RequestTimeout"),
        ("not_found", _) => (404, "NoSuchKey"),
        ("method_not_allowed", _) => (405, "MethodNotAllowed"),
        ("conflict", _) => (409, "OperationAborted"),
        (_, 422) => (400, "InvalidArgument"),
        (_, 403) => (403, "AccessDenied"),
        (_, 400..500) => (400, "InvalidRequest"),
        (_, 502..505) => (503, "ServiceUnavailable"),
        _ => (500, "InternalError"),
    };
    S3Error::new(status, code, message)
}

fn precondition() -> S3Error {
    S3Error::new(
        412,
        "PreconditionFailed",
        "A condition of the request does not hold",
    )
}

fn internal() -> S3Error {
    S3Error::new(500, "InternalError", "Something went wrong; try again")
}
