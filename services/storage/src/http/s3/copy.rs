//! `CopyObject`.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use percent_encoding::percent_decode_str;

use super::{
    Call,
    described::{described, refuse_missing, tell_version},
    error::{Result, S3Error},
    list::{quoted, time},
    reach::version_of,
    request::{S3Request, object_path},
    xml::Writer,
};
use crate::{
    http::conditions::conditions,
    kind,
    ops::{
        conditions::Verdict,
        copy::{self as ops, Target},
    },
    store::{buckets::BucketRow, versions::VersionRow},
};

/// The conditions on the source, and what they are called elsewhere.
const CONDITIONS: [(&str, header::HeaderName); 4] = [
    ("x-amz-copy-source-if-match", header::IF_MATCH),
    ("x-amz-copy-source-if-none-match", header::IF_NONE_MATCH),
    ("x-amz-copy-source-if-modified-since", header::IF_MODIFIED_SINCE),
    (
        "x-amz-copy-source-if-unmodified-since",
        header::IF_UNMODIFIED_SINCE,
    ),
];

/// What is copied, if the caller may read it and its conditions hold; and whether a version was named.
pub(super) async fn source(call: &Call<'_>) -> Result<(BucketRow, VersionRow, bool)> {
    let request = &call.request;
    call.signed()?;
    let wrong = || S3Error::invalid("x-amz-copy-source is /bucket/key, percent-encoded");
    let text = request.header("x-amz-copy-source")?.ok_or_else(wrong)?;
    let (text, version) = match text.split_once("?versionId=") {
        Some((text, version)) => (text, Some(version)),
        None => (text, None),
    };
    let text = percent_decode_str(text).decode_utf8().map_err(|_| wrong())?;
    let text = text.strip_prefix('/').unwrap_or(&text);
    let (bucket, key) = text.split_once('/').ok_or_else(wrong)?;
    let id = version_of(version)?;
    let (bucket, version) = call.source(bucket, &object_path(key)?, id).await?;
    if conditions(&of_source(request))?.reading(&version) != Verdict::Holds {
        return Err(S3Error::new(
            412,
            "PreconditionFailed",
            "A condition on the source does not hold",
        ));
    }
    Ok((bucket, version, id.is_some()))
}

fn of_source(request: &S3Request) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, plain) in CONDITIONS {
        if let Some(value) = request.headers.get(name) {
            headers.insert(plain, value.clone());
        }
    }
    headers
}

pub(super) async fn copy(call: &Call<'_>) -> Result<Response> {
    let request = &call.request;
    let path = request.path()?;
    let name = request.bucket.as_deref().unwrap_or_default();
    let bucket = call.writable(name, &path).await?;
    refuse_missing(request)?;
    let replaces = match request.header("x-amz-metadata-directive")? {
        None | Some("COPY") => false,
        Some("REPLACE") => true,
        Some(_) => return Err(S3Error::invalid("x-amz-metadata-directive is COPY or REPLACE")),
    };
    let (from, mut source, is_older) = source(call).await?;
    let is_itself = from.id == bucket.id && source.path == path;
    if is_itself && !replaces && !is_older {
        let message = "To copy an object to itself, its metadata must be replaced";
        return Err(S3Error::request(message));
    }
    if replaces {
        let (media_type, metadata) = described(request)?;
        source.media_type = media_type.unwrap_or_else(|| kind::ANY.to_owned());
        source.metadata = metadata;
    }
    let target = Target {
        bucket: &bucket,
        path: path.clone(),
        conditions: conditions(&request.headers)?,
    };
    let copied = ops::copy(call.ctx, &call.signed()?.actor, &from, &source, target).await;
    let (made, _) = match copied {
        Ok(copied) => copied,
        Err(error) => return Err(call.explained(error, &bucket, &path).await),
    };
    let mut xml = Writer::new("CopyObjectResult");
    xml.text("LastModified", time(made.created_at));
    xml.text("ETag", quoted(&made.etag));
    let mut response = xml.answer();
    let headers = response.headers_mut();
    tell_version(headers, &bucket, &made);
    tell_source(headers, &from, &source);
    Ok(response)
}

/// Which version was copied, where its bucket keeps them.
pub(super) fn tell_source(headers: &mut HeaderMap, from: &BucketRow, source: &VersionRow) {
    if from.is_versioned
        && let Ok(id) = HeaderValue::try_from(source.id.to_string())
    {
        headers.insert("x-amz-copy-source-version-id", id);
    }
}
