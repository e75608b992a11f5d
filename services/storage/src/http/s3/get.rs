//! `GetObject` and `HeadObject`.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

use super::{
    Call,
    described::{as_it_is, as_s3},
    error::{Result, S3Error},
    reach::version_of,
};
use crate::http::answer::{Asked, answer};

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
    if request.query.has("partNumber") {
        call.signed()?;
        return Err(S3Error::not_implemented("reading a part by its number"));
    }
    let id = version_of(request.query.get("versionId"))?;
    let name = request.bucket.as_deref().unwrap_or_default();
    // A key that nothing can have is not there.
    let path = request.path().unwrap_or_default();
    let (bucket, version) = call.readable(name, &path, id).await?;
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
    Ok(response)
}
