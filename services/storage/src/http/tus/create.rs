//! Beginning an upload.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use stoa_http::{Actor, Failure, Query, Result, Unfiltered, refuse_encoded};

use super::{
    answered,
    headers::{CONCAT, Concat, LENGTH, PATH, Said, concat, is_piece, length, metadata, version},
    progress,
    upload::{Sent, appended},
};
use crate::{
    ctx::Ctx,
    error::Error,
    http::{
        objects::{object_path, writable},
        scopes::ObjectsWrite,
        uploaded,
    },
    kind,
    ops::uploads::{self, begin::NewUpload, discard},
    store::{
        buckets::BucketRow,
        uploads::{Outcome, UploadRow},
    },
};

/// Begin an upload that can be resumed.
///
/// tus 1.0, for clients such as tus-js-client and Uppy. `Upload-Metadata` names where the object is to be: `bucket`, and `path` or
/// `filename`; `filetype` is its media type, and names that begin with `x-meta-` are kept with it. An upload is seen by who began it, as
/// long as they may write there. Room for `Upload-Length` is taken at once.
#[utoipa::path(
    post, path = "/api/v1/storage/tus", tags = ["storage"], operation_id = "storage_tus_create",
    params(
        ("tus-resumable" = String, Header, description = "1.0.0"),
        ("upload-length" = Option<i64>, Header, description = "Bytes of the whole upload"),
        ("upload-defer-length" = Option<i64>, Header, description = "1, where the length is said later"),
        ("upload-metadata" = Option<String>, Header, description = "Names and values in Base64: bucket cGhvdG9z,path Y2F0LmpwZw=="),
        ("upload-concat" = Option<String>, Header, description = "partial; or final; and the addresses of the pieces"),
        ("upload-checksum" = Option<String>, Header, description = "Of the body: sha256 and Base64"),
    ),
    request_body(content(("application/offset+octet-stream"))),
    extensions(("x-upload" = json!(true))),
    responses(
        (status = 201, description = "It is begun, and what came with it is kept", headers(
            ("location" = String, description = "Where it goes on"),
            ("upload-offset" = i64, description = "How far it has come"),
            ("upload-expires" = String, description = "Until when it is kept if nothing comes"),
        )),
        (status = 410, description = "What is to be joined was given up", content(("application/problem+json"))),
        (status = 460, description = "The body is not what its checksum says", content(("application/problem+json"))),
    )
)]
pub(in crate::http) async fn create(
    actor: Result<Actor<ObjectsWrite>>,
    State(ctx): State<Ctx>,
    Query(Unfiltered {}): Query<Unfiltered>,
    request: Request,
) -> Response {
    answered(created(actor, &ctx, request).await)
}

async fn created(actor: Result<Actor<ObjectsWrite>>, ctx: &Ctx, request: Request) -> Result<Response> {
    let actor = actor?;
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    version(headers)?;
    refuse_encoded(headers)?;
    let asked = Asked::read(headers)?;
    match concat(headers)? {
        Concat::Final(pieces) => {
            if headers.contains_key(LENGTH) {
                return Err(Failure::invalid(
                    LENGTH.as_str(),
                    "invalid",
                    "It follows from the pieces",
                ));
            }
            let (bucket, path) = asked.target(ctx, &actor).await?;
            let new = asked.upload((&bucket, path), None, headers)?;
            let id = uploads::join::join(ctx, &actor, &bucket, new, &pieces).await?;
            let found = crate::store::uploads::get(&ctx.db, id)
                .await?
                .ok_or(Error::NotFound)?;
            let outcome = found.outcome.clone();
            located(&found, outcome.as_ref())
        }
        Concat::Partial => {
            let length = length(headers)?;
            let owner = match asked.bucket {
                None => ctx.access.owner(&actor, None).await?,
                Some(_) => asked.target(ctx, &actor).await?.0.owner,
            };
            let new = NewUpload {
                protocol: uploads::TUS,
                target: None,
                owner,
                metadata: asked.metadata.clone(),
                media_type: asked.media_type.clone(),
                note: note(headers)?,
                length,
                is_sequential: false,
            };
            let row = uploads::begin::begin(ctx, actor.user_id, new).await?;
            sent(ctx, &actor, None, row, (headers, body)).await
        }
        Concat::None => {
            let length = length(headers)?;
            let (bucket, path) = asked.target(ctx, &actor).await?;
            let new = asked.upload((&bucket, path), length, headers)?;
            let row = uploads::begin::begin(ctx, actor.user_id, new).await?;
            sent(ctx, &actor, Some(bucket), row, (headers, body)).await
        }
    }
}

