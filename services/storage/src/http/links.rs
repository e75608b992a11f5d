//! Links: reading and storing one object without an account.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use garde::Validate;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Anyone, Failure, Json, Paged, Path, Result, codes, refuse_encoded};
use stoa_kernel::{Page, Timestamp};
use utoipa::ToSchema;

use super::{
    answer::{Asked, answer},
    begun::Begun,
    buckets::reached,
    conditions::conditions,
    link_page,
    objects::object_path,
    scopes::ObjectsWrite,
    uploaded,
    view::StorageObject,
};
use crate::{
    ctx::Ctx,
    error::Error,
    ids::{LinkId, VersionId},
    kind,
    ops::{
        links::{self, NewLink},
        put::{self as storing, By, NewObject},
    },
    store::{
        links::{self as store, LinkRow},
        versions,
    },
};

/// Longest life of a link: thirty days, in seconds.
const LONGEST: i64 = 30 * 24 * 3600;
/// How the page sends the password.
const FORM: &str = "application/x-www-form-urlencoded";
/// The header that a link's password comes in.
const PASSWORD: &str = "x-link-password";

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StorageLinkKind {
    Download,
    Upload,
}

impl StorageLinkKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Upload => "upload",
        }
    }
}

/// What a link is to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StorageCreateLink {
    #[garde(skip)]
    kind: StorageLinkKind,
    /// The object's path.
    #[garde(skip)]
    path: String,
    /// The version that is downloaded; what is current then, if absent.
    #[garde(skip)]
    #[schema(value_type = Option<String>, format = Uuid)]
    version_id: Option<VersionId>,
    /// For how many seconds it can be used, at most thirty days.
    #[garde(range(min = 1, max = LONGEST))]
    #[schema(minimum = 1, maximum = 2_592_000)]
    expires_in: i64,
    /// Who uses it has to know this as well, and send it as `x-link-password`.
    #[garde(inner(length(bytes, min = 1, max = 128)))]
    #[schema(min_length = 1, max_length = 128)]
    password: Option<String>,
    /// How often it can be used: each request for bytes counts, a range too. Any number of times, if absent.
    #[garde(inner(range(min = 1)))]
    #[schema(minimum = 1)]
    max_uses: Option<i64>,
    /// Largest body that is uploaded by it, in bytes; as the bucket says, if absent.
    #[garde(inner(range(min = 1)))]
    #[schema(minimum = 1)]
    max_bytes: Option<i64>,
}

/// A link.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StorageLink {
    #[schema(value_type = String, format = Uuid)]
    id: LinkId,
    #[schema(value_type = StorageLinkKind)]
    kind: String,
    path: String,
    #[schema(required, value_type = Option<String>, format = Uuid)]
    version_id: Option<VersionId>,
    /// Whether a password is asked for.
    password: bool,
    #[schema(required)]
    max_uses: Option<i64>,
    uses: i64,
    #[schema(required)]
    max_bytes: Option<i64>,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl From<LinkRow> for StorageLink {
    fn from(row: LinkRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            path: row.path,
            version_id: row.version_id,
            password: row.password.is_some(),
            max_uses: row.max_uses,
            uses: row.uses,
            max_bytes: row.max_bytes,
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }
}

/// A new link.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StorageNewLink {
    link: StorageLink,
    /// Where it is used, below the public address. It is shown this once, and anybody who has it can use it.
    url: String,
}

