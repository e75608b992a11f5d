//! Objects by their paths.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use futures::{StreamExt, TryStreamExt};
use garde::Validate;
use serde::Deserialize;
use stoa_http::{Actor, Failure, Json, Path, Query, RequestInfo, Result, Unfiltered, codes, refuse_encoded};

use super::{
    answer::{Asked, answer},
    conditions::conditions,
    renditions::Which,
    scopes::{ObjectsRead, ObjectsWrite},
    uploaded,
    view::StorageObject,
};
use crate::{
    ctx::Ctx,
    error::Error,
    ids::VersionId,
    ops::{
        delete as deletion,
        put::{self as storing, By, NewObject},
        reach::{self, Reach},
        renditions::rendition,
    },
    path,
    store::{
        buckets::BucketRow,
        versions::{self, VersionRow},
    },
};

/// The path as it is kept.
///
/// # Errors
/// 422 when it can be none.
pub(super) fn object_path(text: &str) -> Result<String> {
    path::object(text).map_err(|wrong| Failure::invalid("path", "invalid", wrong))
}

/// An object, or parts of it.
///
/// Anybody may read what is in a public bucket; else those who may read the bucket, and those who were granted `objects.read` on
/// the object. What cannot run in a browser is shown there, all else is saved. `Range` may name up to 32 ranges; conditions are
/// those of RFC 9110. Of a JPEG, PNG, WebP or GIF (the first frame) `width`, `height`, `fit`, `format` and `quality` ask for a smaller one,
/// never for a larger one; it has an ETag of its own. `429 rate_limited`: too many new ones.
#[utoipa::path(
    get, path = "/api/v1/storage/{bucket}/{*path}", tags = ["storage"], operation_id = "storage_read_object",
    params(
        ("bucket" = String, Path, description = "The bucket's name"),
        ("path" = String, Path, description = "The object's path; it may have slashes"),
        ("range" = Option<String>, Header, description = "Which bytes, such as bytes=0-99"),
        ("if-none-match" = Option<String>, Header, description = "The etag of what you have: 304 if it is still the same"),
        Which,
    ),
    responses(
        (status = 200, description = "The object", content(("application/octet-stream")), headers(
            ("etag" = String, description = "Changes when the bytes do"),
            ("x-version-id" = String, description = "Which version it is"),
        )),
        (status = 206, description = "The ranges that were asked for", content(("application/octet-stream"))),
        (status = 304, description = "It is what you have"),
        (status = 416, description = "It has no such range", content(("application/problem+json"))),
    )
)]
pub(super) async fn read(
    actor: Result<Actor<ObjectsRead>>,
    State(ctx): State<Ctx>,
    Path((bucket, path)): Path<(String, String)>,
    Query(which): Query<Which>,
    RequestInfo(request): RequestInfo,
    (method, headers): (Method, HeaderMap),
) -> Result<Response> {
    let (bucket, version) = readable(&ctx, actor, &bucket, (&path, which.version)).await?;
    let asked = Asked {
        headers: &headers,
        is_head: method == Method::HEAD,
        is_fixed: which.version.is_some(),
    };
    let Some(wanted) = which.wanted(&version, &headers, &ctx.config)? else {
        return answer(&ctx, &bucket, &version, asked).await;
    };
    let rendition = rendition(&ctx, &bucket, &version, wanted.rendering, request.address).await?;
    let mut response = answer(&ctx, &bucket, &rendition, asked).await?;
    if wanted.varies {
        let accept = HeaderValue::from_static("accept");
        response.headers_mut().append(header::VARY, accept);
    }
    Ok(response)
}

