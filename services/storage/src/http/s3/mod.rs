//! The buckets as S3: `/s3/{bucket}/{key}`, for the SDKs of AWS, rclone and whatever else speaks it.

mod bucket;
mod caller;
mod checksum;
mod chunked;
mod copy;
mod delete;
mod described;
mod error;
mod get;
mod list;
mod multipart;
mod payload;
mod put;
mod reach;
mod request;
mod signature;
mod versions;
mod xml;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, request::Parts},
    response::Response,
    routing::any,
};
use stoa_http::{Protocol, RequestInfo};
use utoipa_axum::router::OpenApiRouter;

use self::{
    caller::Holder,
    error::{Result, S3Error, refuse},
    payload::Payload,
    request::{S3Request, resource},
};
use crate::ctx::Ctx;

/// For the edge.
pub(crate) const PROTOCOL: Protocol = Protocol {
    paths: &["/s3", "/s3/", "/s3/{*path}"],
    refuse,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
/// What a bucket or object has on S3 and not here.
const MISSING: [&str; 31] = [
    "accelerate",
    "acl",
    "analytics",
    "append",
    "attributes",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metadataConfiguration",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "website",
];

/// The routes; not in the description of the API, for they are not of it.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .route("/s3", any(serve))
        .route("/s3/", any(serve))
        .route("/s3/{*path}", any(serve))
}

/// One request, and who sent it.
struct Call<'a> {
    ctx: &'a Ctx,
    request: S3Request,
    /// Who signed it; none for a stranger.
    holder: Option<Holder>,
}

impl Call<'_> {
    /// What the signature says of the body, once.
    fn payload(&mut self) -> Payload {
        let holder = self.holder.as_mut();
        let payload = holder.map(|holder| std::mem::replace(&mut holder.payload, Payload::Unsigned));
        payload.unwrap_or(Payload::Unsigned)
    }

    /// Who signed it.
    ///
    /// # Errors
    /// 403 for a stranger.
    fn signed(&self) -> Result<&Holder> {
        self.holder.as_ref().ok_or_else(S3Error::denied)
    }
}

async fn serve(State(ctx): State<Ctx>, info: RequestInfo, request: Request) -> Response {
    let RequestInfo(facts) = info;
    let (parts, body) = request.into_parts();
    let (path, is_head) = (
        resource(parts.uri.path()).to_owned(),
        parts.method == Method::HEAD,
    );
    let request_id = facts.request_id.clone();
    let answer = Box::pin(answer(&ctx, parts, body, facts)).await;
    let mut response = answer.unwrap_or_else(|error| error.answer(&path, &request_id, is_head));
    if let Ok(id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

async fn answer(
    ctx: &Ctx,
    parts: Parts,
    body: Body,
    facts: std::sync::Arc<stoa_http::RequestFacts>,
) -> Result<Response> {
    let mut request = S3Request::new(parts, facts)?;
    let holder = caller::holder(ctx, &request).await?;
    request.take_parameters()?;
    request.quote_tags();
    let call = Call { ctx, request, holder };
    let query = &call.request.query;
    if let Some(missing) = MISSING.into_iter().find(|name| query.has(name)) {
        call.signed()?;
        return Err(S3Error::not_implemented(missing));
    }
    match (&call.request.bucket, &call.request.key) {
        (None, _) => of_all(&call).await,
        (Some(_), None) => of_bucket(call, body).await,
        (Some(_), Some(_)) => of_object(call, body).await,
    }
}

async fn of_all(call: &Call<'_>) -> Result<Response> {
    match call.request.method {
        Method::GET => bucket::list(call).await,
        _ => Err(not_allowed()),
    }
}

async fn of_bucket(call: Call<'_>, body: Body) -> Result<Response> {
    let query = &call.request.query;
    match call.request.method {
        Method::GET if query.has("location") => bucket::location(&call).await,
        Method::GET if query.has("uploads") => multipart::list(&call).await,
        Method::GET if query.has("versions") => versions::list(&call).await,
        Method::GET if query.has("versioning") => bucket::versioning(&call).await,
        Method::GET if query.get("list-type") == Some("2") => list::second(&call).await,
        Method::GET => list::first(&call).await,
        Method::HEAD => bucket::head(&call).await,
        Method::PUT if query.has("versioning") => bucket::set_versioning(call, body).await,
        Method::PUT => bucket::create(call, body).await,
        Method::DELETE => bucket::delete(&call).await,
        Method::POST if query.has("delete") => delete::several(call, body).await,
        Method::POST => {
            call.signed()?;
            Err(S3Error::not_implemented("uploads by forms"))
        }
        _ => Err(not_allowed()),
    }
}

async fn of_object(call: Call<'_>, body: Body) -> Result<Response> {
    let query = &call.request.query;
    let of_upload = query.has("uploadId");
    let copies = call.request.headers.contains_key("x-amz-copy-source");
    match call.request.method {
        Method::GET if of_upload => multipart::list_parts(&call).await,
        Method::GET | Method::HEAD => get::get(&call).await,
        Method::POST if query.has("uploads") => multipart::create(&call).await,
        Method::POST if of_upload => multipart::complete(call, body).await,
        Method::PUT if of_upload && copies => multipart::copy_part(&call).await,
        Method::PUT if of_upload => multipart::put_part(call, body).await,
        Method::PUT if copies => copy::copy(&call).await,
        Method::PUT => put::put(call, body).await,
        Method::DELETE if of_upload => multipart::abort(&call).await,
        Method::DELETE => delete::one(&call).await,
        _ => {
            call.signed()?;
            Err(not_allowed())
        }
    }
}

fn not_allowed() -> S3Error {
    S3Error::new(405, "MethodNotAllowed", "The method is not offered here")
}
