//! An upload that was begun: how far it has come, going on with it, and giving it up.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, TryStreamExt};
use stoa_events::TRACEPARENT;
use stoa_http::{Actor, Failure, Path, Query, Result, Unfiltered, codes, refuse_encoded};
use tracing::Instrument;

use super::{
    answered,
    headers::{DEFER_LENGTH, LENGTH, OFFSET, Said, checksum, is_piece, method, number, version},
    progress,
};
use crate::{
    ctx::Ctx,
    error::Error,
    http::{objects::writable, scopes::ObjectsWrite},
    ids::UploadId,
    ops::{
        intake,
        uploads::{
            TUS,
            append::{self, Append, Appended},
            discard, turn,
        },
    },
    store::{
        buckets::{self, BucketRow},
        uploads::{self, UploadRow},
    },
};

/// How far an upload has come.
///
/// Who asks is believed to go on with it: a request that still appends to it, of which nothing may come any more, is ended, and what it
/// brought is kept.
#[utoipa::path(
    head, path = "/api/v1/storage/tus/{upload_id}", tags = ["storage"], operation_id = "storage_tus_look",
    params(
        ("upload_id" = uuid::Uuid, Path),
        ("tus-resumable" = String, Header, description = "1.0.0"),
    ),
    responses(
        (status = 200, description = "How far it has come", headers(
            ("upload-offset" = i64, description = "Bytes that are kept"),
            ("upload-length" = i64, description = "Bytes of the whole upload, once that is known"),
            ("upload-metadata" = String, description = "As it was said"),
            ("upload-expires" = String, description = "Until when it is kept if nothing comes"),
        )),
        (status = 410, description = "It was given up"),
        (status = 423, description = "Another request appends to it, and does not end"),
    )
)]
pub(in crate::http) async fn look(
    actor: Result<Actor<ObjectsWrite>>,
    State(ctx): State<Ctx>,
    Path(id): Path<UploadId>,
    headers: HeaderMap,
) -> Response {
    answered(looked(actor, &ctx, id, &headers).await)
}

async fn looked(
    actor: Result<Actor<ObjectsWrite>>,
    ctx: &Ctx,
    id: UploadId,
    headers: &HeaderMap,
) -> Result<Response> {
    let actor = actor?;
    version(headers)?;
    let (row, _) = found(ctx, &actor, id).await?;
    let row = turn::settle(ctx, row).await?;
    let outcome = row.outcome.clone();
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    progress(headers, &row, outcome.as_ref());
    if row.length.is_none() {
        headers.insert(DEFER_LENGTH, HeaderValue::from_static("1"));
    }
    Said::read(&row).say(headers);
    Ok(response)
}

/// Go on with an upload.
///
/// What arrives before a connection breaks is kept; what comes with `Upload-Checksum` is kept as a whole, or not at all: `460
/// checksum_mismatch`. With the last byte the object is stored. `409 offset_mismatch`: ask how far it has come.
#[utoipa::path(
    patch, path = "/api/v1/storage/tus/{upload_id}", tags = ["storage"], operation_id = "storage_tus_append",
    params(
        ("upload_id" = uuid::Uuid, Path),
        ("tus-resumable" = String, Header, description = "1.0.0"),
        ("upload-offset" = i64, Header, description = "How far it has come"),
        ("upload-length" = Option<i64>, Header, description = "Bytes of the whole upload, where they were not known before"),
        ("upload-checksum" = Option<String>, Header, description = "Of the body: sha256 and Base64"),
    ),
    request_body(content(("application/offset+octet-stream"))),
    extensions(("x-upload" = json!(true))),
    responses(
        (status = 204, description = "It is kept", headers(
            ("upload-offset" = i64, description = "How far it has come now"),
            ("etag" = String, description = "Of the object, once all has come"),
        )),
        (status = 410, description = "It was given up", content(("application/problem+json"))),
        (status = 423, description = "Another request appends to it", content(("application/problem+json"))),
        (status = 460, description = "The body is not what its checksum says", content(("application/problem+json"))),
    )
)]
pub(in crate::http) async fn append(
    actor: Result<Actor<ObjectsWrite>>,
    State(ctx): State<Ctx>,
    Path(id): Path<UploadId>,
    Query(Unfiltered {}): Query<Unfiltered>,
    request: Request,
) -> Response {
    answered(patched(actor, &ctx, id, request).await)
}

