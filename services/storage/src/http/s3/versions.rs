//! `ListObjectVersions`.

use axum::response::Response;

use super::{
    Call, bucket,
    error::{Result, S3Error},
    list::{Shared, quoted, time},
    reach::version_of,
    xml::Writer,
};
use crate::{
    http::scopes::ObjectsRead,
    ids::VersionId,
    ops::{
        list::Place,
        list_versions::{self as ops, Listing},
    },
    store::{buckets::BucketRow, versions::VersionRow},
};

/// Versions of all objects, deleted ones too as long as they can be restored: of those none is the latest. There are no delete markers.
pub(super) async fn list(call: &Call<'_>) -> Result<Response> {
    let query = &call.request.query;
    let shared = Shared::of(call)?;
    let bucket = call.bucket(ObjectsRead::ACTION).await?;
    let marker = query.get("key-marker").unwrap_or_default();
    let version_marker = query.get("version-id-marker").unwrap_or_default();
    if marker.is_empty() && !version_marker.is_empty() {
        return Err(S3Error::invalid(
            "A version-id-marker cannot be given without a key-marker",
        ));
    }
    let version =
        version_of(Some(version_marker)).map_err(|_| S3Error::invalid("version-id-marker is no version"))?;
    let after = (!marker.is_empty()).then(|| shared.behind(marker));
    let found = read(call, &shared, &bucket, after, version).await?;
    let mut xml = Writer::new("ListVersionsResult");
    shared.begin(&mut xml, &bucket, found.next.is_some());
    xml.text("KeyMarker", shared.written(marker));
    xml.text("VersionIdMarker", version_marker);
    if let Some(next) = &found.next {
        xml.text("NextKeyMarker", shared.written(&next.place.path));
        xml.some("NextVersionIdMarker", next.version.map(|id| id.to_string()));
    }
    for version in &found.versions {
        entry(&mut xml, &shared, &bucket, version);
    }
    shared.folders(&mut xml, &found.folders);
    Ok(xml.answer())
}

async fn read(
    call: &Call<'_>,
    shared: &Shared<'_>,
    bucket: &BucketRow,
    after: Option<Place>,
    version: Option<VersionId>,
) -> Result<Listing> {
    match shared.asked(after) {
        Some(asked) => Ok(ops::list(call.ctx, bucket.id, &asked, version).await?),
        None => Ok(Listing::default()),
    }
}

fn entry(xml: &mut Writer, shared: &Shared<'_>, bucket: &BucketRow, version: &VersionRow) {
    xml.open("Version");
    xml.text("Key", shared.written(&version.path));
    xml.text("VersionId", version.id.to_string());
    xml.text("IsLatest", if version.is_current { "true" } else { "false" });
    xml.text("LastModified", time(version.created_at));
    xml.text("ETag", quoted(&version.etag));
    xml.text("Size", version.size.to_string());
    bucket::owner(xml, bucket.owner);
    xml.text("StorageClass", "STANDARD");
    xml.close();
}
