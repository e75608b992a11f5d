//! Bodies: read up to the limit, and their media type.

use std::error::Error;

use axum::{
    RequestExt,
    body::Body,
    extract::{FromRequest, Request},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError};

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

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let media_type = media_type(request.headers()).to_ascii_lowercase();
        Ok(Self {
            media_type,
            bytes: read(request).await?,
        })
    }
}

/// Reads the whole body; 413 when it is larger than the limit that axum's `DefaultBodyLimit` sets, 415 when it is compressed.
pub(crate) async fn read(request: Request) -> Result<Bytes> {
    refuse_encoded(request.headers())?;
    collect(request.into_limited_body())
        .await
        .map_err(|error| refusal(&error))
}

/// Room that is made at once for what a body says it will be.
const AT_ONCE: u64 = 64 * 1024;

/// All of a body in one piece. It takes up what it is long: pieces of a byte each would take up many times as much until the last.
///
/// # Errors
/// What the body fails with.
pub async fn collect(mut body: Body) -> std::result::Result<Bytes, axum::Error> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if whole.is_empty() {
            if body.is_end_stream() {
                return Ok(data);
            }
            let left = body.size_hint().lower().min(AT_ONCE);
            whole.reserve(data.len() + usize::try_from(left).unwrap_or_default());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
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

fn refusal(error: &axum::Error) -> Failure {
    let mut cause = error.source();
    while let Some(found) = cause {
        if found.is::<LengthLimitError>() {
            return Failure::new(codes::TOO_LARGE);
        }
        cause = found.source();
    }
    Failure::new(codes::MALFORMED)
        .detail("The body ended early.")
        .cause(error)
}

/// `type/subtype` of the content type.
pub(crate) fn media_type(headers: &HeaderMap) -> &str {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use super::*;

    /// A piece of a body that is counted while it is held.
    struct Piece(Arc<AtomicUsize>);

    impl AsRef<[u8]> for Piece {
        fn as_ref(&self) -> &[u8] {
            b"x"
        }
    }

    impl Drop for Piece {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn of_a_body_in_small_pieces_none_is_held_longer_than_it_is_read() {
        let held = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let (counted, seen) = (Arc::clone(&held), Arc::clone(&most));
        let pieces = (0..10_000).map(move |_| {
            let now = counted.fetch_add(1, Ordering::SeqCst) + 1;
            seen.fetch_max(now, Ordering::SeqCst);
            Ok::<_, Infallible>(Bytes::from_owner(Piece(Arc::clone(&counted))))
        });
        let body = Body::from_stream(futures::stream::iter(pieces));
        assert_eq!(collect(body).await.unwrap().len(), 10_000);
        assert!(most.load(Ordering::SeqCst) <= 2, "{most:?} at once");
        assert_eq!(held.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_body_in_one_piece_is_not_copied() {
        let piece = Bytes::from(vec![7; 100]);
        let whole = collect(Body::from(piece.clone())).await.unwrap();
        assert_eq!(whole.as_ptr(), piece.as_ptr());
    }
}