/// Make a link.
///
/// Who has its address reads or stores this one object, without an account, until it expires or is revoked. `409 links_full`: the
/// bucket has too many.
#[utoipa::path(
    post, path = "/api/v1/storage/buckets/{bucket}/links", tags = ["storage"], operation_id = "storage_create_link",
    params(("bucket" = String, Path, description = "Its name")),
    request_body = StorageCreateLink,
    responses((status = 201, description = "The link and its address", body = StorageNewLink))
)]
pub(super) async fn create(
    actor: Actor<ObjectsWrite>,
    Begun(begun): Begun,
    State(ctx): State<Ctx>,
    Path(name): Path<String>,
    Json(body): Json<StorageCreateLink>,
) -> Result<(StatusCode, Json<StorageNewLink>)> {
    let bucket = reached(&ctx, &actor, &name, ObjectsWrite::ACTION).await?;
    let path = object_path(&body.path)?;
    let is_download = body.kind == StorageLinkKind::Download;
    let misplaced = if is_download {
        ("max_bytes", body.max_bytes.is_some())
    } else {
        ("version_id", body.version_id.is_some())
    };
    if let (field, true) = misplaced {
        return Err(Failure::invalid(
            field,
            "invalid",
            "It is of no use to such a link",
        ));
    }
    if is_download {
        let found = match body.version_id {
            None => versions::current(&ctx.db, bucket.id, &path).await?,
            Some(id) => versions::get(&ctx.db, bucket.id, &path, id).await?,
        };
        found.ok_or(Error::NotFound)?;
    }
    let lifetime = std::time::Duration::from_secs(body.expires_in.unsigned_abs());
    let new = NewLink {
        kind: body.kind.name(),
        path,
        version_id: body.version_id,
        max_bytes: body.max_bytes,
        password: body.password,
        max_uses: body.max_uses,
        expires_at: ctx.clock.now().checked_add(lifetime).unwrap_or(Timestamp::MAX),
    };
    let (link, token) = links::create(&ctx, &actor, &bucket, (new, begun)).await?;
    let made = StorageNewLink {
        link: link.into(),
        url: format!("/api/v1/storage/links/{token}"),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// List links.
///
/// Newest first, without their addresses.
#[utoipa::path(
    get, path = "/api/v1/storage/buckets/{bucket}/links", tags = ["storage"], operation_id = "storage_list_links",
    params(("bucket" = String, Path, description = "Its name"), Paged),
    responses((status = 200, description = "A page of links", body = Page<StorageLink>))
)]
pub(super) async fn list(
    actor: Actor<ObjectsWrite>,
    State(ctx): State<Ctx>,
    Path(name): Path<String>,
    Paged { page, .. }: Paged,
) -> Result<Json<Page<StorageLink>>> {
    let bucket = reached(&ctx, &actor, &name, ObjectsWrite::ACTION).await?;
    let links = store::list(&ctx.db, bucket.id, &page).await?;
    Ok(Json(links.map(StorageLink::from)))
}

/// Revoke a link.
#[utoipa::path(
    delete, path = "/api/v1/storage/buckets/{bucket}/links/{link_id}", tags = ["storage"], operation_id = "storage_delete_link",
    params(("bucket" = String, Path, description = "Its name"), ("link_id" = String, Path, format = Uuid)),
    responses((status = 204, description = "Nobody can use it any more"))
)]
pub(super) async fn revoke(
    actor: Actor<ObjectsWrite>,
    State(ctx): State<Ctx>,
    Path((name, id)): Path<(String, LinkId)>,
) -> Result<StatusCode> {
    let bucket = reached(&ctx, &actor, &name, ObjectsWrite::ACTION).await?;
    links::revoke(&ctx, &actor, &bucket, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn password(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(PASSWORD)
        .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
}

/// What a link leads to.
///
/// As `GET /api/v1/storage/{bucket}/{path}`. `403 link_password_required` and `link_password_wrong`: send the password as
/// `x-link-password`. A browser is shown a page that asks for it.
#[utoipa::path(
    get, path = "/api/v1/storage/links/{token}", tags = ["storage"], operation_id = "storage_open_link",
    params(
        ("token" = String, Path),
        ("x-link-password" = Option<String>, Header, description = "The link's password"),
        ("range" = Option<String>, Header, description = "Which bytes, such as bytes=0-99"),
    ),
    responses(
        (status = 200, description = "The object", content(("application/octet-stream"))),
        (status = 206, description = "The ranges that were asked for", content(("application/octet-stream"))),
        (status = 304, description = "It is what you have"),
        (status = 416, description = "It has no such range", content(("application/problem+json"))),
    )
)]
pub(super) async fn read(
    anyone: Anyone,
    State(ctx): State<Ctx>,
    Path(token): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let password = (password(&headers), anyone.request.address);
    let sent = opened(&ctx, &token, password, (&method, &headers)).await;
    sent.unwrap_or_else(|failure| link_page::explained(&ctx, &headers, failure))
}

