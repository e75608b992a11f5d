//! One request at a time appends to an upload. Who asks how far an upload has come goes on from there: so the one that appends, of which
//! nothing may come any more, is asked to make way.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use stoa_kernel::Id;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::{
    ctx::Ctx,
    error::Error,
    ids::UploadId,
    store::uploads::{self, UploadRow},
};

/// How long one that makes way may take to keep what has come to it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of a request of another process of which so long nothing was seen it is believed that it is gone.
const LAPSE: Duration = Duration::from_secs(300);

/// The requests of this process that append. Cheap to clone; clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Writers(Arc<Mutex<HashMap<UploadId, Writer>>>);

#[derive(Clone)]
struct Writer {
    stop: Arc<Notify>,
    ended: watch::Receiver<()>,
}

/// The right to append, until it is dropped.
pub(crate) struct Turn {
    ctx: Ctx,
    id: UploadId,
    pub(crate) writer: Uuid,
    /// Notified when it is to make way.
    pub(crate) stop: Arc<Notify>,
    _ended: watch::Sender<()>,
}

impl Turn {
    /// Takes the upload, which is returned as it is.
    ///
    /// # Errors
    /// When another request appends to it, or it is not open.
    pub(crate) async fn take(ctx: &Ctx, id: UploadId) -> Result<(Self, UploadRow), Error> {
        let stop = Arc::new(Notify::new());
        let (sender, ended) = watch::channel(());
        {
            let mut writers = ctx.writers.0.lock();
            if writers.contains_key(&id) {
                return Err(Error::UploadLocked);
            }
            let writer = Writer {
                stop: Arc::clone(&stop),
                ended,
            };
            writers.insert(id, writer);
        }
        let turn = Self {
            ctx: ctx.clone(),
            id,
            writer: Id::<()>::new(&ctx.clock).uuid(),
            stop,
            _ended: sender,
        };
        let now = ctx.clock.now();
        let lapsed = now.checked_sub(LAPSE).unwrap_or(now);
        let is_taken = uploads::take(&ctx.db, id, (turn.writer, now), lapsed).await?;
        let row = uploads::get(&ctx.db, id).await?.ok_or(Error::NotFound)?;
        if row.state != uploads::OPEN {
            return Err(Error::UploadGone);
        }
        if is_taken {
            Ok((turn, row))
        } else {
            Err(Error::UploadLocked)
        }
    }

    /// Gives the upload free. Should that fail, it is by the next who asks how far it has come.
    pub(crate) async fn release(self) {
        if let Err(error) = uploads::release(&self.ctx.db, self.id, Some(self.writer)).await {
            tracing::warn!(%error, "an upload is left locked");
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.ctx.writers.0.lock().remove(&self.id);
    }
}

/// The upload, to which nobody appends any more who did: what had come to them is kept.
pub(crate) async fn settle(ctx: &Ctx, row: UploadRow) -> Result<UploadRow, Error> {
    let writer = ctx.writers.0.lock().get(&row.id).cloned();
    if let Some(Writer { stop, mut ended }) = writer {
        stop.notify_one();
        // It ends by dropping its side.
        if tokio::time::timeout(PATIENCE, ended.changed()).await.is_err() {
            return Err(Error::UploadLocked);
        }
    } else if row.writer.is_none() {
        return Ok(row);
    }
    let found = uploads::get(&ctx.db, row.id).await?.ok_or(Error::NotFound)?;
    if let Some(writer) = found.writer {
        // Of another process, or one that was killed. What it stores from now on comes to nothing.
        uploads::release(&ctx.db, row.id, Some(writer)).await?;
        return uploads::get(&ctx.db, row.id).await?.ok_or(Error::NotFound);
    }
    Ok(found)
}