async fn patched(
    actor: Result<Actor<ObjectsWrite>>,
    ctx: &Ctx,
    id: UploadId,
    request: Request,
) -> Result<Response> {
    let actor = actor?;
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    version(headers)?;
    refuse_encoded(headers)?;
    let (row, bucket) = found(ctx, &actor, id).await?;
    if Said::read(&row).is_final() {
        return Err(Failure::new(codes::FORBIDDEN).detail("What was joined of others takes nothing more."));
    }
    if !is_piece(headers) {
        return Err(
            Failure::new(codes::UNSUPPORTED_MEDIA_TYPE).detail("Send it as application/offset+octet-stream.")
        );
    }
    let sent = Sent::next(headers, body)?;
    if row.state != uploads::OPEN {
        return finished(&row, sent.append.offset);
    }
    let appended = appended(ctx, &actor, bucket, id, sent).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    progress(response.headers_mut(), &appended.row, appended.outcome.as_ref());
    Ok(response)
}

/// Of what is complete, a request that is sent again is answered as before.
fn finished(row: &UploadRow, offset: i64) -> Result<Response> {
    if offset != row.received {
        return Err(Error::Offset(row.received).into());
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    progress(response.headers_mut(), row, row.outcome.as_ref());
    Ok(response)
}

/// Give an upload up.
#[utoipa::path(
    delete, path = "/api/v1/storage/tus/{upload_id}", tags = ["storage"], operation_id = "storage_tus_terminate",
    params(
        ("upload_id" = uuid::Uuid, Path),
        ("tus-resumable" = String, Header, description = "1.0.0"),
    ),
    responses(
        (status = 204, description = "It is gone, and its room is given back"),
        (status = 410, description = "It was given up before, or all has come", content(("application/problem+json"))),
    )
)]
pub(in crate::http) async fn terminate(
    actor: Result<Actor<ObjectsWrite>>,
    State(ctx): State<Ctx>,
    Path(id): Path<UploadId>,
    headers: HeaderMap,
) -> Response {
    answered(terminated(actor, &ctx, id, &headers).await)
}

async fn terminated(
    actor: Result<Actor<ObjectsWrite>>,
    ctx: &Ctx,
    id: UploadId,
    headers: &HeaderMap,
) -> Result<Response> {
    let actor = actor?;
    version(headers)?;
    let (row, _) = found(ctx, &actor, id).await?;
    let row = turn::settle(ctx, row).await?;
    if !discard::abort(ctx, &row).await? {
        return Err(Error::UploadGone.into());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Go on with an upload, or give it up, where nothing but POST can be sent.
///
/// `X-HTTP-Method-Override` says which method is meant: `PATCH`, `DELETE` or `HEAD`.
#[utoipa::path(
    post, path = "/api/v1/storage/tus/{upload_id}", tags = ["storage"], operation_id = "storage_tus_override",
    params(
        ("upload_id" = uuid::Uuid, Path),
        ("tus-resumable" = String, Header, description = "1.0.0"),
        ("x-http-method-override" = String, Header, description = "PATCH, DELETE or HEAD"),
    ),
    request_body(content(("application/offset+octet-stream"))),
    extensions(("x-upload" = json!(true))),
    responses(
        (status = 200, description = "As HEAD"),
        (status = 204, description = "As PATCH or DELETE"),
        (status = 410, description = "It was given up, or all has come", content(("application/problem+json"))),
        (status = 423, description = "Another request appends to it", content(("application/problem+json"))),
        (status = 460, description = "The body is not what its checksum says", content(("application/problem+json"))),
    )
)]
pub(in crate::http) async fn overridden(
    actor: Result<Actor<ObjectsWrite>>,
    State(ctx): State<Ctx>,
    Path(id): Path<UploadId>,
    Query(Unfiltered {}): Query<Unfiltered>,
    request: Request,
) -> Response {
    let answer = match &*method(request.headers()) {
        "PATCH" => patched(actor, &ctx, id, request).await,
        "DELETE" => terminated(actor, &ctx, id, request.headers()).await,
        "HEAD" => looked(actor, &ctx, id, request.headers()).await,
        _ => actor.and_then(|_| {
            let message = "It is PATCH, DELETE or HEAD";
            Err(Failure::invalid("x-http-method-override", "invalid", message))
        }),
    };
    answered(answer)
}

