//! `CreateMultipartUpload`, `UploadPart`, `UploadPartCopy`, `CompleteMultipartUpload`, `AbortMultipartUpload`, `ListParts` and
//! `ListMultipartUploads`.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use futures::{StreamExt, TryStreamExt};
use stoa_kernel::{Action, Id};
use uuid::Uuid;

use super::{
    Call,
    bucket::{empty, owner},
    checksum, copy,
    described::{described, refuse_missing},
    error::{Result, S3Error},
    list::{quoted, time},
    payload::{self, document},
    xml::{self, Element, Writer},
};
use crate::{
    error::Error,
    http::{conditions::conditions, scopes::ObjectsWrite},
    ids::UploadId,
    ops::{
        get,
        intake::Expected,
        put::By,
        uploads::{
            begin::{self, NewUpload},
            complete::{self, Completion, Listed},
            discard, part,
        },
    },
    store::{
        buckets::BucketRow,
        parts::{self, PartRow},
        uploads::{self, Outcome, UploadRow},
    },
    uploads::Sender,
};

/// The protocol of its uploads.
const S3: &str = "s3";
/// The least that each part but the last has, in bytes, as on S3.
const PART_MIN: i64 = 5 * 1024 * 1024;
/// Parts and uploads that one answer lists, at most, as on S3.
const MOST: usize = 1000;

pub(super) async fn create(call: &Call<'_>) -> Result<Response> {
    let request = &call.request;
    let path = request.path()?;
    let name = request.bucket.as_deref().unwrap_or_default();
    let bucket = call.writable(name, &path).await?;
    refuse_missing(request)?;
    let (media_type, metadata) = described(request)?;
    let new = NewUpload {
        protocol: S3,
        owner: bucket.owner,
        target: Some((&bucket, path)),
        metadata,
        media_type,
        note: None,
        length: None,
        is_sequential: false,
    };
    let row = begin::begin(call.ctx, call.signed()?.actor.user_id, new).await?;
    let mut xml = Writer::new("InitiateMultipartUploadResult");
    named(&mut xml, call, &bucket);
    xml.text("UploadId", row.id.to_string());
    Ok(xml.answer())
}

/// The elements that say for what an upload is.
fn named(xml: &mut Writer, call: &Call<'_>, bucket: &BucketRow) {
    xml.text("Bucket", &bucket.name);
    xml.text("Key", call.request.key.as_deref().unwrap_or_default());
}

/// The upload that a request names, and its bucket, which the caller may write.
async fn found(call: &Call<'_>) -> Result<(BucketRow, UploadRow)> {
    let request = &call.request;
    let path = request.path()?;
    let name = request.bucket.as_deref().unwrap_or_default();
    let bucket = call.writable(name, &path).await?;
    let id = request.query.get("uploadId").unwrap_or_default();
    let id: UploadId = id.parse().map_err(|_| gone())?;
    let row = uploads::get(&call.ctx.db, id).await?;
    let row = row.filter(|row| {
        row.protocol == S3 && row.bucket_id == Some(bucket.id) && row.path.as_ref() == Some(&path)
    });
    Ok((bucket, row.ok_or_else(gone)?))
}

fn gone() -> S3Error {
    S3Error::new(
        404,
        "NoSuchUpload",
        "The upload does not exist, or is complete or aborted",
    )
}

/// The same, while parts are taken.
async fn open(call: &Call<'_>) -> Result<(BucketRow, UploadRow)> {
    let (bucket, row) = found(call).await?;
    if row.state == uploads::OPEN {
        Ok((bucket, row))
    } else {
        Err(gone())
    }
}

fn number(call: &Call<'_>) -> Result<i64> {
    let number = call.request.query.get("partNumber").unwrap_or_default();
    let number = number
        .parse()
        .ok()
        .filter(|number| part::NUMBERS.contains(number));
    number.ok_or_else(|| S3Error::invalid("Parts have numbers from 1 to 10000"))
}