/// Appends what came with the request, if something did. If it cannot be kept nothing is begun, for its caller knows no address.
async fn sent(
    ctx: &Ctx,
    actor: &Actor<ObjectsWrite>,
    bucket: Option<BucketRow>,
    row: UploadRow,
    (headers, body): (&HeaderMap, Body),
) -> Result<Response> {
    let is_empty = row.length == Some(0) && bucket.is_some();
    if !is_piece(headers) && !is_empty {
        return located(&row, None);
    }
    let body = if is_piece(headers) { body } else { Body::empty() };
    let sent = Sent::first(headers, body)?;
    match appended(ctx, actor, bucket, row.id, sent).await {
        Ok(appended) => located(&appended.row, appended.outcome.as_ref()),
        Err(error) => {
            discard::abort(ctx, &row).await?;
            Err(error)
        }
    }
}

fn located(row: &UploadRow, outcome: Option<&Outcome>) -> Result<Response> {
    let mut response = StatusCode::CREATED.into_response();
    let location = HeaderValue::try_from(format!("{PATH}/{}", row.id)).map_err(Failure::internal)?;
    response.headers_mut().insert(header::LOCATION, location);
    progress(response.headers_mut(), row, outcome);
    Ok(response)
}

fn note(headers: &HeaderMap) -> Result<Option<String>> {
    serde_json::to_string(&Said::of(headers))
        .map(Some)
        .map_err(Failure::internal)
}

/// What `Upload-Metadata` asks for.
#[derive(Debug, Default)]
struct Asked {
    bucket: Option<String>,
    path: Option<String>,
    filename: Option<String>,
    media_type: Option<String>,
    metadata: crate::store::versions::Metadata,
}

impl Asked {
    fn read(headers: &HeaderMap) -> Result<Self> {
        let (mut asked, mut kept) = (Self::default(), HeaderMap::new());
        for (name, value) in metadata(headers)? {
            match &*name {
                "bucket" => asked.bucket = Some(value),
                "path" => asked.path = Some(value),
                "filename" => asked.filename = Some(value),
                "filetype" if value.is_empty() => {}
                "filetype" if kind::is_media_type(value.trim()) => {
                    asked.media_type = Some(value.trim().to_owned());
                }
                "filetype" => {
                    let message = "A media type is such as image/png";
                    return Err(Failure::invalid("upload-metadata.filetype", "invalid", message));
                }
                _ if name.starts_with(uploaded::META) => {
                    let wrong = || {
                        Failure::invalid(
                            format!("upload-metadata.{name}"),
                            "invalid",
                            "It cannot be a header",
                        )
                    };
                    let value = HeaderValue::try_from(value).map_err(|_| wrong())?;
                    let name = HeaderName::try_from(name.clone()).map_err(|_| wrong())?;
                    kept.append(name, value);
                }
                // What else clients say is given back, and no more.
                _ => {}
            }
        }
        asked.metadata = uploaded::metadata(&kept)?;
        Ok(asked)
    }

    /// Where the object is to be, if the caller may write there.
    async fn target(&self, ctx: &Ctx, actor: &Actor<ObjectsWrite>) -> Result<(BucketRow, String)> {
        let required =
            |field: &str| Failure::invalid(field, "missing_field", "Upload-Metadata has to name it");
        let bucket = self.bucket.as_deref().ok_or_else(|| required("bucket"))?;
        let path = self.path.as_deref().or(self.filename.as_deref());
        let path = object_path(path.ok_or_else(|| required("path"))?)?;
        let bucket = writable(ctx, actor, bucket, &path).await?;
        Ok((bucket, path))
    }

    fn upload<'a>(
        &self,
        (bucket, path): (&'a BucketRow, String),
        length: Option<i64>,
        headers: &HeaderMap,
    ) -> Result<NewUpload<'a>> {
        Ok(NewUpload {
            protocol: uploads::TUS,
            owner: bucket.owner,
            target: Some((bucket, path)),
            metadata: self.metadata.clone(),
            media_type: self.media_type.clone(),
            note: note(headers)?,
            length,
            is_sequential: !headers.contains_key(CONCAT),
        })
    }
}
