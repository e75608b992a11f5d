//! Pictures in requests and answers.

use axum::{
    extract::{FromRequest, Multipart, Request, multipart::MultipartError},
    http::{HeaderName, StatusCode, header},
};
use bytes::Bytes;
use stoa_http::{Failure, Result, Upload, codes, refuse_encoded};
use utoipa::ToSchema;

/// A form with the picture in it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only describes the form")]
pub struct PictureForm {
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    file: Vec<u8>,
}

/// The bytes of the picture, whichever way it was sent: as the body itself or as the field `file` of a form.
///
/// # Errors
/// When it is said to be something else, is larger than `max_bytes`, or cannot be read.
pub async fn received(request: Request, max_bytes: usize) -> Result<Bytes> {
    let bytes = sent(request).await?;
    if bytes.len() > max_bytes {
        let detail = format!("At most {max_bytes} bytes are accepted.");
        return Err(Failure::new(codes::TOO_LARGE).detail(detail));
    }
    Ok(bytes)
}

async fn sent(request: Request) -> Result<Bytes> {
    refuse_encoded(request.headers())?;
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|value| value.to_ascii_lowercase().starts_with("multipart/form-data")) {
        // What is no picture is not read to its end.
        may_be_picture(content_type.unwrap_or_default())?;
        return Ok(Upload::from_request(request, &()).await?.bytes);
    }
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| Failure::new(codes::MALFORMED).detail(error.body_text()))?;
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        if field.name() == Some("file") {
            may_be_picture(field.content_type().unwrap_or_default())?;
            return field.bytes().await.map_err(malformed);
        }
    }
    Err(Failure::invalid(
        "file",
        "missing_field",
        "This field is required",
    ))
}

/// Refuses what is said to be no picture. Clients that do not know say nothing, or that it is some bytes.
fn may_be_picture(content_type: &str) -> Result<()> {
    let media_type = content_type.split(';').next().unwrap_or_default();
    let media_type = media_type.trim().to_ascii_lowercase();
    let bytes = ["", "application/octet-stream", "binary/octet-stream"];
    let picture = media_type.starts_with("image/") && !media_type.starts_with("image/svg");
    if picture || bytes.contains(&&*media_type) {
        return Ok(());
    }
    Err(Failure::new(codes::UNSUPPORTED_MEDIA_TYPE).detail("Send a PNG, JPEG, WebP or GIF."))
}

fn malformed(error: MultipartError) -> Failure {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Failure::new(codes::TOO_LARGE);
    }
    Failure::new(codes::MALFORMED)
        .detail("The form cannot be read.")
        .cause(error.body_text())
}

/// An answer that is a picture.
pub type Picture = ([(HeaderName, &'static str); 4], Bytes);

/// The answer to a request for a stored picture. Its address is a new one for each picture, so it may be kept for ever.
#[must_use]
pub fn offered(bytes: Bytes) -> Picture {
    let headers = [
        (header::CONTENT_TYPE, "image/png"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ];
    (headers, bytes)
}
