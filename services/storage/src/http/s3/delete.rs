//! `DeleteObject` and `DeleteObjects`.

use std::pin::pin;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode},
    response::Response,
};
use futures::{StreamExt, stream};

use super::{
    Call,
    bucket::empty,
    described::VERSION,
    error::{Result, S3Error},
    payload::document,
    reach::{OTHER_OWNER, version_of},
    request::object_path,
    xml::{self, Element, Writer},
};
use crate::{
    http::conditions::conditions,
    ops::{conditions::Conditions, delete as ops},
};

/// Objects that one request deletes, at most, as on S3.
const MOST: usize = 1000;
/// So many of them at once: what they write is committed together.
const AT_ONCE: usize = 16;

pub(super) async fn one(call: &Call<'_>) -> Result<Response> {
    let request = &call.request;
    let name = request.bucket.as_deref().unwrap_or_default();
    let version = request.query.get("versionId");
    let conditions = conditions(&request.headers)?;
    deleted(
        call,
        name,
        request.key.as_deref().unwrap_or_default(),
        version,
        &conditions,
    )
    .await?;
    let mut response = empty(StatusCode::NO_CONTENT);
    if let Some(version) = version
        && let Ok(id) = HeaderValue::try_from(version)
    {
        response.headers_mut().insert(VERSION, id);
    }
    Ok(response)
}

/// Deletes an object, or a version of one for good; fine if it is not there.
async fn deleted(
    call: &Call<'_>,
    bucket: &str,
    key: &str,
    version: Option<&str>,
    conditions: &Conditions,
) -> Result<()> {
    let id = version_of(version)?;
    let path = object_path(key).unwrap_or_default();
    let bucket = call.writable(bucket, &path).await?;
    let actor = &call.signed()?.actor;
    match id {
        Some(id) => ops::version(call.ctx, actor, &bucket, (&path, id), conditions).await?,
        None => {
            let done = ops::delete(call.ctx, actor, &bucket, &path, (conditions, false)).await;
            if let Err(error) = done {
                return Err(call.explained(error, &bucket, &path).await);
            }
        }
    }
    Ok(())
}

pub(super) async fn several(mut call: Call<'_>, body: Body) -> Result<Response> {
    call.signed()?;
    let payload = call.payload();
    let body = document(&call.request, body, payload).await?;
    let asked = xml::read(&body, "Delete")?;
    let is_quiet = asked.get("Quiet") == Some("true");
    let objects: Vec<&Element> = asked.all("Object").collect();
    if objects.is_empty() || objects.len() > MOST {
        return Err(xml::malformed());
    }
    let name = call.request.bucket.as_deref().unwrap_or_default();
    let call = &call;
    // What is to be done has nothing borrowed of the list, as the compiler wants it of what runs at once.
    let asked = objects.into_iter().map(|object| {
        let key = object.get("Key").unwrap_or_default().to_owned();
        (
            key,
            object.get("VersionId").map(str::to_owned),
            of_element(object),
        )
    });
    let asked: Vec<_> = asked.collect();
    let results = stream::iter(asked).map(async |(key, version, conditions)| {
        let done = deleted(call, name, &key, version.as_deref(), &conditions).await;
        (key, version, done)
    });
    let mut results = pin!(results.buffered(AT_ONCE));
    let mut xml = Writer::new("DeleteResult");
    while let Some((key, version, result)) = results.next().await {
        match result {
            Ok(()) if is_quiet => {}
            Ok(()) => {
                xml.open("Deleted");
                xml.text("Key", key);
                xml.some("VersionId", version);
                xml.close();
            }
            // Of the whole, and not of this one: no further one is looked at.
            Err(error) if error.code == "NoSuchBucket" || error.message == OTHER_OWNER => return Err(error),
            Err(error) => {
                let S3Error { code, message, .. } = error;
                xml.open("Error");
                xml.text("Key", key);
                xml.some("VersionId", version);
                xml.text("Code", code);
                xml.text("Message", message);
                xml.close();
            }
        }
    }
    Ok(xml.answer())
}

fn of_element(object: &Element) -> Conditions {
    let etag = object.get("ETag").map(|etag| etag.trim_matches('"').to_owned());
    Conditions {
        if_match: etag.map(|etag| crate::ops::conditions::Tags::Listed(vec![(etag, false)])),
        ..Conditions::default()
    }
}
