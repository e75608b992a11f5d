//! Completing an upload: one transaction makes its parts the chunks of a blob, and a version that has it the current one.

use futures::TryStreamExt;
use md5::{Digest, Md5};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Id, Timestamp};

use super::{begin::most, digests::Digests, part};
use crate::{
    ctx::Ctx,
    error::Error,
    ids::{BlobId, ChunkId, UploadId},
    jobs::DiscardUpload,
    kind,
    ops::{
        conditions::Conditions,
        get::key,
        place::place,
        put::{By, created},
    },
    store::{
        blobs,
        buckets::BucketRow,
        owners,
        parts::{self, PartRow},
        uploads::{self, Outcome, UploadRow},
        versions::VersionRow,
    },
};

/// How long it is remembered what has become of an upload: a request to complete it that is sent again is answered alike as long.
pub(crate) const REMEMBERED: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
/// Parts that are looked at to see what the object begins with.
pub(crate) const FIRST: u32 = 100;

/// The number of a part, and its MD5 as the caller knows it.
pub(crate) type Listed = (i64, Option<Vec<u8>>);

/// How an upload is completed.
#[derive(Default)]
pub(crate) struct Completion {
    /// The parts that make up the object, in rising order; none for all that came.
    pub(crate) listed: Option<Vec<Listed>>,
    /// The least that each part but the last has.
    pub(crate) part_min: i64,
    pub(crate) conditions: Conditions,
}

/// What the object begins with, and the chunks in which that was read.
pub(crate) struct Head {
    bytes: Vec<u8>,
    chunks: Vec<ChunkId>,
}

/// Completes the upload; what has become of it already, if that was done before.
///
/// # Errors
/// When it is not there, a part that is listed is not or another one, the object is not as the bucket takes it, or the conditions do not
/// hold. Then the upload stays open.
pub(crate) async fn complete(
    ctx: &Ctx,
    by: By<'_>,
    bucket: &BucketRow,
    id: UploadId,
    completion: &Completion,
) -> Result<Outcome, Error> {
    let row = uploads::get(&ctx.db, id).await?.ok_or(Error::NotFound)?;
    if let Some(outcome) = row.outcome {
        return Ok(outcome);
    }
    let head = head(ctx, &row, completion.listed.as_deref()).await?;
    let mut tx = ctx.db.begin().await?;
    let row = match part::open(&mut tx, &row).await {
        Ok(row) => row,
        Err(Error::UploadGone) => {
            let found = uploads::find(&mut tx, id).await?;
            tx.rollback().await;
            return found.and_then(|row| row.outcome).ok_or(Error::UploadGone);
        }
        Err(error) => return Err(error),
    };
    let outcome = compose(&mut tx, ctx, by, bucket, &row, (completion, &head)).await?;
    tx.commit().await?;
    Ok(outcome)
}

/// Makes an object of the open upload, whose owner's row is locked.
pub(crate) async fn compose(
    tx: &mut Tx,
    ctx: &Ctx,
    by: By<'_>,
    bucket: &BucketRow,
    row: &UploadRow,
    (completion, head): (&Completion, &Head),
) -> Result<Outcome, Error> {
    let all = parts::all(tx, row.id).await?;
    let chosen = chosen(&all, completion)?;
    let was_replaced = |(part, read): (&&PartRow, &ChunkId)| part.chunk_id != *read;
    if chosen.iter().zip(&head.chunks).any(was_replaced) {
        return Err(Error::Busy("a part was replaced while its upload was completed"));
    }
    let version = version_of(ctx, bucket, row, &chosen, head)?;
    let now = version.created_at;
    blobs::insert_composed(tx, version.blob_id, version.chunks).await?;
    for run in runs(&all, &chosen) {
        parts::become_chunks(tx, row.id, run, version.blob_id).await?;
    }
    owners::give(tx, row.owner, 0, row.reserved - version.size).await?;
    owners::give_upload(tx, row.owner).await?;
    let sniffed = kind::sniff(&head.bytes);
    let (version, is_new) = place(tx, bucket.id, version, sniffed, &completion.conditions).await?;
    let outcome = Outcome::Stored {
        version_id: version.id,
        object_id: version.object_id,
        etag: version.etag.clone(),
        size: version.size,
        is_new,
    };
    let until = now.checked_add(REMEMBERED).unwrap_or(Timestamp::MAX);
    uploads::close(tx, row.id, (uploads::COMPLETE, Some(&outcome)), until).await?;
    if chosen.len() < all.len() {
        tx.enqueue(&DiscardUpload { upload_id: row.id }).await?;
    }
    created(tx, by, bucket, &version, "object.create").await?;
    Ok(outcome)
}

