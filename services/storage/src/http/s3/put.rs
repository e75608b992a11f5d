//! `PutObject`.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};

use super::{
    Call,
    bucket::empty,
    described::{described, refuse_missing, tell_version},
    error::Result,
    list::quoted,
    payload,
};
use crate::{
    http::conditions::conditions,
    ops::{
        intake::Expected,
        put::{self as ops, By, NewObject},
    },
    uploads::Sender,
};

pub(super) async fn put(mut call: Call<'_>, body: Body) -> Result<Response> {
    let path = call.request.path()?;
    let name = call.request.bucket.clone().unwrap_or_default();
    let bucket = call.writable(&name, &path).await?;
    refuse_missing(&call.request)?;
    let (media_type, metadata) = described(&call.request)?;
    let payload = call.payload();
    let incoming = payload::open(&call.request, body, payload)?;
    let new = NewObject {
        path: path.clone(),
        metadata,
        expected: Expected {
            length: incoming.length,
            media_type,
            md5: incoming.md5,
            sha256: incoming.sha256,
            ..Expected::default()
        },
        conditions: conditions(&call.request.headers)?,
        // Its clients compare when it was last modified with when they stored it.
        is_always_new: true,
    };
    let by = By::Actor(&call.signed()?.actor);
    call.ctx.uploads.room(Sender::of(&call.signed()?.actor)).await;
    let put = ops::put(call.ctx, by, &bucket, new, incoming.body).await;
    let put = match put {
        Ok(put) => put,
        Err(error) => {
            let error = incoming.refusal.explain(error);
            return Err(call.explained(error, &bucket, &path).await);
        }
    };
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::try_from(quoted(&put.version.etag)) {
        headers.insert(header::ETAG, etag);
    }
    tell_version(headers, &bucket, &put.version);
    Ok(response)
}
