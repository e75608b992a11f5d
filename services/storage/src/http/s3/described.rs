//! What a client says of an object, and how it is said back.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    error::{Result, S3Error},
    request::S3Request,
};
use crate::{
    http::uploaded::{META, META_BYTES, META_COUNT},
    kind,
    store::{
        buckets::BucketRow,
        versions::{Metadata, VersionRow},
    },
};

/// What headers of S3 begin with that say something of an object.
const AMZ_META: &str = "x-amz-meta-";
pub(super) const VERSION: HeaderName = HeaderName::from_static("x-amz-version-id");
/// Headers that are kept and said again. No header of a client has a name that begins with a colon, so metadata has none either.
const KEPT: [HeaderName; 5] = [
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::EXPIRES,
];
/// What an object would have on S3 and cannot have here: better refused than left out.
const MISSING: [&str; 10] = [
    "x-amz-tagging",
    "x-amz-website-redirect-location",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
    "x-amz-write-offset-bytes",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-mfa",
];

/// The media type and metadata that the request gives an object.
pub(super) fn described(request: &S3Request) -> Result<(Option<String>, Metadata)> {
    let media_type = request.header(header::CONTENT_TYPE.as_str())?.map(str::trim);
    let media_type = media_type.filter(|text| !text.is_empty());
    if media_type.is_some_and(|text| !kind::is_media_type(text)) {
        return Err(S3Error::invalid("Content-Type is no media type"));
    }
    let mut metadata = Metadata::new();
    let mut bytes = 0;
    for name in request.headers.keys().map(HeaderName::as_str) {
        let Some(short) = name.strip_prefix(AMZ_META).filter(|short| !short.is_empty()) else {
            continue;
        };
        let mut values = Vec::new();
        for value in request.headers.get_all(name) {
            let value = value
                .to_str()
                .map_err(|_| S3Error::invalid(format!("{name} is not ASCII")))?;
            values.push(value);
        }
        let value = values.join(",");
        bytes += short.len() + value.len();
        metadata.insert(short.to_owned(), value);
    }
    if metadata.len() > META_COUNT || bytes > META_BYTES {
        let message = format!("At most {META_COUNT} headers with {META_BYTES} bytes in all are taken");
        return Err(S3Error::new(400, "MetadataTooLarge", message));
    }
    for name in KEPT {
        let Some(value) = request.header(name.as_str())? else {
            continue;
        };
        let value = if name == header::CONTENT_ENCODING {
            // How the body came says nothing of the object.
            let encodings = value.split(',').map(str::trim);
            let kept: Vec<_> = encodings
                .filter(|one| !one.is_empty() && !one.eq_ignore_ascii_case("aws-chunked"))
                .collect();
            kept.join(",")
        } else {
            value.to_owned()
        };
        if value.len() > META_BYTES {
            return Err(S3Error::new(
                400,
                "MetadataTooLarge",
                format!("{name} is too long"),
            ));
        }
        if !value.is_empty() {
            metadata.insert(format!(":{name}"), value);
        }
    }
    Ok((media_type.map(str::to_owned), metadata))
}

/// Refuses what asks for something that an object cannot have here.
pub(super) fn refuse_missing(request: &S3Request) -> Result<()> {
    let headers = &request.headers;
    if let Some(name) = MISSING.into_iter().find(|name| headers.contains_key(*name)) {
        return Err(S3Error::not_implemented(name));
    }
    let is_private = |acl: &HeaderValue| acl == "private" || acl == "bucket-owner-full-control";
    let grants = headers
        .keys()
        .any(|name| name.as_str().starts_with("x-amz-grant-"));
    if grants || headers.get("x-amz-acl").is_some_and(|acl| !is_private(acl)) {
        return Err(S3Error::not_implemented("access control lists"));
    }
    match headers.get("x-amz-storage-class") {
        Some(class) if class != "STANDARD" => Err(S3Error::new(
            400,
            "InvalidStorageClass",
            "The only storage class is STANDARD",
        )),
        _ => Ok(()),
    }
}

/// Makes the headers of an answer of the API those of an answer of S3.
pub(super) fn as_s3(headers: &mut HeaderMap, bucket: &BucketRow, version: &VersionRow) {
    let own: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(META) || *name == "x-version-id")
        .cloned()
        .collect();
    for name in own {
        headers.remove(name);
    }
    for (name, value) in &version.metadata {
        let name = match name.strip_prefix(':') {
            Some(kept) => HeaderName::try_from(kept),
            None => HeaderName::try_from(format!("{AMZ_META}{name}")),
        };
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    as_it_is(headers);
    tell_version(headers, bucket, version);
}

/// What is between passes it on as it is: clients compare checksums of the bytes that come.
pub(super) fn as_it_is(headers: &mut HeaderMap) {
    let caching = headers.get(header::CACHE_CONTROL);
    let caching = caching.and_then(|value| value.to_str().ok()).unwrap_or_default();
    if caching.contains("no-transform") {
        return;
    }
    let separator = if caching.is_empty() { "" } else { ", " };
    if let Ok(value) = HeaderValue::try_from(format!("{caching}{separator}no-transform")) {
        headers.insert(header::CACHE_CONTROL, value);
    }
}

/// Which version it is, where the bucket keeps them.
pub(super) fn tell_version(headers: &mut HeaderMap, bucket: &BucketRow, version: &VersionRow) {
    if bucket.is_versioning_set
        && let Ok(id) = HeaderValue::try_from(version.id.to_string())
    {
        headers.insert(VERSION, id);
    }
}