/// The parts that the object is made of.
fn chosen<'a>(all: &'a [PartRow], completion: &Completion) -> Result<Vec<&'a PartRow>, Error> {
    let Some(listed) = &completion.listed else {
        return Ok(all.iter().collect());
    };
    if !listed.is_sorted_by(|one, next| one.0 < next.0) {
        return Err(Error::PartOrder);
    }
    let mut chosen = Vec::with_capacity(listed.len());
    for (place, (number, md5)) in listed.iter().enumerate() {
        let found = all.binary_search_by_key(number, |part| part.number);
        let part = found.ok().and_then(|at| all.get(at));
        let part = part.filter(|part| md5.as_ref().is_none_or(|md5| *md5 == part.md5));
        let part = part.ok_or(Error::NoSuchPart(*number))?;
        if part.size < completion.part_min && place + 1 < listed.len() {
            return Err(Error::PartTooSmall(*number));
        }
        chosen.push(part);
    }
    Ok(chosen)
}

/// The first and last numbers of those parts of which none between them is left out.
fn runs(all: &[PartRow], chosen: &[&PartRow]) -> Vec<(i64, i64)> {
    let mut chosen = chosen.iter().map(|part| part.number).peekable();
    let mut runs: Vec<(i64, i64)> = Vec::new();
    let mut goes_on = false;
    for part in all {
        let is_chosen = chosen.next_if_eq(&part.number).is_some();
        match runs.last_mut() {
            Some(run) if is_chosen && goes_on => run.1 = part.number,
            _ if is_chosen => runs.push((part.number, part.number)),
            _ => {}
        }
        goes_on = is_chosen;
    }
    runs
}

fn version_of(
    ctx: &Ctx,
    bucket: &BucketRow,
    row: &UploadRow,
    chosen: &[&PartRow],
    head: &Head,
) -> Result<VersionRow, Error> {
    let size: i64 = chosen.iter().map(|part| part.size).sum();
    if size > most(ctx, Some(bucket)) {
        return Err(Error::TooLarge(most(ctx, Some(bucket))));
    }
    let (etag, sha256) = checksums(row, chosen);
    // The only chunk of a blob has the blob's id.
    let blob_id = match chosen {
        [] => return Err(Error::NoSuchPart(1)),
        [only] => BlobId::from_uuid(only.chunk_id.uuid()),
        _ => Id::new(&ctx.clock),
    };
    Ok(VersionRow {
        id: Id::new(&ctx.clock),
        bucket_id: bucket.id,
        path: row.path.clone().ok_or(Error::NotFound)?,
        object_id: Id::new(&ctx.clock),
        blob_id,
        chunks: i64::try_from(chosen.len()).unwrap_or(i64::MAX),
        size,
        media_type: head.media_type(row, bucket)?,
        etag,
        sha256,
        metadata: row.metadata.clone(),
        is_damaged: false,
        is_current: true,
        created_at: ctx.clock.now(),
        deleted_at: None,
        purge_at: None,
    })
}

/// The MD5 and SHA-256 of what came one after the other; else the MD5 of the parts' MD5s and how many they are, as on S3.
fn checksums(row: &UploadRow, chosen: &[&PartRow]) -> (String, Option<Vec<u8>>) {
    if let Some(digests) = row.digests.as_deref().and_then(Digests::read) {
        let (md5, sha256) = digests.finish();
        return (hex::encode(md5), Some(sha256.to_vec()));
    }
    let mut md5 = Md5::new();
    for part in chosen {
        md5.update(&part.md5);
    }
    (format!("{}-{}", hex::encode(md5.finalize()), chosen.len()), None)
}

