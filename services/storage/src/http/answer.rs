//! Answers that are objects.

use std::ops::Range;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use stoa_http::{Failure, Result};
use stoa_kernel::random;

use super::{
    conditions::{conditions, http_date, is_same},
    ranges::{Ranges, ranges},
    uploaded::META,
};
use crate::{
    ctx::Ctx,
    error::RANGE_NOT_SATISFIABLE,
    kind,
    ops::{conditions::Verdict, get, reading::Reading},
    store::{buckets::BucketRow, versions::VersionRow},
};

/// Smaller ones are read at once: what they are worth compressing for is known then.
const SMALL: u64 = 64 * 1024;
/// Nothing of it runs, wherever it is shown.
const SANDBOX: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");
/// Which version it is.
const VERSION: HeaderName = HeaderName::from_static("x-version-id");

/// What a request asks of a version.
pub(super) struct Asked<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) is_head: bool,
    /// Whether it named the version, so that the answer never changes.
    pub(super) is_fixed: bool,
}

/// The answer to a request for a version.
pub(super) async fn answer(
    ctx: &Ctx,
    bucket: &BucketRow,
    version: &VersionRow,
    asked: Asked<'_>,
) -> Result<Response> {
    let size = u64::try_from(version.size).unwrap_or_default();
    let mut response = Response::new(Body::empty());
    describe(response.headers_mut(), ctx, bucket, version, asked.is_fixed);
    match conditions(asked.headers)?.reading(version) {
        Verdict::Failed => return Err(Failure::new(stoa_http::codes::PRECONDITION_FAILED)),
        Verdict::NotModified => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        Verdict::Holds => {}
    }
    let parts = match ranges(asked.headers, size) {
        Ranges::Parts(parts) if !asked.is_head && is_same(asked.headers, version) => parts,
        Ranges::Unsatisfiable if !asked.is_head && is_same(asked.headers, version) => {
            let failure = Failure::new(RANGE_NOT_SATISFIABLE);
            return Err(failure.header(header::CONTENT_RANGE, text(format!("bytes */{size}"))));
        }
        _ => Vec::new(),
    };
    response.headers_mut().insert(header::ACCEPT_RANGES, BYTES);
    match parts.as_slice() {
        [] => whole(ctx, version, size, asked.is_head, response).await,
        [part] => {
            let range = text(format!("bytes {}-{}/{size}", part.start, part.end - 1));
            response.headers_mut().insert(header::CONTENT_RANGE, range);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            streamed(ctx, version, part.clone(), response).await
        }
        _ => several(ctx, version, parts, response).await,
    }
}

/// The headers that say what it is and what may be done with it.
fn describe(headers: &mut HeaderMap, ctx: &Ctx, bucket: &BucketRow, version: &VersionRow, is_fixed: bool) {
    headers.insert(header::CONTENT_TYPE, text(version.media_type.clone()));
    headers.insert(header::ETAG, text(format!("\"{}\"", version.etag)));
    if let Some(date) = http_date(version.created_at) {
        headers.insert(header::LAST_MODIFIED, date);
    }
    headers.insert(VERSION, text(version.id.to_string()));
    headers.insert(header::CONTENT_DISPOSITION, disposition(version));
    headers.insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(header::CACHE_CONTROL, caching(ctx, bucket, version, is_fixed));
    // As a client of S3 gave them: without them the bytes cannot be read.
    for name in [header::CONTENT_ENCODING, header::CONTENT_LANGUAGE] {
        let value = version.metadata.get(&format!(":{name}"));
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    for (name, value) in &version.metadata {
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(format!("{META}{name}")),
            HeaderValue::try_from(value),
        ) {
            headers.insert(name, value);
        }
    }
}