pub(super) async fn put_part(mut call: Call<'_>, body: Body) -> Result<Response> {
    let number = number(&call)?;
    let (bucket, row) = open(&call).await?;
    let payload = call.payload();
    let incoming = payload::open(&call.request, body, payload)?;
    let expected = Expected {
        length: incoming.length,
        md5: incoming.md5,
        sha256: incoming.sha256,
        ..Expected::default()
    };
    let actor = &call.signed()?.actor;
    call.ctx.uploads.room(Sender::of(actor)).await;
    let body = (expected, incoming.body);
    let stored = part::put(call.ctx, actor, &row, &bucket, number, body).await;
    let stored = stored.map_err(|error| incoming.refusal.explain(error))?;
    let mut response = empty(StatusCode::OK);
    if let Ok(etag) = HeaderValue::try_from(etag_of(&stored)) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}

fn etag_of(part: &PartRow) -> String {
    quoted(&hex::encode(&part.md5))
}

/// The bytes are stored once more: a part is nothing that others could share.
pub(super) async fn copy_part(call: &Call<'_>) -> Result<Response> {
    let number = number(call)?;
    let (bucket, row) = open(call).await?;
    let (from, source, _) = copy::source(call).await?;
    let size = source.size.unsigned_abs();
    let range = match call.request.header("x-amz-copy-source-range")? {
        None => 0..size,
        Some(text) => {
            let range = text.strip_prefix("bytes=").and_then(|text| text.split_once('-'));
            let range =
                range.and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
            let range = range.filter(|(first, last)| first <= last);
            let (first, last) =
                range.ok_or_else(|| S3Error::invalid("x-amz-copy-source-range is bytes=first-last"))?;
            if last >= size {
                let message = format!("The source has {size} bytes");
                return Err(S3Error::new(416, "InvalidRange", message));
            }
            first..last + 1
        }
    };
    let expected = Expected {
        length: i64::try_from(range.end - range.start).ok(),
        ..Expected::default()
    };
    let actor = &call.signed()?.actor;
    call.ctx.uploads.room(Sender::of(actor)).await;
    let bytes = get::open(call.ctx, &source, range).await?;
    let body = bytes.map_err(Into::into).boxed();
    let stored = part::put(call.ctx, actor, &row, &bucket, number, (expected, body)).await?;
    let mut xml = Writer::new("CopyPartResult");
    xml.text("LastModified", time(stored.received_at));
    xml.text("ETag", etag_of(&stored));
    let mut response = xml.answer();
    copy::tell_source(response.headers_mut(), &from, &source);
    Ok(response)
}

pub(super) async fn complete(mut call: Call<'_>, body: Body) -> Result<Response> {
    let (bucket, row) = found(&call).await?;
    if row.state != uploads::OPEN && row.outcome.is_none() {
        return Err(gone());
    }
    let payload = call.payload();
    // The parts were compared as they came.
    checksum::leave_out(&mut call.request.headers);
    let body = document(&call.request, body, payload).await?;
    let asked = xml::read(&body, "CompleteMultipartUpload")?;
    let listed = asked.all("Part").map(listed).collect::<Result<Vec<_>>>()?;
    if listed.is_empty() {
        return Err(xml::malformed());
    }
    let completion = Completion {
        listed: Some(listed),
        part_min: PART_MIN,
        conditions: conditions(&call.request.headers)?,
    };
    let by = By::Actor(&call.signed()?.actor);
    let outcome = match complete::complete(call.ctx, by, &bucket, row.id, &completion).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let path = row.path.as_deref().unwrap_or_default();
            return Err(call.explained(error, &bucket, path).await);
        }
    };
    let Outcome::Stored { version_id, etag, .. } = outcome else {
        return Err(gone());
    };
    let mut xml = Writer::new("CompleteMultipartUploadResult");
    xml.text("Location", call.request.uri.path());
    named(&mut xml, &call, &bucket);
    xml.text("ETag", quoted(&etag));
    let mut response = xml.answer();
    tell_version(response.headers_mut(), &bucket, &version_id.to_string());
    Ok(response)
}

fn tell_version(headers: &mut HeaderMap, bucket: &BucketRow, id: &str) {
    if bucket.is_versioning_set
        && let Ok(id) = HeaderValue::try_from(id)
    {
        headers.insert(super::described::VERSION, id);
    }
}

/// The number of a part, and the MD5 that its ETag is.
fn listed(part: &Element) -> Result<Listed> {
    let number = part.get("PartNumber").and_then(|text| text.trim().parse().ok());
    let number = number.ok_or_else(xml::malformed)?;
    let etag = part.get("ETag").ok_or_else(xml::malformed)?;
    let md5 = hex::decode(etag.trim().trim_matches('"'));
    let md5 = md5.map_err(|_| S3Error::from(Error::NoSuchPart(number)))?;
    Ok((number, Some(md5)))
}

