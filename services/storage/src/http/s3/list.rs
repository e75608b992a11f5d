//! `ListObjectsV2`, and `ListObjects` as older clients ask it.

use axum::response::Response;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use stoa_kernel::{Cursor, Timestamp};

use super::{
    Call, bucket,
    error::{Result, S3Error},
    xml::Writer,
};
use crate::{
    http::scopes::ObjectsRead,
    ops::list::{self, Asked, Listing, Place},
    path,
    store::buckets::BucketRow,
};

/// Entries of a page, at most, as on S3.
const MOST: usize = 1000;
/// Names the kind of cursor.
const CURSOR: &str = "s3";
/// What stands for itself where a client asks for keys in the form of an address.
const IN_KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// As S3 writes it in XML.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// An entity tag as it is written, in quotes.
pub(super) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// What both ways of asking have in common.
pub(super) struct Shared<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    limit: usize,
    is_encoded: bool,
}

impl<'a> Shared<'a> {
    pub(super) fn of(call: &'a Call<'_>) -> Result<Self> {
        let query = &call.request.query;
        let is_encoded = match query.get("encoding-type") {
            None | Some("") => false,
            Some("url") => true,
            Some(_) => return Err(S3Error::invalid("encoding-type may be url")),
        };
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default(),
            delimiter: query.get("delimiter").filter(|text| !text.is_empty()),
            limit: query.number("max-keys", MOST)?.min(MOST),
            is_encoded,
        })
    }

    pub(super) fn written(&self, key: &str) -> String {
        if self.is_encoded {
            utf8_percent_encode(key, IN_KEY).to_string()
        } else {
            key.to_owned()
        }
    }

    /// Where a listing goes on behind a key that a client names: with all that is in a folder, if it is one.
    pub(super) fn behind(&self, key: &str) -> Place {
        Place {
            path: key.to_owned(),
            is_folder: self.delimiter.is_some_and(|delimiter| key.ends_with(delimiter)),
        }
    }

    /// What is asked for; none if nothing can be found.
    pub(super) fn asked(&self, after: Option<Place>) -> Option<Asked> {
        // With what no key can begin, none does; what is not in normal form C is such a thing.
        let prefix = path::prefix(self.prefix).ok();
        let prefix = prefix.filter(|prefix| prefix == self.prefix && self.limit > 0)?;
        Some(Asked {
            prefix,
            delimiter: self.delimiter.map(str::to_owned),
            after,
            limit: self.limit,
        })
    }

    async fn list(&self, call: &Call<'_>, bucket: &BucketRow, after: Option<Place>) -> Result<Listing> {
        match self.asked(after) {
            Some(asked) => Ok(list::list(call.ctx, bucket.id, &asked).await?),
            None => Ok(Listing::default()),
        }
    }

    /// What a page begins with.
    pub(super) fn begin(&self, xml: &mut Writer, bucket: &BucketRow, is_truncated: bool) {
        xml.text("Name", &bucket.name);
        xml.text("Prefix", self.written(self.prefix));
        xml.some("Delimiter", self.delimiter.map(|text| self.written(text)));
        xml.text("MaxKeys", self.limit.to_string());
        xml.some("EncodingType", self.is_encoded.then_some("url"));
        xml.text("IsTruncated", if is_truncated { "true" } else { "false" });
    }

    /// Its objects and folders.
    fn entries(&self, xml: &mut Writer, bucket: &BucketRow, found: &Listing, with_owner: bool) {
        for object in &found.objects {
            xml.open("Contents");
            xml.text("Key", self.written(&object.path));
            xml.text("LastModified", time(object.created_at));
            xml.text("ETag", quoted(&object.etag));
            xml.text("Size", object.size.to_string());
            if with_owner {
                bucket::owner(xml, bucket.owner);
            }
            xml.text("StorageClass", "STANDARD");
            xml.close();
        }
        self.folders(xml, &found.folders);
    }

    pub(super) fn folders(&self, xml: &mut Writer, folders: &[String]) {
        for folder in folders {
            xml.open("CommonPrefixes");
            xml.text("Prefix", self.written(folder));
            xml.close();
        }
    }
}

pub(super) async fn second(call: &Call<'_>) -> Result<Response> {
    let query = &call.request.query;
    let shared = Shared::of(call)?;
    let bucket = call.bucket(ObjectsRead::ACTION).await?;
    let token = query.get("continuation-token").filter(|text| !text.is_empty());
    let start = query.get("start-after");
    let after = match (token, start.filter(|key| !key.is_empty())) {
        (Some(token), _) => Some(place(token)?),
        (None, Some(key)) => Some(shared.behind(key)),
        (None, None) => None,
    };
    let found = shared.list(call, &bucket, after).await?;
    let mut xml = Writer::new("ListBucketResult");
    shared.begin(&mut xml, &bucket, found.next.is_some());
    xml.some("StartAfter", start.map(|key| shared.written(key)));
    xml.some("ContinuationToken", token);
    let next = found.next.as_ref();
    let next = next.map(|place| Cursor::encode(&(CURSOR, &place.path, place.is_folder)));
    xml.some("NextContinuationToken", next);
    let count = found.objects.len() + found.folders.len();
    xml.text("KeyCount", count.to_string());
    shared.entries(
        &mut xml,
        &bucket,
        &found,
        query.get("fetch-owner") == Some("true"),
    );
    Ok(xml.answer())
}

fn place(token: &str) -> Result<Place> {
    let wrong = || S3Error::invalid("The continuation token is none of this list");
    let decoded = Cursor::decode::<(String, String, bool)>(token);
    match decoded.map_err(|_| wrong())? {
        (kind, path, is_folder) if kind == CURSOR && !path.is_empty() => Ok(Place { path, is_folder }),
        _ => Err(wrong()),
    }
}

pub(super) async fn first(call: &Call<'_>) -> Result<Response> {
    let query = &call.request.query;
    let shared = Shared::of(call)?;
    let bucket = call.bucket(ObjectsRead::ACTION).await?;
    let marker = query.get("marker").unwrap_or_default();
    let after = (!marker.is_empty()).then(|| shared.behind(marker));
    let found = shared.list(call, &bucket, after).await?;
    let mut xml = Writer::new("ListBucketResult");
    shared.begin(&mut xml, &bucket, found.next.is_some());
    xml.text("Marker", shared.written(marker));
    let next = found.next.as_ref();
    xml.some("NextMarker", next.map(|place| shared.written(&place.path)));
    shared.entries(&mut xml, &bucket, &found, true);
    Ok(xml.answer())
}
