//! Renditions: pictures made smaller for who looks at them, kept as long as somebody does. The bytes are stored before the row that
//! names them, as all bytes are.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use stoa_cache::{LimitKey, Limiter};
use stoa_db::Tx;
use stoa_kernel::{Id, Owner, Timestamp};
use stoa_pictures::{Format, PictureLimits, Renderer, Rendering};

use super::{
    BATCH, get,
    intake::{self, Expected, Stored},
    pending::{GIVEN_UP, Room},
    remove,
};
use crate::{
    StorageConfig,
    ctx::Ctx,
    error::Error,
    ids::BlobId,
    kind,
    lanes::Lanes,
    store::{
        blobs,
        buckets::BucketRow,
        owners, pending,
        renditions::{self, RenditionRow},
        versions::VersionRow,
    },
};

/// Pictures that are read into memory at once, in which networks take turns, and how long one waits for its turn to be.
const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(10);
/// Use is noted so often, so that not every reader writes.
const NOTED: Duration = Duration::from_secs(3600);
/// What one transaction evicts at most.
const EVICTED: u32 = 50;

/// What makes them. Cheap to clone; clones are the same.
#[derive(Clone)]
pub(crate) struct Renditions(Arc<Inner>);

struct Inner {
    renderer: Renderer,
    /// New ones, by the address that asks.
    limiter: Limiter,
    reading: Lanes,
    /// Those that are being made, so that each is made once.
    under_way: UnderWay,
}

type Key = (BlobId, String);

/// Renditions that are wanted, each with the turn of who makes it.
#[derive(Clone, Default)]
struct UnderWay(Arc<Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>>);

