//! Bodies: read up to the limit, and their media type.

use axum::{
    extract::{
        FromRequest, Request,
        rejection::{BytesRejection, FailedToBufferBody},
    },
    response::IntoResponse,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::{Failure, Result, codes};

/// A body that is not JSON, such as an image, up to the body limit.
pub struct Upload {
    /// What the caller says it is, in lower case and without parameters; empty if nothing is said.
    pub media_type: String,
    /// The body.
    pub bytes: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let media_type = media_type(request.headers()).to_ascii_lowercase();
        Ok(Self {
            media_type,
            bytes: read(request, state).await?,
        })
    }
}

/// Reads the whole body; 413 when it is larger than the limit that axum's `DefaultBodyLimit` sets, 415 when it is compressed.
pub(crate) async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes> {
    refuse_encoded(request.headers())?;
    Bytes::from_request(request, state).await.map_err(refusal)
}

/// Refuses a body that is compressed: its size is not what it says.
///
/// # Errors
/// 415 with `Accept-Encoding: identity`.
pub fn refuse_encoded(headers: &HeaderMap) -> Result<()> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    if encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    Err(Failure::new(codes::UNSUPPORTED_MEDIA_TYPE)
        .detail("Compressed bodies are not accepted; send it as it is.")
        .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

fn refusal(rejection: BytesRejection) -> Failure {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Failure::new(codes::TOO_LARGE)
        }
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Failure::new(codes::TOO_LARGE),
        other => Failure::new(codes::MALFORMED)
            .detail("The body ended early.")
            .cause(other.into_response().status()),
    }
}

/// `type/subtype` of the content type.
pub(crate) fn media_type(headers: &HeaderMap) -> &str {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}
