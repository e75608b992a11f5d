//! Bytes that are stored before the transaction that names them: what is reserved for them, and what becomes of them when it never
//! comes.

use stoa_kernel::{Id, Owner, Timestamp};

use crate::{
    ctx::Ctx,
    error::Error,
    ids::BlobId,
    ops::get::key,
    store::{
        owners,
        pending::{self, PendingRow},
    },
};

/// So many bytes are reserved at a time for a body of unknown length.
const STEP: i64 = 16 * 1024 * 1024;
/// It is noted anew that an upload goes on so many times within the time after which it is given up.
const NOTES: i64 = 10;

/// Whose room stored bytes take up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Room {
    /// One object's, and that of its bytes.
    #[default]
    Object,
    /// That of the bytes of a part: its upload counts as the object.
    Part,
    /// None of its own: its upload has reserved it.
    Reserved,
}

/// A blob that is being stored. Dropped before it has arrived, it is given up: its bytes are deleted and its room is given back.
pub(crate) struct Pending {
    ctx: Ctx,
    pub(crate) id: BlobId,
    pub(crate) owner: Owner,
    room: Room,
    reserved: i64,
    seen: Timestamp,
    arrived: bool,
}

impl Pending {
    /// Takes the owner's room for `length` bytes, as far as that is known.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn begin(ctx: &Ctx, owner: Owner, room: Room, length: i64) -> Result<Self, Error> {
        let (objects, reserved) = match room {
            Room::Object => (1, length),
            Room::Part => (0, length),
            Room::Reserved => (0, 0),
        };
        let row = PendingRow {
            id: Id::new(&ctx.clock),
            owner,
            objects,
            reserved,
            seen_at: ctx.clock.now(),
        };
        let mut tx = ctx.db.begin().await?;
        if !owners::lock(&mut tx, owner).await? {
            return Err(Error::Erased);
        }
        let most = (ctx.config.objects_max, ctx.config.bytes_max);
        if (objects, reserved) != (0, 0) && !owners::take(&mut tx, owner, (objects, reserved), most).await? {
            return Err(Error::Quota);
        }
        pending::insert(&mut tx, &row).await?;
        tx.commit().await?;
        Ok(Self {
            ctx: ctx.clone(),
            id: row.id,
            owner,
            room,
            reserved,
            seen: row.seen_at,
            arrived: false,
        })
    }

    /// So many bytes have come in all: has room for them, and notes now and then that it goes on.
    ///
    /// # Errors
    /// When there is no room, or it was given up meanwhile.
    pub(crate) async fn received(&mut self, length: i64) -> Result<(), Error> {
        if length > self.reserved && !matches!(self.room, Room::Reserved) {
            let missing = length - self.reserved;
            if !self.reserve(missing.max(STEP)).await? && !self.reserve(missing).await? {
                return Err(Error::Quota);
            }
        }
        let now = self.ctx.clock.now();
        let abandoned = i64::try_from(self.ctx.config.upload_abandoned.0.as_millis()).unwrap_or(i64::MAX);
        if now.as_millisecond() - self.seen.as_millisecond() >= abandoned / NOTES {
            if !pending::seen(&self.ctx.db, self.id, now).await? {
                return Err(GIVEN_UP);
            }
            self.seen = now;
        }
        Ok(())
    }

    async fn reserve(&mut self, bytes: i64) -> Result<bool, Error> {
        let most = (i64::MAX, self.ctx.config.bytes_max);
        let now = self.ctx.clock.now();
        let mut tx = self.ctx.db.begin().await?;
        if !owners::take(&mut tx, self.owner, (0, bytes), most).await? {
            tx.rollback().await;
            return Ok(false);
        }
        if !pending::reserve(&mut tx, self.id, bytes, now).await? {
            return Err(GIVEN_UP);
        }
        tx.commit().await?;
        (self.reserved, self.seen) = (self.reserved + bytes, now);
        Ok(true)
    }

    /// Gives it up, and its room back, before its caller is answered. Should that fail, the sweep does it later.
    pub(crate) async fn abandon(mut self) {
        match give_up(&self.ctx, self.id, self.owner).await {
            Ok(()) => self.arrived = true,
            Err(error) => tracing::warn!(%error, "an unfinished upload is left to the sweep"),
        }
    }

    /// A version has come to have it; the transaction is committed.
    pub(crate) fn arrived(mut self) {
        self.arrived = true;
    }
}

pub(crate) const GIVEN_UP: Error = Error::Busy("the upload took so long that it was given up");

impl Drop for Pending {
    fn drop(&mut self) {
        if self.arrived {
            return;
        }
        let (ctx, id, owner) = (self.ctx.clone(), self.id, self.owner);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Should it fail, the sweep does it later.
                if let Err(error) = give_up(&ctx, id, owner).await {
                    tracing::warn!(%error, "an unfinished upload is left to the sweep");
                }
            });
        }
    }
}

/// Deletes what was stored of a blob that no version has, and gives its room back.
///
/// # Errors
/// What database and object store say.
pub(crate) async fn give_up(ctx: &Ctx, id: BlobId, owner: Owner) -> Result<(), Error> {
    if !pending::give_up(&ctx.db, id).await? {
        return Ok(());
    }
    ctx.objects.discard(&key(Id::from_uuid(id.uuid()))).await?;
    let mut tx = ctx.db.begin().await?;
    owners::lock(&mut tx, owner).await?;
    if let Some((objects, reserved)) = pending::delete(&mut tx, id).await? {
        owners::give(&mut tx, owner, objects, reserved).await?;
    }
    tx.commit().await?;
    Ok(())
}