async fn opened(
    ctx: &Ctx,
    token: &str,
    password: (Option<&str>, IpAddr),
    (method, headers): (&Method, &HeaderMap),
) -> Result<Response> {
    let (link, mut bucket) = links::open(ctx, token, "download", password).await?;
    let found = match link.version_id {
        None => versions::current(&ctx.db, bucket.id, &link.path).await?,
        Some(id) => versions::get(&ctx.db, bucket.id, &link.path, id).await?,
    };
    let version = found
        .filter(|version| version.deleted_at.is_none())
        .ok_or(Error::NotFound)?;
    // What a link leads to is nothing for a cache that others share.
    bucket.is_public = false;
    let asked = Asked {
        headers,
        is_head: *method == Method::HEAD,
        is_fixed: false,
    };
    let answer = answer(ctx, &bucket, &version, asked).await?;
    if *method != Method::HEAD && answer.status() != StatusCode::NOT_MODIFIED {
        links::take(ctx, &link).await?;
    }
    Ok(answer)
}

/// The password of a link, as the page sends it that asks for it.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes the form")]
pub(super) struct StorageLinkPassword {
    #[schema(min_length = 1, max_length = 128)]
    password: String,
}

/// What a link with a password leads to.
///
/// As `GET`, with the password in a form: this is where the page sends it that browsers are shown.
#[utoipa::path(
    post, path = "/api/v1/storage/links/{token}", tags = ["storage"], operation_id = "storage_unlock_link",
    params(("token" = String, Path)),
    request_body(content((StorageLinkPassword = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The object", content(("application/octet-stream"))))
)]
pub(super) async fn unlock(
    anyone: Anyone,
    State(ctx): State<Ctx>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = headers.get(header::CONTENT_TYPE);
    let form = form.and_then(|value| value.to_str().ok()).map(kind::essence);
    if form.is_none_or(|kind| kind != FORM) {
        let failure = Failure::new(codes::UNSUPPORTED_MEDIA_TYPE).detail(format!("Send it as {FORM}."));
        return failure.into_response();
    }
    let password = url::form_urlencoded::parse(&body).find(|(name, _)| name == "password");
    let password = password.map(|(_, value)| value).filter(|value| !value.is_empty());
    // Conditions and ranges are those of what is asked for without a form.
    let asked = (&Method::GET, &HeaderMap::new());
    let sent = opened(&ctx, &token, (password.as_deref(), anyone.request.address), asked).await;
    sent.unwrap_or_else(|failure| link_page::explained(&ctx, &headers, failure))
}

/// Store what a link is for.
///
/// As `PUT /api/v1/storage/{bucket}/{path}`. A use counts only if something came of it.
#[utoipa::path(
    put, path = "/api/v1/storage/links/{token}", tags = ["storage"], operation_id = "storage_upload_by_link",
    params(
        ("token" = String, Path),
        ("x-link-password" = Option<String>, Header, description = "The link's password"),
        ("content-md5" = Option<String>, Header, description = "The MD5 of the body in Base64"),
        ("repr-digest" = Option<String>, Header, description = "sha-256=:Base64:"),
    ),
    request_body(content(("application/octet-stream"))),
    extensions(("x-upload" = json!(true))),
    responses(
        (status = 200, description = "It took the place of another, or was there already", body = StorageObject, headers(("etag" = String, description = "Of the object"))),
        (status = 201, description = "It is new", body = StorageObject, headers(("etag" = String, description = "Of the object"))),
    )
)]
pub(super) async fn put(
    anyone: Anyone,
    State(ctx): State<Ctx>,
    Path(token): Path<String>,
    request: Request,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1], Json<StorageObject>)> {
    let headers = request.headers();
    let (link, mut bucket) = links::open(
        &ctx,
        &token,
        "upload",
        (password(headers), anyone.request.address),
    )
    .await?;
    refuse_encoded(headers)?;
    let new = NewObject {
        path: link.path.clone(),
        metadata: uploaded::metadata(headers)?,
        expected: uploaded::expected(headers)?,
        conditions: conditions(headers)?,
        is_always_new: false,
    };
    if let Some(max) = link.max_bytes {
        bucket.max_object_bytes = Some(bucket.max_object_bytes.map_or(max, |own| own.min(max)));
    }
    links::take(&ctx, &link).await?;
    let body = request.into_body().into_data_stream().map_err(Into::into).boxed();
    let by = By::Link(&link, &anyone.request);
    let put = match storing::put(&ctx, by, &bucket, new, body).await {
        Ok(put) => put,
        Err(error) => {
            store::give(&ctx.db, link.id).await?;
            return Err(error.into());
        }
    };
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
