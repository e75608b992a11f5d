//! `ListBuckets`, `CreateBucket`, `HeadBucket`, `DeleteBucket`, `GetBucketLocation`, `GetBucketVersioning`, `PutBucketVersioning`.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use stoa_kernel::{Action, Cursor, Expected, Owner, PageRequest};
use uuid::Uuid;

use super::{
    Call,
    caller::Holder,
    error::{Result, S3Error},
    payload::document,
    xml::{self, Writer},
};
use crate::{
    error::Error,
    http::scopes::{BucketsRead, BucketsWrite, ObjectsRead},
    ops::buckets::{self as ops, Choices},
    path,
    store::buckets::{self as store, BucketRow},
};

/// Buckets that are read at once.
const PAGE: u32 = 100;
/// Names the kind of cursor.
const CURSOR: &str = "s3-buckets";
/// Where everything is. Clients may sign for any region.
const REGION: &str = "us-east-1";

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The element that says whose something is.
pub(super) fn owner(xml: &mut Writer, owner: Owner) {
    xml.open("Owner");
    xml.text("ID", owner.uuid().to_string());
    xml.close();
}

/// Those of the key's owner that the key is for.
pub(super) async fn list(call: &Call<'_>) -> Result<Response> {
    let holder = call.signed()?;
    let (buckets, next) = found(call, holder).await?;
    let mut xml = Writer::new("ListAllMyBucketsResult");
    owner(&mut xml, holder.owner);
    xml.open("Buckets");
    for bucket in &buckets {
        xml.open("Bucket");
        xml.text("Name", &bucket.name);
        xml.text("CreationDate", super::list::time(bucket.created_at));
        xml.text("BucketRegion", REGION);
        xml.close();
    }
    xml.close();
    xml.some("ContinuationToken", next);
    xml.some("Prefix", call.request.query.get("prefix"));
    Ok(xml.answer())
}

/// Those that are asked for, and where to go on.
async fn found(call: &Call<'_>, holder: &Holder) -> Result<(Vec<BucketRow>, Option<String>)> {
    let query = &call.request.query;
    let max = query.number("max-buckets", usize::MAX)?;
    if max == 0 {
        return Err(S3Error::invalid("max-buckets is at least 1"));
    }
    let prefix = query.get("prefix").unwrap_or_default();
    let region = query.get("bucket-region").filter(|region| !region.is_empty());
    let mut buckets = Vec::new();
    if region.is_some_and(|region| region != REGION) {
        return Ok((buckets, None));
    }
    let token = query.get("continuation-token").filter(|text| !text.is_empty());
    let (cursor, after) = token.map(place).transpose()?.unwrap_or_default();
    let mut page = PageRequest { cursor, limit: PAGE };
    loop {
        let found = store::list(&call.ctx.db, holder.owner, &page).await?;
        for bucket in found.items {
            // Newest first: what is not older than the last one was on the page before.
            let is_known = after.is_some_and(|after| bucket.id.uuid() >= after);
            if is_known || !holder.is_for(&bucket.name) || !bucket.name.starts_with(prefix) {
                continue;
            }
            if buckets.len() == max {
                let last = buckets.last().map(|last: &BucketRow| last.id.uuid());
                return Ok((buckets, Some(Cursor::encode(&(CURSOR, page.cursor, last)))));
            }
            buckets.push(bucket);
        }
        if found.next_cursor.is_none() {
            return Ok((buckets, None));
        }
        page.cursor = found.next_cursor;
    }
}

/// Where a page of buckets begins: in which page of ours, and behind which of it.
fn place(token: &str) -> Result<(Option<String>, Option<Uuid>)> {
    match Cursor::decode::<(String, Option<String>, Option<Uuid>)>(token) {
        Ok((kind, cursor, after)) if kind == CURSOR => Ok((cursor, after)),
        _ => Err(S3Error::invalid("The continuation token is none of this list")),
    }
}

