//! What storage does later, and at set times.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use stoa_events::{Done, Job, JobError, JobHandler, Retry, Schedule, TxExt as _, Work};
use stoa_kernel::{Owner, Timestamp};

use crate::{
    ctx::Ctx,
    ids::{BlobId, BucketId, ChunkId, OperationId, UploadId},
    ops,
    store::{operations, pending},
};

/// Deadline of jobs that go through many rows or bytes.
pub(crate) const LONG: Duration = Duration::from_secs(600);
/// How long an operation goes on before it is another one's turn.
const TURN: Duration = Duration::from_secs(5);
/// How soon it is looked again whether somebody still reads what is to be deleted.
const READ: Duration = Duration::from_secs(60);
/// What needs the object store is tried again for three days: it may be away for that long.
const PATIENT: Retry = Retry {
    attempts: 100,
    base: Duration::from_secs(5),
    max: Duration::from_secs(3600),
};

/// Deletes the bytes of blobs that no version has any more.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "storage.delete_blobs")]
pub(crate) struct DeleteBlobs {
    pub(crate) blob_ids: Vec<BlobId>,
}

/// Deletes bytes that were a part's of an upload or a rendition's.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "storage.delete_chunks")]
pub(crate) struct DeleteChunks {
    pub(crate) chunk_ids: Vec<ChunkId>,
}

/// Deletes all that an owner has who is erased, a batch at a time.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "storage.erase_owner")]
pub(crate) struct EraseOwner {
    pub(crate) owner: Owner,
}

/// Deletes the parts of an upload that no object has.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "storage.discard_upload")]
pub(crate) struct DiscardUpload {
    pub(crate) upload_id: UploadId,
}

/// Gives up all uploads of a bucket that was deleted.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "storage.discard_uploads")]
pub(crate) struct DiscardUploads {
    pub(crate) bucket_id: BucketId,
}

/// Does what is to be done to all objects under a prefix.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "storage.run_operation")]
pub(crate) struct RunOperation {
    pub(crate) operation_id: OperationId,
}

/// Deletes what was stored for versions that never came.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "storage.sweep")]
pub(crate) struct Sweep {}

/// Deletes for good what can be restored no more.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "storage.purge")]
pub(crate) struct Purge {}

/// Compares stored bytes with their checksums.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "storage.verify")]
pub(crate) struct Verify {}

pub(crate) fn handlers(ctx: &Ctx) -> Vec<JobHandler> {
    vec![
        JobHandler::with(ctx, delete_blobs).deadline(LONG).retry(PATIENT),
        JobHandler::with(ctx, delete_chunks).deadline(LONG).retry(PATIENT),
        JobHandler::with(ctx, erase_owner).deadline(LONG).retry(PATIENT),
        JobHandler::with(ctx, discard_upload)
            .deadline(LONG)
            .retry(PATIENT),
        JobHandler::with(ctx, discard_uploads)
            .deadline(LONG)
            .retry(PATIENT),
        JobHandler::with(ctx, run_operation).deadline(LONG),
        JobHandler::with(ctx, sweep).deadline(LONG),
        JobHandler::with(ctx, purge).deadline(LONG),
        JobHandler::with(ctx, verify).deadline(LONG),
    ]
}

pub(crate) fn schedules() -> Vec<Schedule> {
    vec![
        Schedule::new("storage.sweep", "11 * * * *", Sweep {}),
        Schedule::new("storage.purge", "29 * * * *", Purge {}),
        Schedule::new("storage.verify", "*/10 * * * *", Verify {}),
    ]
}

/// Has what a former run left swept, if it left something.
pub(crate) async fn start(ctx: Ctx) -> Result<(), String> {
    let sweep = async {
        if !pending::any(&ctx.db).await? {
            return Ok(());
        }
        let mut tx = ctx.db.begin().await?;
        tx.enqueue(&Sweep {}).await?;
        tx.commit().await
    };
    sweep.await.map_err(|error: stoa_db::Error| error.to_string())
}

async fn delete_blobs(ctx: Ctx, work: Work<DeleteBlobs>) -> Result<Done, JobError> {
    let blob_ids = ops::remove::bytes(&ctx, &work.payload().blob_ids).await?;
    if blob_ids.is_empty() {
        return work.done().await;
    }
    let again = ctx.clock.now().checked_add(READ).unwrap_or(Timestamp::MAX);
    let mut tx = work.begin().await?;
    tx.enqueue_at(&DeleteBlobs { blob_ids }, again).await?;
    work.commit(tx).await
}

async fn delete_chunks(ctx: Ctx, work: Work<DeleteChunks>) -> Result<Done, JobError> {
    ops::remove::bytes_of_chunks(&ctx, &work.payload().chunk_ids).await?;
    work.done().await
}

async fn erase_owner(ctx: Ctx, work: Work<EraseOwner>) -> Result<Done, JobError> {
    let is_more = ops::erasure::erase_some(&ctx, work.payload().owner).await?;
    let mut tx = work.begin().await?;
    if is_more {
        tx.enqueue(work.payload()).await?;
    }
    work.commit(tx).await
}

async fn discard_upload(ctx: Ctx, work: Work<DiscardUpload>) -> Result<Done, JobError> {
    ops::uploads::discard::discard(&ctx, work.payload().upload_id).await?;
    work.done().await
}

async fn discard_uploads(ctx: Ctx, work: Work<DiscardUploads>) -> Result<Done, JobError> {
    ops::uploads::discard::of_bucket(&ctx, work.payload().bucket_id).await?;
    work.done().await
}

/// A few seconds at a time, so that other work has its turn.
async fn run_operation(ctx: Ctx, work: Work<RunOperation>) -> Result<Done, JobError> {
    let begun = Instant::now();
    let found = operations::get(&ctx.db, work.payload().operation_id).await?;
    let mut next = found.filter(|operation| operation.finished_at.is_none());
    while let Some(operation) = next {
        if begun.elapsed() > TURN {
            let mut tx = work.begin().await?;
            tx.enqueue(work.payload()).await?;
            return work.commit(tx).await;
        }
        next = ops::operations::advance(&ctx, &operation).await?;
    }
    work.done().await
}

async fn sweep(ctx: Ctx, work: Work<Sweep>) -> Result<Done, JobError> {
    ops::sweep::sweep(&ctx, ctx.db.steady_now().await).await?;
    work.done().await
}

async fn purge(ctx: Ctx, work: Work<Purge>) -> Result<Done, JobError> {
    let now = ctx.db.steady_now().await;
    ops::purge::purge(&ctx, now).await?;
    ops::operations::purge(&ctx, now).await?;
    ops::links::purge(&ctx, now).await?;
    ops::revocations::purge(&ctx, now).await?;
    ops::renditions::unused(&ctx, now).await?;
    ops::reading::purge(&ctx, now).await?;
    work.done().await
}

async fn verify(ctx: Ctx, work: Work<Verify>) -> Result<Done, JobError> {
    ops::verify::verify(&ctx).await?;
    work.done().await
}