/// What is stored under the path, if the caller may read it. What a caller may not read is not found.
async fn readable(
    ctx: &Ctx,
    actor: Result<Actor<ObjectsRead>>,
    bucket: &str,
    (path, version): (&str, Option<VersionId>),
) -> Result<(BucketRow, VersionRow)> {
    let found = match reach::bucket(ctx, bucket).await {
        Ok(bucket) => Some(bucket),
        Err(Error::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let is_public = found.as_ref().is_some_and(|bucket| bucket.is_public);
    // A caller without credentials learns only that they are missing.
    let actor = match actor {
        Err(failure) if !is_public => return Err(failure),
        actor => actor.ok(),
    };
    let bucket = found.ok_or(Error::NotFound)?;
    let path = object_path(path)?;
    let version = match version {
        None => versions::current(&ctx.db, bucket.id, &path).await?,
        Some(id) => versions::get(&ctx.db, bucket.id, &path, id).await?,
    };
    let version = version.ok_or(Error::NotFound)?;
    if is_public && version.deleted_at.is_none() {
        return Ok((bucket, version));
    }
    let actor = actor.ok_or(Error::NotFound)?;
    let may = reach::into(ctx, &actor, ObjectsRead::ACTION, &bucket).await? == Reach::Bucket
        || version.deleted_at.is_none()
            && reach::is_granted(ctx, &actor, ObjectsRead::ACTION, &bucket, &version).await?;
    if may {
        Ok((bucket, version))
    } else {
        Err(Error::NotFound.into())
    }
}

/// The bucket, if the caller may write what is under the path: all of the bucket, or by a grant on that object alone.
pub(super) async fn writable(
    ctx: &Ctx,
    actor: &Actor<ObjectsWrite>,
    name: &str,
    path: &str,
) -> Result<BucketRow> {
    let bucket = reach::bucket(ctx, name).await?;
    if reach::into(ctx, actor, ObjectsWrite::ACTION, &bucket).await? == Reach::Bucket {
        return Ok(bucket);
    }
    if let Some(version) = versions::current(&ctx.db, bucket.id, path).await?
        && reach::is_granted(ctx, actor, ObjectsWrite::ACTION, &bucket, &version).await?
    {
        return Ok(bucket);
    }
    let sees =
        bucket.is_public || reach::into(ctx, actor, ObjectsRead::ACTION, &bucket).await? == Reach::Bucket;
    Err(Failure::new(if sees {
        codes::FORBIDDEN
    } else {
        codes::NOT_FOUND
    }))
}

/// Store an object.
///
/// The body is stored as it arrives, so it may be large. It takes the place of what is under the path, which is kept as an older version
/// where the bucket keeps versions. The same again changes nothing. `Content-MD5`, `Repr-Digest` and `Content-Digest` are compared with
/// the body: `422 digest_mismatch`. `If-None-Match: *` stores only what is new, `If-Match` replaces only what you know. Headers that begin
/// with `x-meta-` are kept and given back with the object. `409 quota_exceeded`: there is no room.
#[utoipa::path(
    put, path = "/api/v1/storage/{bucket}/{*path}", tags = ["storage"], operation_id = "storage_put_object",
    params(
        ("bucket" = String, Path, description = "The bucket's name"),
        ("path" = String, Path, description = "The object's path; it may have slashes"),
        ("content-md5" = Option<String>, Header, description = "The MD5 of the body in Base64"),
        ("repr-digest" = Option<String>, Header, description = "sha-256=:Base64:"),
        ("if-match" = Option<String>, Header, description = "The etag of what is to be replaced"),
        ("if-none-match" = Option<String>, Header, description = "*: only if there is nothing"),
    ),
    request_body(content(("application/octet-stream"))),
    extensions(("x-upload" = json!(true))),
    responses(
        (status = 200, description = "It took the place of another, or was there already", body = StorageObject, headers(("etag" = String, description = "Of the object"))),
        (status = 201, description = "It is new", body = StorageObject, headers(("etag" = String, description = "Of the object"))),
    )
)]
pub(super) async fn put(
    actor: Actor<ObjectsWrite>,
    State(ctx): State<Ctx>,
    Path((bucket, path)): Path<(String, String)>,
    Query(Unfiltered {}): Query<Unfiltered>,
    request: Request,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1], Json<StorageObject>)> {
    let path = object_path(&path)?;
    let bucket = writable(&ctx, &actor, &bucket, &path).await?;
    let headers = request.headers();
    refuse_encoded(headers)?;
    let new = NewObject {
        path,
        metadata: uploaded::metadata(headers)?,
        expected: uploaded::expected(headers)?,
        conditions: conditions(headers)?,
        is_always_new: false,
    };
    let body = request.into_body().into_data_stream().map_err(Into::into).boxed();
    let put = storing::put(&ctx, By::Actor(&actor), &bucket, new, body).await?;
    let status = if put.is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let etag = HeaderValue::try_from(format!("\"{}\"", put.version.etag)).map_err(Failure::internal)?;
    Ok((
        status,
        [(header::ETAG, etag)],
        Json(StorageObject::of(&bucket.name, put.version)),
    ))
}

/// How an object is deleted.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Deletion {
    /// Whether it is gone at once, and cannot be restored.
    #[garde(skip)]
    #[serde(default)]
    #[param(required = false)]
    forever: bool,
    /// Which version is deleted, for good; if absent, the object.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    version: Option<VersionId>,
}

/// Delete an object.
///
/// It can be restored for a while, and counts as long. With `?forever=true` its current version is gone at once, with
/// `?version=` that version: if it was the current one, the one before it is that again.
#[utoipa::path(
    delete, path = "/api/v1/storage/{bucket}/{*path}", tags = ["storage"], operation_id = "storage_delete_object",
    params(
        ("bucket" = String, Path, description = "The bucket's name"),
        ("path" = String, Path, description = "The object's path; it may have slashes"),
        ("if-match" = Option<String>, Header, description = "The etag of what is to be deleted"),
        Deletion,
    ),
    responses((status = 204, description = "There is nothing under the path now"))
)]
pub(super) async fn delete(
    actor: Actor<ObjectsWrite>,
    State(ctx): State<Ctx>,
    Path((bucket, path)): Path<(String, String)>,
    Query(Deletion { forever, version }): Query<Deletion>,
    headers: HeaderMap,
) -> Result<StatusCode> {
    let path = object_path(&path)?;
    let bucket = writable(&ctx, &actor, &bucket, &path).await?;
    let conditions = conditions(&headers)?;
    if let Some(version) = version {
        deletion::version(&ctx, &actor, &bucket, (&path, version), &conditions).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    deletion::delete(&ctx, &actor, &bucket, &path, (&conditions, forever)).await?;
    Ok(StatusCode::NO_CONTENT)
}