/// Whether the key's owner lets the key make buckets says the same function as for the API: on the owner, for there is no bucket yet.
pub(super) async fn create(mut call: Call<'_>, body: Body) -> Result<Response> {
    call.signed()?;
    refuse_headers(&call)?;
    let payload = call.payload();
    let body = document(&call.request, body, payload).await?;
    if !body.is_empty() {
        // A region may be named; everything is in the one there is.
        xml::read(&body, "CreateBucketConfiguration")?;
    }
    let name = call.request.bucket.clone().unwrap_or_default();
    let holder = call.signed()?;
    path::bucket(&name).map_err(|wrong| S3Error::new(400, "InvalidBucketName", wrong))?;
    if !holder.is_for(&name) || !may_own(&call, BucketsWrite::ACTION).await? {
        return Err(S3Error::denied());
    }
    let made = ops::create(
        call.ctx,
        &holder.actor,
        holder.owner,
        name.clone(),
        Choices::default(),
    )
    .await;
    if let Err(Error::NameTaken) = &made {
        let known = store::get(&call.ctx.db, &name).await?;
        if known.is_some_and(|bucket| bucket.owner == holder.owner) {
            let message = "You have this bucket already";
            return Err(S3Error::new(409, "BucketAlreadyOwnedByYou", message));
        }
    }
    made?;
    let mut response = empty(StatusCode::OK);
    if let Ok(location) = HeaderValue::try_from(format!("/{name}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Whether the caller may do the action to what their owner has.
async fn may_own(call: &Call<'_>, action: Action<'_>) -> Result<bool> {
    let holder = call.signed()?;
    let resource = stoa_kernel::Resource {
        kind: crate::ops::reach::BUCKET,
        id: None,
        owner: Some(holder.owner),
    };
    let decision = call.ctx.access.allow(&holder.actor, action, &resource).await;
    Ok(decision.map_err(Error::from)?.allowed)
}

/// What a bucket would have on S3 and cannot have here: better refused than left out.
fn refuse_headers(call: &Call<'_>) -> Result<()> {
    let headers = &call.request.headers;
    let is_private = headers.get("x-amz-acl").is_none_or(|acl| acl == "private");
    let locks = headers.get("x-amz-bucket-object-lock-enabled");
    if !is_private || locks.is_some_and(|value| value != "false") {
        return Err(S3Error::not_implemented("access control lists and locks"));
    }
    Ok(())
}

/// The bucket, for callers who may read it or what is in it.
async fn seen(call: &Call<'_>) -> Result<BucketRow> {
    match call.bucket(BucketsRead::ACTION).await {
        Err(error) if error.code != "ServiceUnavailable" => {
            let seen = call.bucket(ObjectsRead::ACTION).await;
            seen.map_err(|_| error)
        }
        found => found,
    }
}

pub(super) async fn head(call: &Call<'_>) -> Result<Response> {
    seen(call).await?;
    let mut response = empty(StatusCode::OK);
    response.headers_mut().insert(
        HeaderName::from_static("x-amz-bucket-region"),
        HeaderValue::from_static(REGION),
    );
    Ok(response)
}

pub(super) async fn delete(call: &Call<'_>) -> Result<Response> {
    let bucket = call.bucket(BucketsWrite::ACTION).await?;
    ops::delete(call.ctx, &call.signed()?.actor, &bucket).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Of the first region, which has no name there.
pub(super) async fn location(call: &Call<'_>) -> Result<Response> {
    seen(call).await?;
    Ok(Writer::new("LocationConstraint").answer())
}

pub(super) async fn versioning(call: &Call<'_>) -> Result<Response> {
    let bucket = seen(call).await?;
    let mut xml = Writer::new("VersioningConfiguration");
    let status = match (bucket.is_versioned, bucket.is_versioning_set) {
        (true, _) => Some("Enabled"),
        (false, true) => Some("Suspended"),
        (false, false) => None,
    };
    xml.some("Status", status);
    Ok(xml.answer())
}

pub(super) async fn set_versioning(mut call: Call<'_>, body: Body) -> Result<Response> {
    let bucket = call.bucket(BucketsWrite::ACTION).await?;
    let payload = call.payload();
    let body = document(&call.request, body, payload).await?;
    let asked = xml::read(&body, "VersioningConfiguration")?;
    let is_versioned = match asked.get("Status") {
        Some("Enabled") => true,
        Some("Suspended") => false,
        _ => return Err(xml::malformed()),
    };
    let choices = Choices {
        is_versioned: Some(is_versioned),
        ..Choices::default()
    };
    let actor = &call.signed()?.actor;
    ops::update(call.ctx, actor, bucket, choices, &Expected::Any).await?;
    Ok(empty(StatusCode::OK))
}