/// The caller's upload and the bucket that it is for, if they may still write there. What is another's is not found.
async fn found(
    ctx: &Ctx,
    actor: &Actor<ObjectsWrite>,
    id: UploadId,
) -> Result<(UploadRow, Option<BucketRow>)> {
    let row = uploads::get(&ctx.db, id).await?;
    let row = row.filter(|row| row.user_id == actor.user_id && row.protocol == TUS);
    let row = row.ok_or(Error::NotFound)?;
    let bucket = match (row.bucket_id, &row.path) {
        (Some(bucket), Some(path)) => {
            let bucket = buckets::by_id(&ctx.db, bucket).await?.ok_or(Error::NotFound)?;
            Some(writable(ctx, actor, &bucket.name, path).await?)
        }
        _ => None,
    };
    let is_over = row.state == uploads::OPEN && row.expires_at <= ctx.clock.now();
    if is_over || matches!(&*row.state, uploads::ABORTED | uploads::JOINED) {
        return Err(Error::UploadGone.into());
    }
    Ok((row, bucket))
}

/// What a request appends.
pub(super) struct Sent {
    append: Append,
    body: intake::Body,
}

impl Sent {
    /// What came with the request that begins the upload.
    pub(super) fn first(headers: &HeaderMap, body: Body) -> Result<Self> {
        Self::read(headers, body, (0, None))
    }

    fn next(headers: &HeaderMap, body: Body) -> Result<Self> {
        let required = || Failure::invalid(OFFSET.as_str(), "missing_field", "This header is required");
        let offset = number(headers, &OFFSET)?.ok_or_else(required)?;
        Self::read(headers, body, (offset, number(headers, &LENGTH)?))
    }

    fn read(headers: &HeaderMap, body: Body, (offset, length): (i64, Option<i64>)) -> Result<Self> {
        Ok(Self {
            append: Append {
                offset,
                length,
                announced: number(headers, &header::CONTENT_LENGTH)?,
                checksum: checksum(headers)?,
            },
            body: body.into_data_stream().map_err(Into::into).boxed(),
        })
    }
}

/// Appends in a task of its own: what has come is kept also where the connection breaks, and the request with it.
pub(super) async fn appended(
    ctx: &Ctx,
    actor: &Actor<ObjectsWrite>,
    bucket: Option<BucketRow>,
    id: UploadId,
    sent: Sent,
) -> Result<Appended> {
    let (ctx, actor) = (ctx.clone(), stoa_kernel::Actor::clone(actor));
    let traceparent = actor.request.traceparent.clone();
    let work = async move {
        let sent = (sent.append, sent.body);
        append::append(&ctx, &actor, bucket.as_ref(), id, sent).await
    };
    let work = stoa_db::settled(TRACEPARENT.scope(traceparent, work)).in_current_span();
    let appended = tokio::spawn(work).await.map_err(Failure::internal)?;
    Ok(appended.map_err(Error::from)??)
}