impl Head {
    /// The media type that the object is kept with.
    ///
    /// # Errors
    /// When the bucket does not take it.
    pub(crate) fn media_type(&self, row: &UploadRow, bucket: &BucketRow) -> Result<String, Error> {
        let media_type = kind::decide(row.media_type.as_deref(), &self.bytes);
        for found in [Some(&*media_type), kind::sniff(&self.bytes)]
            .into_iter()
            .flatten()
        {
            if !kind::is_allowed(&bucket.allowed_types, found) {
                return Err(Error::Type(found.to_owned()));
            }
        }
        Ok(media_type)
    }
}

/// What the object would begin with.
pub(crate) async fn head(ctx: &Ctx, row: &UploadRow, listed: Option<&[Listed]>) -> Result<Head, Error> {
    let first = listed
        .and_then(|listed| listed.first())
        .map_or(1, |first| first.0);
    let found = parts::list(&ctx.db, row.id, first - 1, FIRST).await?;
    let is_listed = |part: &&PartRow| {
        listed.is_none_or(|listed| listed.binary_search_by_key(&part.number, |part| part.0).is_ok())
    };
    let chunks: Vec<ChunkId> = found.iter().filter(is_listed).map(|part| part.chunk_id).collect();
    head_of(ctx, &chunks).await
}

/// What an object would begin with whose first chunks are these.
pub(crate) async fn head_of(ctx: &Ctx, chunks: &[ChunkId]) -> Result<Head, Error> {
    let mut head = Head {
        bytes: Vec::new(),
        chunks: Vec::new(),
    };
    for chunk in chunks {
        let missing = kind::HEAD.saturating_sub(head.bytes.len()) as u64;
        if missing == 0 {
            break;
        }
        let mut stream = ctx.objects.stream_range(&key(*chunk), 0..missing).await?;
        while let Some(piece) = stream.try_next().await? {
            head.bytes.extend_from_slice(&piece);
        }
        head.chunks.push(*chunk);
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: i64, size: i64) -> PartRow {
        PartRow {
            upload_id: UploadId::from_uuid(uuid::Uuid::nil()),
            number,
            chunk_id: ChunkId::from_uuid(uuid::Uuid::from_u128(number.unsigned_abs().into())),
            size,
            md5: vec![u8::try_from(number).unwrap(); 16],
            sha256: Vec::new(),
            received_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn numbers(listed: Option<&[i64]>, part_min: i64) -> Result<Vec<(i64, i64)>, Error> {
        let all = [1, 2, 4, 7, 8, 9].map(|number| part(number, 10 - number));
        let listed = listed.map(|listed| listed.iter().map(|number| (*number, None)).collect());
        let completion = Completion {
            listed,
            part_min,
            ..Completion::default()
        };
        let chosen = chosen(&all, &completion)?;
        Ok(runs(&all, &chosen))
    }

    #[test]
    fn parts_are_taken_in_runs_and_what_is_not_listed_is_left() {
        for (listed, expected) in [
            (None, &[(1, 9)][..]),
            (Some(&[1, 2, 4, 7, 8, 9][..]), &[(1, 9)]),
            (Some(&[1, 4, 7, 9]), &[(1, 1), (4, 7), (9, 9)]),
            (Some(&[2]), &[(2, 2)]),
            (Some(&[8, 9]), &[(8, 9)]),
            (Some(&[]), &[]),
        ] {
            assert_eq!(numbers(listed, 0).unwrap(), expected, "{listed:?}");
        }
    }

    #[test]
    fn parts_that_are_not_there_out_of_order_or_too_small_are_refused() {
        assert!(matches!(numbers(Some(&[1, 3]), 0), Err(Error::NoSuchPart(3))));
        assert!(matches!(numbers(Some(&[2, 1]), 0), Err(Error::PartOrder)));
        assert!(matches!(numbers(Some(&[1, 1]), 0), Err(Error::PartOrder)));
        assert!(matches!(
            numbers(Some(&[1, 7, 9]), 5),
            Err(Error::PartTooSmall(7))
        ));
        assert!(numbers(Some(&[1, 2, 9]), 5).is_ok(), "the last may be small");
        let completion = Completion {
            listed: Some(vec![(1, Some(vec![9; 16]))]),
            ..Completion::default()
        };
        assert!(matches!(
            chosen(&[part(1, 1)], &completion),
            Err(Error::NoSuchPart(1))
        ));
    }
}