/// How long it may be kept, and by whom. What is large is passed on as it is, in ranges too.
fn caching(ctx: &Ctx, bucket: &BucketRow, version: &VersionRow, is_fixed: bool) -> HeaderValue {
    let as_is = if version.size.unsigned_abs() > SMALL {
        ", no-transform"
    } else {
        ""
    };
    let seconds = ctx.config.public_max_age.0.as_secs();
    text(match (bucket.is_public, is_fixed) {
        (true, true) => format!("public, max-age=31536000, immutable{as_is}"),
        (true, false) => format!("public, max-age={seconds}{as_is}"),
        (false, _) => format!("private, no-cache{as_is}"),
    })
}

/// Shown where it stands if it cannot run anything, else saved; under the last part of its path in either case.
fn disposition(version: &VersionRow) -> HeaderValue {
    let name = version.path.rsplit('/').next().unwrap_or_default();
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let kind = if kind::is_inert(&version.media_type) {
        "inline"
    } else {
        "attachment"
    };
    text(format!("{kind}; filename*=UTF-8''{name}"))
}

async fn whole(
    ctx: &Ctx,
    version: &VersionRow,
    size: u64,
    is_head: bool,
    mut response: Response,
) -> Result<Response> {
    if is_head {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(size));
        return Ok(response);
    }
    if size > SMALL {
        return streamed(ctx, version, 0..size, response).await;
    }
    let pieces: Vec<Bytes> = get::open(ctx, version, 0..size)
        .await?
        .try_collect()
        .await
        .map_err(crate::error::Error::from)?;
    let bytes = match <[Bytes; 1]>::try_from(pieces) {
        Ok([piece]) => piece,
        Err(pieces) => pieces.concat().into(),
    };
    sent(size);
    *response.body_mut() = Body::from(bytes);
    Ok(response)
}

async fn streamed(
    ctx: &Ctx,
    version: &VersionRow,
    range: Range<u64>,
    mut response: Response,
) -> Result<Response> {
    let length = range.end - range.start;
    let stream = get::open(ctx, version, range).await?;
    sent(length);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    *response.body_mut() = Body::from_stream(stream);
    Ok(response)
}

/// Several ranges: `multipart/byteranges`. Each is opened once it is its turn.
async fn several(
    ctx: &Ctx,
    version: &VersionRow,
    parts: Vec<Range<u64>>,
    mut response: Response,
) -> Result<Response> {
    if version.is_damaged {
        return Err(crate::error::Error::Damaged.into());
    }
    // A rendition is no version's, and has none.
    let reading = match Reading::begin(ctx, version.blob_id).await {
        Ok(reading) => reading,
        Err(crate::error::Error::Busy(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let boundary = random::token::<16>();
    let head = |part: &Range<u64>| {
        let (first, last) = (part.start, part.end - 1);
        let (kind, size) = (&version.media_type, version.size);
        Bytes::from(format!(
            "\r\n--{boundary}\r\ncontent-type: {kind}\r\ncontent-range: bytes {first}-{last}/{size}\r\n\r\n"
        ))
    };
    let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
    let heads: Vec<Bytes> = parts.iter().map(head).collect();
    let content: u64 = parts.iter().map(|part| part.end - part.start).sum();
    let around: usize = heads.iter().map(Bytes::len).sum::<usize>() + end.len();
    sent(content);
    let (ctx, version) = (ctx.clone(), version.clone());
    let pieces = stream::iter(heads.into_iter().zip(parts)).then(move |(head, part)| {
        let (ctx, version, _reading) = (ctx.clone(), version.clone(), &reading);
        async move {
            let bytes = get::open_kept(&ctx, &version, part).await?;
            let bytes = bytes.map_err(crate::error::Error::from);
            Ok::<_, crate::error::Error>(stream::iter([Ok(head)]).chain(bytes))
        }
    });
    let pieces = pieces.try_flatten().chain(stream::iter([Ok(end)]));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(content + around as u64));
    headers.insert(
        header::CONTENT_TYPE,
        text(format!("multipart/byteranges; boundary={boundary}")),
    );
    *response.body_mut() = Body::from_stream(pieces);
    Ok(response)
}

fn sent(bytes: u64) {
    metrics::counter!("storage_sent_bytes_total").increment(bytes);
}

/// A header of ours: what is written into it is known to fit.
fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