/// A place among those who want the same one. The last takes the entry away, also where its request ends early.
struct Place {
    under_way: UnderWay,
    key: Key,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl UnderWay {
    fn place(&self, key: Key) -> Place {
        let turn = Arc::clone(self.0.lock().entry(key.clone()).or_default());
        Place {
            under_way: self.clone(),
            key,
            turn,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.under_way.0.lock();
        // This one's, and the entry's.
        if Arc::strong_count(&self.turn) <= 2 {
            under_way.remove(&self.key);
        }
    }
}

impl Renditions {
    pub(crate) fn new(config: &StorageConfig, limiter: Limiter) -> Self {
        let limits = PictureLimits {
            max_pixels: config.rendition_source_side,
            size: 1,
            memory_bytes: config.rendition_memory_bytes,
        };
        Self(Arc::new(Inner {
            renderer: Renderer::new(limits),
            limiter,
            reading: Lanes::new(AT_ONCE),
            under_way: UnderWay::default(),
        }))
    }
}

/// Whether renditions are made of what has this type, and in which format if none is asked for.
pub(crate) fn own_format(media_type: &str) -> Option<Format> {
    match &*kind::essence(media_type) {
        "image/jpeg" => Some(Format::Jpeg),
        "image/webp" => Some(Format::WebP),
        "image/png" | "image/gif" => Some(Format::Png),
        _ => None,
    }
}

/// How it was made, in one spelling.
fn variant(rendering: &Rendering) -> String {
    let side = |side: Option<u32>| side.map_or_else(String::new, |side| side.to_string());
    let (width, height) = (side(rendering.width), side(rendering.height));
    let kind = rendering.format.media_type();
    let quality = match rendering.format {
        Format::Png => 0,
        _ => rendering.quality,
    };
    let fit = match (rendering.width, rendering.height) {
        (Some(_), Some(_)) => format!("{:?}", rendering.fit).to_lowercase(),
        _ => String::new(),
    };
    format!("{width}x{height} {fit} {kind} {quality}")
}

/// The rendition of a version, which is made if it is not there yet: as a version that has its bytes.
///
/// # Errors
/// When it is no picture that can be read, there are too many new ones from the address, or too many wait.
pub(crate) async fn rendition(
    ctx: &Ctx,
    bucket: &BucketRow,
    version: &VersionRow,
    rendering: Rendering,
    address: IpAddr,
) -> Result<VersionRow, Error> {
    if version.is_damaged {
        return Err(Error::Damaged);
    }
    let variant = variant(&rendering);
    if let Some(found) = kept(ctx, version, &variant).await? {
        return Ok(found);
    }
    let place = ctx.renditions.0.under_way.place((version.blob_id, variant));
    let _turn = place.turn.lock().await;
    let variant = &place.key.1;
    match kept(ctx, version, variant).await? {
        Some(found) => Ok(found),
        None => make(ctx, bucket, version, (rendering, variant), address).await,
    }
}

async fn kept(ctx: &Ctx, version: &VersionRow, variant: &str) -> Result<Option<VersionRow>, Error> {
    let Some(row) = renditions::get(&ctx.db, version.blob_id, variant).await? else {
        return Ok(None);
    };
    let now = ctx.clock.now();
    let before = now.checked_sub(NOTED).unwrap_or(Timestamp::MIN);
    if row.used_at < before {
        renditions::used(&ctx.db, row.id, now, before).await?;
    }
    Ok(Some(version_of(version, &row)))
}

/// The version as if it had the bytes of the rendition.
fn version_of(version: &VersionRow, row: &RenditionRow) -> VersionRow {
    let (folder, name) = version
        .path
        .rsplit_once('/')
        .map_or(("", &*version.path), |parts| parts);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let ending = row.media_type.strip_prefix("image/").unwrap_or_default();
    VersionRow {
        path: format!("{folder}/{stem}.{ending}"),
        blob_id: Id::from_uuid(row.id.uuid()),
        chunks: 1,
        size: row.size,
        media_type: row.media_type.clone(),
        etag: row.etag.clone(),
        sha256: None,
        ..version.clone()
    }
}

async fn make(
    ctx: &Ctx,
    bucket: &BucketRow,
    version: &VersionRow,
    (rendering, variant): (Rendering, &str),
    address: IpAddr,
) -> Result<VersionRow, Error> {
    let inner = &ctx.renditions.0;
    let max = ctx.config.rendition_source_bytes;
    if version.size > max {
        return Err(Error::TooLargeToRender(max));
    }
    let verdict = inner.limiter.check(LimitKey::address(address)).await;
    if let Some(verdict) = verdict.filter(|verdict| !verdict.allowed) {
        return Err(Error::TooManyRenditions(verdict.retry_after));
    }
    let Some(_reading) = inner.reading.lane(address, PATIENCE).await else {
        return Err(Error::Busy("too many pictures are waiting to be made smaller"));
    };
    let size = version.size.unsigned_abs();
    let pieces: Vec<Bytes> = get::open(ctx, version, 0..size).await?.try_collect().await?;
    let made = inner
        .renderer
        .render(pieces.concat().into(), rendering, address)
        .await?;
    metrics::counter!("storage_renditions_total").increment(1);
    let media_type = rendering.format.media_type();
    let expected = Expected {
        length: i64::try_from(made.bytes.len()).ok(),
        max: i64::MAX,
        media_type: Some(media_type.to_owned()),
        room: Room::Reserved,
        ..Expected::default()
    };
    let body = stream::iter([Ok(made.bytes)]).boxed();
    let stored = intake::store(ctx, bucket.owner, expected, body).await?;
    let row = RenditionRow {
        id: Id::from_uuid(stored.pending.id.uuid()),
        blob_id: version.blob_id,
        variant: variant.to_owned(),
        owner: bucket.owner,
        size: stored.size,
        media_type: media_type.to_owned(),
        etag: hex::encode(stored.md5),
        used_at: ctx.clock.now(),
    };
    match name(ctx, &row, &stored).await {
        Ok(true) => stored.pending.arrived(),
        Ok(false) => {
            // Another process was quicker.
            stored.pending.abandon().await;
            return kept(ctx, version, variant).await?.ok_or(Error::NotFound);
        }
        Err(error) => {
            stored.pending.abandon().await;
            return Err(error);
        }
    }
    Ok(version_of(version, &row))
}

/// The transaction by which the rendition is there, and others are not any more for which there is no room. False if there is one.
async fn name(ctx: &Ctx, row: &RenditionRow, stored: &Stored) -> Result<bool, Error> {
    let mut tx = ctx.db.begin().await?;
    if !owners::lock(&mut tx, row.owner).await? {
        return Err(Error::Erased);
    }
    // A deletion of the blob from now on finds the rendition.
    if !blobs::is_used(&mut tx, row.blob_id).await? {
        return Err(Error::NotFound);
    }
    pending::arrived(&mut tx, stored.pending.id)
        .await?
        .ok_or(GIVEN_UP)?;
    if !renditions::insert(&mut tx, row).await? {
        tx.rollback().await;
        return Ok(false);
    }
    let all = owners::add_renditions(&mut tx, row.owner, row.size).await?;
    evict(&mut tx, ctx, row, all).await?;
    tx.commit().await?;
    Ok(true)
}

/// Deletes those that were not used for the longest time, where a picture has too many, or an owner too much.
async fn evict(tx: &mut Tx, ctx: &Ctx, new: &RenditionRow, mut all: i64) -> Result<(), Error> {
    let mut chunk_ids = Vec::new();
    if renditions::count(tx, new.blob_id).await? > ctx.config.renditions_per_object {
        for row in renditions::of_blob(tx, new.blob_id, 2).await? {
            if row.id != new.id && row.owner == new.owner && chunk_ids.is_empty() {
                all = drop_row(tx, &row, all).await?;
                chunk_ids.push(row.id);
            }
        }
    }
    if all > ctx.config.renditions_max_bytes {
        for row in renditions::of_owner(tx, new.owner, EVICTED).await? {
            if all <= ctx.config.renditions_max_bytes {
                break;
            }
            if row.id != new.id {
                all = drop_row(tx, &row, all).await?;
                chunk_ids.push(row.id);
            }
        }
    }
    remove::chunks(tx, chunk_ids).await
}

/// Deletes the row of one; what its owner has left, of which that is not another one.
async fn drop_row(tx: &mut Tx, row: &RenditionRow, all: i64) -> Result<i64, Error> {
    match renditions::delete(tx, row.id).await? {
        Some(size) => {
            owners::add_renditions(tx, row.owner, -size).await?;
            Ok(all - size)
        }
        None => Ok(all),
    }
}

/// Deletes all renditions of a blob that no version has.
pub(crate) async fn of_blob(ctx: &Ctx, blob: BlobId) -> Result<(), Error> {
    loop {
        let mut tx = ctx.db.begin().await?;
        let found = renditions::of_blob(&mut tx, blob, BATCH).await?;
        delete(tx, &found).await?;
        if found.len() < BATCH as usize {
            return Ok(());
        }
    }
}

/// Deletes those that were not used for `renditions_keep`.
pub(crate) async fn unused(ctx: &Ctx, now: Timestamp) -> Result<(), Error> {
    let before = now
        .checked_sub(ctx.config.renditions_keep.0)
        .unwrap_or(Timestamp::MIN);
    loop {
        let found = renditions::unused(&ctx.db, before, BATCH).await?;
        delete(ctx.db.begin().await?, &found).await?;
        if found.len() < BATCH as usize {
            return Ok(());
        }
    }
}

async fn delete(mut tx: Tx, found: &[RenditionRow]) -> Result<(), Error> {
    // Owners before their renditions, as where one is made, and always in one order.
    let mut all: Vec<Owner> = found.iter().map(|row| row.owner).collect();
    all.sort_by_key(|owner| (owner.kind(), owner.uuid()));
    all.dedup();
    for owner in all {
        owners::lock(&mut tx, owner).await?;
    }
    for row in found {
        drop_row(&mut tx, row, 0).await?;
    }
    remove::chunks(&mut tx, found.iter().map(|row| row.id).collect()).await?;
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use stoa_pictures::Fit;

    use super::*;

    #[tokio::test]
    async fn nothing_is_left_of_a_request_that_ends_early() {
        let under_way = UnderWay::default();
        let key = || (Id::from_uuid(uuid::Uuid::nil()), String::new());
        let first = under_way.place(key());
        let turn = first.turn.lock().await;
        let second = under_way.place(key());
        let waits = tokio::time::timeout(Duration::from_millis(1), second.turn.lock());
        assert!(waits.await.is_err());
        drop(second);
        assert_eq!(under_way.0.lock().len(), 1);
        drop(turn);
        drop(first);
        assert!(under_way.0.lock().is_empty());
    }

    #[test]
    fn what_comes_to_the_same_has_one_spelling() {
        let rendering = Rendering {
            width: Some(100),
            height: None,
            fit: Fit::Cover,
            format: Format::Png,
            quality: 80,
        };
        assert_eq!(variant(&rendering), "100x  image/png 0");
        let other = Rendering {
            fit: Fit::Inside,
            quality: 20,
            ..rendering
        };
        assert_eq!(variant(&rendering), variant(&other));
        let both = Rendering {
            height: Some(50),
            format: Format::WebP,
            ..rendering
        };
        assert_eq!(variant(&both), "100x50 cover image/webp 80");
    }
}
