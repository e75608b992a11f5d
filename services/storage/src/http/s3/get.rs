//! `GetObject` and `HeadObject`.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};

use super::{
    Call,
    described::{as_it_is, as_s3},
    error::{Result, S3Error},
    reach::version_of,
    request::S3Request,
};
use crate::{
    http::answer::{Asked, answer},
    ops::uploads::part::NUMBERS,
    store::versions::VersionRow,
};

/// Parameters by which somebody who signed chooses headers of the answer.
const CHOSEN: [(&str, HeaderName); 6] = [
    ("response-cache-control", header::CACHE_CONTROL),
    ("response-content-disposition", header::CONTENT_DISPOSITION),
    ("response-content-encoding", header::CONTENT_ENCODING),
    ("response-content-language", header::CONTENT_LANGUAGE),
    ("response-content-type", header::CONTENT_TYPE),
    ("response-expires", header::EXPIRES),
];

pub(super) async fn get(call: &Call<'_>) -> Result<Response> {
    let request = &call.request;
    let part = part(request)?;
    let id = version_of(request.query.get("versionId"))?;
    let name = request.bucket.as_deref().unwrap_or_default();
    // A key that nothing can have is not there.
    let path = request.path().unwrap_or_default();
    let (bucket, version) = call.readable(name, &path, id).await?;
    if let Some(number) = part {
        the_only(number, &version)?;
    }
    let asked = Asked {
        headers: &request.headers,
        is_head: request.is_head(),
        is_fixed: false,
    };
    let mut response = answer(call.ctx, &bucket, &version, asked).await?;
    let headers = response.headers_mut();
    as_s3(headers, &bucket, &version);
    for (parameter, name) in CHOSEN {
        let Some(value) = request.query.get(parameter) else {
            continue;
        };
        if call.holder.is_none() {
            return Err(S3Error::request(
                "Only signed requests choose headers of the answer",
            ));
        }
        let value = HeaderValue::try_from(value);
        let value = value.map_err(|_| S3Error::invalid(format!("{parameter} is no value of a header")))?;
        headers.insert(name, value);
    }
    as_it_is(headers);
    if part.is_some() && response.status() == StatusCode::OK {
        as_part(&mut response, version.size);
    }
    Ok(response)
}

/// The part that is asked for.
fn part(request: &S3Request) -> Result<Option<i64>> {
    let Some(text) = request.query.get("partNumber") else {
        return Ok(None);
    };
    if request.headers.contains_key(header::RANGE) {
        return Err(S3Error::request("A range and a partNumber cannot be given both"));
    }
    let number = text.parse().ok().filter(|number| NUMBERS.contains(number));
    let wrong = || S3Error::invalid("Parts have numbers from 1 to 10000");
    number.map(Some).ok_or_else(wrong)
}

/// Refuses a part other than the first of an object that came as one. Where the parts of another began is not kept.
fn the_only(number: i64, version: &VersionRow) -> Result<()> {
    let parts = version.etag.split_once('-').map_or("1", |(_, parts)| parts);
    let parts = parts.parse().unwrap_or(i64::MAX);
    if number > parts {
        let message = "The object has no part of this number";
        return Err(S3Error::new(416, "InvalidPartNumber", message));
    }
    if parts > 1 {
        return Err(S3Error::not_implemented(
            "reading one of several parts by its number",
        ));
    }
    Ok(())
}

/// Makes the answer with the whole that with its only part.
fn as_part(response: &mut Response, size: i64) {
    let range = HeaderValue::try_from(format!("bytes 0-{}/{size}", size - 1));
    // No range is of an empty object.
    if let Ok(range) = range
        && size > 0
    {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    let one = HeaderValue::from_static("1");
    response.headers_mut().insert("x-amz-mp-parts-count", one);
}