pub(super) async fn abort(call: &Call<'_>) -> Result<Response> {
    let (_, row) = found(call).await?;
    if discard::abort(call.ctx, &row).await? {
        Ok(empty(StatusCode::NO_CONTENT))
    } else {
        Err(gone())
    }
}

pub(super) async fn list_parts(call: &Call<'_>) -> Result<Response> {
    let (bucket, row) = open(call).await?;
    let query = &call.request.query;
    let limit = query.number("max-parts", MOST)?.min(MOST);
    let marker = query.number("part-number-marker", 0)?;
    let after = i64::try_from(marker).unwrap_or(i64::MAX);
    let mut found = parts::list(&call.ctx.db, row.id, after, limit_of(limit + 1)).await?;
    let is_truncated = found.len() > limit;
    found.truncate(limit);
    let mut xml = Writer::new("ListPartsResult");
    named(&mut xml, call, &bucket);
    xml.text("UploadId", row.id.to_string());
    owner(&mut xml, bucket.owner);
    xml.text("StorageClass", "STANDARD");
    xml.text("PartNumberMarker", marker.to_string());
    if is_truncated {
        let last = found.last().map_or(after, |part| part.number);
        xml.text("NextPartNumberMarker", last.to_string());
    }
    xml.text("MaxParts", limit.to_string());
    xml.text("IsTruncated", is_truncated.to_string());
    for part in &found {
        xml.open("Part");
        xml.text("PartNumber", part.number.to_string());
        xml.text("LastModified", time(part.received_at));
        xml.text("ETag", etag_of(part));
        xml.text("Size", part.size.to_string());
        xml.close();
    }
    Ok(xml.answer())
}

fn limit_of(limit: usize) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

/// Those of a bucket that are open. A prefix narrows what is listed, a delimiter is not offered.
pub(super) async fn list(call: &Call<'_>) -> Result<Response> {
    const ACTION: Action<'_> = ObjectsWrite::ACTION;
    let bucket = call.bucket(ACTION).await?;
    let query = &call.request.query;
    if query.get("delimiter").is_some_and(|text| !text.is_empty()) {
        return Err(S3Error::not_implemented("a delimiter in a list of uploads"));
    }
    let limit = query.number("max-uploads", MOST)?.clamp(1, MOST);
    let prefix = query.get("prefix").unwrap_or_default();
    let (marker, upload) = (query.get("key-marker"), query.get("upload-id-marker"));
    let after = match upload.filter(|text| !text.is_empty()) {
        Some(text) => text
            .parse()
            .map_err(|_| S3Error::invalid("upload-id-marker is no upload"))?,
        // Behind all uploads of the key.
        None => Id::from_uuid(Uuid::max()),
    };
    let marker = marker.unwrap_or_default();
    let begin = marker.as_bytes().max(prefix.as_bytes());
    let after = if marker.as_bytes() < prefix.as_bytes() {
        Id::from_uuid(Uuid::nil())
    } else {
        after
    };
    let mut found = uploads::of_bucket(&call.ctx.db, bucket.id, (begin, after), limit_of(limit + 1)).await?;
    found.retain(|row| row.path.as_deref().is_some_and(|path| path.starts_with(prefix)));
    let is_truncated = found.len() > limit;
    found.truncate(limit);
    let mut xml = Writer::new("ListMultipartUploadsResult");
    xml.text("Bucket", &bucket.name);
    xml.text("KeyMarker", marker);
    xml.some("UploadIdMarker", upload);
    xml.text("Prefix", prefix);
    xml.text("MaxUploads", limit.to_string());
    xml.text("IsTruncated", is_truncated.to_string());
    if let Some(last) = found.last().filter(|_| is_truncated) {
        xml.some("NextKeyMarker", last.path.as_deref());
        xml.text("NextUploadIdMarker", last.id.to_string());
    }
    for row in found.iter().filter(|row| row.protocol == S3) {
        xml.open("Upload");
        xml.some("Key", row.path.as_deref());
        xml.text("UploadId", row.id.to_string());
        owner(&mut xml, row.owner);
        xml.text("StorageClass", "STANDARD");
        xml.text("Initiated", time(row.created_at));
        xml.close();
    }
    Ok(xml.answer())
}
