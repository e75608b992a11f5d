//! tus 1.0, by which clients upload in as many requests as it takes: <https://tus.io/protocols/resumable-upload>.

mod create;
mod headers;
mod upload;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use stoa_http::{Anyone, Result};

use self::headers::{ALGORITHMS, EXPIRES, EXTENSION, LENGTH, MAX_SIZE, OFFSET, RESUMABLE, V1, VERSION};
pub(super) use self::{
    create::{__path_create, create},
    upload::{
        __path_append, __path_look, __path_overridden, __path_terminate, append, look, overridden, terminate,
    },
};
use super::conditions::http_date;
use crate::{
    ctx::Ctx,
    ops::uploads::source::Algorithm,
    store::uploads::{Outcome, UploadRow},
};

const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation";

/// What of tus is spoken here.
#[utoipa::path(
    options, path = "/api/v1/storage/tus", tags = ["storage"], operation_id = "storage_tus_options",
    responses((status = 204, description = "The versions, extensions and limits of tus", headers(
        ("tus-version" = String, description = "1.0.0"),
        ("tus-extension" = String, description = "Extensions of the protocol"),
        ("tus-max-size" = i64, description = "Largest upload, in bytes"),
        ("tus-checksum-algorithm" = String, description = "Algorithms of Upload-Checksum"),
    )))
)]
pub(super) async fn options(_: Anyone, State(ctx): State<Ctx>) -> Response {
    spoken(&ctx)
}

/// What of tus is spoken here, asked at an upload.
#[utoipa::path(
    options, path = "/api/v1/storage/tus/{upload_id}", tags = ["storage"], operation_id = "storage_tus_upload_options",
    params(("upload_id" = uuid::Uuid, Path)),
    responses((status = 204, description = "The versions, extensions and limits of tus"))
)]
pub(super) async fn upload_options(_: Anyone, State(ctx): State<Ctx>) -> Response {
    spoken(&ctx)
}

fn spoken(ctx: &Ctx) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(VERSION, V1);
    headers.insert(EXTENSION, HeaderValue::from_static(EXTENSIONS));
    headers.insert(ALGORITHMS, HeaderValue::from_static(Algorithm::NAMES));
    headers.insert(MAX_SIZE, HeaderValue::from(ctx.config.object_max_bytes));
    with_version(response)
}

/// The answer, with what is in every answer of tus.
fn with_version(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(RESUMABLE, V1);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The same of what may have been refused.
fn answered(answer: Result<Response>) -> Response {
    with_version(answer.unwrap_or_else(IntoResponse::into_response))
}

/// Says how far an upload has come, and until when it is kept.
fn progress(headers: &mut HeaderMap, row: &UploadRow, outcome: Option<&Outcome>) {
    headers.insert(OFFSET, HeaderValue::from(row.received));
    if let Some(length) = row.length {
        headers.insert(LENGTH, HeaderValue::from(length));
    }
    match outcome {
        Some(Outcome::Stored { version_id, etag, .. }) => {
            let etag = HeaderValue::try_from(format!("\"{etag}\""));
            if let (Ok(etag), Ok(version)) = (etag, HeaderValue::try_from(version_id.to_string())) {
                headers.insert(header::ETAG, etag);
                headers.insert("x-version-id", version);
            }
        }
        _ => {
            if let Some(date) = http_date(row.expires_at) {
                headers.insert(EXPIRES, date);
            }
        }
    }
}
