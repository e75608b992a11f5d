//! Appending to an upload. What comes is stored in pieces, each for good before the next begins: so what arrived before a connection
//! broke, or the process was killed, is there.

use stoa_db::Tx;
use stoa_kernel::{Actor, Timestamp};

use super::{
    begin::most,
    complete::{Completion, compose, head_of},
    digests::Digests,
    merge,
    part::{self, arrive},
    source::{Checksum, Source},
    turn::Turn,
};
use crate::{
    ctx::Ctx,
    error::Error,
    ids::{ChunkId, UploadId},
    ops::{
        intake::{self, Body, Expected, Stored},
        pending::Room,
        put::By,
        revocations::{self, Right},
    },
    store::{
        buckets::BucketRow,
        owners, parts,
        uploads::{self, Outcome, UploadRow},
    },
    uploads::Sender,
};

/// Bytes that are stored at a time: at most so much of what has come is lost when the process is killed.
pub(crate) const PIECE: i64 = 8 * 1024 * 1024;
/// Pieces of an upload, by and large: of a very large one each is larger.
const PIECES: i64 = 2000;

/// What is appended.
pub(crate) struct Append {
    /// Where the caller believes the upload to have come to.
    pub(crate) offset: i64,
    /// The length of the whole upload, where it is said now.
    pub(crate) length: Option<i64>,
    /// The length of the body, where it is known.
    pub(crate) announced: Option<i64>,
    pub(crate) checksum: Option<Checksum>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Appended {
    pub(crate) row: UploadRow,
    /// The object, if that is all.
    pub(crate) outcome: Option<Outcome>,
}

/// Appends the body to the upload, and completes it when all has come. What comes of a body with a checksum is kept as a whole or not
/// at all.
///
/// # Errors
/// When another request appends, the offset is another one, the body breaks off, or as [`intake::store`] and [`compose`].
pub(crate) async fn append(
    ctx: &Ctx,
    actor: &Actor,
    bucket: Option<&BucketRow>,
    id: UploadId,
    (append, body): (Append, Body),
) -> Result<Appended, Error> {
    let begun = ctx.clock.now();
    let _upload = ctx.uploads.begin(Sender::of(actor))?;
    let (turn, row) = Turn::take(ctx, id).await?;
    let stop = std::sync::Arc::clone(&turn.stop);
    let mut work = Work {
        ctx,
        actor,
        begun,
        bucket,
        writer: turn.writer,
        row,
        outcome: None,
    };
    let source = Source::new(body, append.checksum.clone(), stop);
    let appended = work.append(&append, &source).await;
    turn.release().await;
    appended.map(|()| Appended {
        row: work.row,
        outcome: work.outcome,
    })
}

struct Work<'a> {
    ctx: &'a Ctx,
    actor: &'a Actor,
    begun: Timestamp,
    bucket: Option<&'a BucketRow>,
    writer: uuid::Uuid,
    row: UploadRow,
    outcome: Option<Outcome>,
}

impl Work<'_> {
    async fn append(&mut self, append: &Append, source: &Source) -> Result<(), Error> {
        if append.offset != self.row.received {
            return Err(Error::Offset(self.row.received));
        }
        if let Some(length) = append.length {
            self.measure(length).await?;
        }
        if append.announced.is_some_and(|announced| announced > self.left()) {
            return Err(Error::TooLarge(self.left()));
        }
        merge::tail(self.ctx, &self.row, self.writer).await?;
        if append.checksum.is_some() {
            return self.as_a_whole(source).await;
        }
        while self.outcome.is_none() && self.left() > 0 && source.has_more().await {
            let stored = self.store(source, self.row.received, self.digests()).await?;
            self.keep(vec![stored]).await?;
        }
        // Of an object without bytes nothing comes.
        if self.is_all() && self.row.numbered == 0 {
            let stored = self.store(source, 0, self.digests()).await?;
            self.keep(vec![stored]).await?;
        }
        source.end().await
    }

    /// Stores all that comes, and keeps it if it is what its checksum says.
    async fn as_a_whole(&mut self, source: &Source) -> Result<(), Error> {
        let mut all: Vec<Stored> = Vec::new();
        let taken = self.take_all(source, &mut all).await;
        let taken = match taken {
            Ok(()) => source.end().await,
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            for stored in all {
                stored.pending.abandon().await;
            }
            return Err(error);
        }
        if all.is_empty() && !(self.is_all() && self.row.numbered == 0) {
            return Ok(());
        }
        self.keep(all).await
    }

    async fn take_all(&self, source: &Source, all: &mut Vec<Stored>) -> Result<(), Error> {
        let mut offset = self.row.received;
        let is_empty = self.is_all() && self.row.numbered == 0;
        while (is_empty && all.is_empty())
            || (offset < self.row.received + self.left() && source.has_more().await)
        {
            let digests = all
                .last()
                .map_or_else(|| self.digests(), |last| last.digests.clone());
            let stored = self.store(source, offset, digests).await?;
            offset += stored.size;
            for earlier in all.iter_mut() {
                earlier.pending.received(earlier.size).await?;
            }
            all.push(stored);
        }
        Ok(())
    }

    fn digests(&self) -> Option<Digests> {
        self.row.digests.as_deref().and_then(Digests::read)
    }

    /// Bytes that may come yet.
    fn left(&self) -> i64 {
        let all = self.row.length.unwrap_or_else(|| most(self.ctx, self.bucket));
        all.saturating_sub(self.row.received)
    }

    fn is_all(&self) -> bool {
        self.bucket.is_some() && self.outcome.is_none() && self.row.length == Some(self.row.received)
    }

    /// Stores the next piece.
    async fn store(&self, source: &Source, offset: i64, digests: Option<Digests>) -> Result<Stored, Error> {
        let end = self.row.received + self.left();
        let size = PIECE
            .max(offset.max(self.row.length.unwrap_or(0)) / PIECES)
            .min(end - offset);
        let expected = Expected {
            max: size,
            room: if self.row.length.is_some() {
                Room::Reserved
            } else {
                Room::Part
            },
            digests,
            ..Expected::default()
        };
        let piece = source.piece(usize::try_from(size).unwrap_or(usize::MAX));
        let stored = intake::store(self.ctx, self.row.owner, expected, piece).await?;
        metrics::counter!("storage_received_bytes_total").increment(stored.size.unsigned_abs());
        Ok(stored)
    }

    /// Makes what was stored parts of the upload; of the last one, the object.
    async fn keep(&mut self, all: Vec<Stored>) -> Result<(), Error> {
        match self.name(&all).await {
            Ok((row, outcome)) => {
                all.into_iter().for_each(|stored| stored.pending.arrived());
                (self.row, self.outcome) = (row, outcome);
                Ok(())
            }
            Err(error) => {
                for stored in all {
                    stored.pending.abandon().await;
                }
                Err(error)
            }
        }
    }

    async fn name(&self, all: &[Stored]) -> Result<(UploadRow, Option<Outcome>), Error> {
        let size: i64 = all.iter().map(|stored| stored.size).sum();
        let is_last = self.bucket.is_some() && self.row.length == Some(self.row.received + size);
        let head = if is_last {
            Some(self.head(all).await?)
        } else {
            None
        };
        let ctx = self.ctx;
        let mut tx = ctx.db.begin().await?;
        let mut row = self.same(&mut tx).await?;
        // It may have come for hours.
        let right = Right::Person(self.actor.user_id);
        revocations::still(ctx, &mut tx, right, self.begun).await?;
        for stored in all {
            let number = row.numbered + 1;
            arrive(&mut tx, ctx, &mut row, number, stored).await?;
        }
        if let Some(last) = all.last() {
            row.digests = last.digests.as_ref().map(Digests::state);
        }
        row.writer_at = Some(ctx.clock.now());
        if !uploads::save(&mut tx, &row).await? {
            return Err(Error::UploadGone);
        }
        let outcome = match (self.bucket, head) {
            (Some(bucket), Some(head)) => {
                let completion = Completion::default();
                let by = By::Actor(self.actor);
                Some(compose(&mut tx, ctx, by, bucket, &row, (&completion, &head)).await?)
            }
            _ => None,
        };
        tx.commit().await?;
        Ok((row, outcome))
    }

    async fn head(&self, all: &[Stored]) -> Result<super::complete::Head, Error> {
        let earlier = parts::list(&self.ctx.db, self.row.id, 0, super::complete::FIRST).await?;
        let mut chunks: Vec<ChunkId> = earlier.iter().map(|part| part.chunk_id).collect();
        chunks.extend(
            all.iter()
                .map(|stored| ChunkId::from_uuid(stored.pending.id.uuid())),
        );
        head_of(self.ctx, &chunks).await
    }

    /// The upload as it is, which is still this request's.
    async fn same(&self, tx: &mut Tx) -> Result<UploadRow, Error> {
        let row = part::open(tx, &self.row).await?;
        if row.writer == Some(self.writer) && row.received == self.row.received {
            Ok(row)
        } else {
            Err(Error::UploadLocked)
        }
    }

    /// Notes how long the upload is, of which that was not known, and takes the room that it needs.
    async fn measure(&mut self, length: i64) -> Result<(), Error> {
        match self.row.length {
            Some(known) if known == length => return Ok(()),
            Some(_) => return Err(Error::Length("It was said before, and is another one")),
            None => {}
        }
        if length < self.row.received {
            return Err(Error::Length("More has come already"));
        }
        let max = most(self.ctx, self.bucket);
        if length > max {
            return Err(Error::TooLarge(max));
        }
        if length == self.row.received && self.row.numbered > 0 && self.bucket.is_some() {
            return self.finish(length).await;
        }
        let mut tx = self.ctx.db.begin().await?;
        let mut row = self.same(&mut tx).await?;
        let most = (i64::MAX, self.ctx.config.bytes_max);
        if !owners::take(&mut tx, row.owner, (0, length - row.reserved), most).await? {
            return Err(Error::Quota);
        }
        (row.length, row.reserved) = (Some(length), length);
        if !uploads::save(&mut tx, &row).await? {
            return Err(Error::UploadGone);
        }
        tx.commit().await?;
        self.row = row;
        Ok(())
    }

    /// Makes the object of what is there, whose length is known only now.
    async fn finish(&mut self, length: i64) -> Result<(), Error> {
        let Some(bucket) = self.bucket else { return Ok(()) };
        let head = self.head(&[]).await?;
        let mut tx = self.ctx.db.begin().await?;
        let mut row = self.same(&mut tx).await?;
        row.length = Some(length);
        if !uploads::save(&mut tx, &row).await? {
            return Err(Error::UploadGone);
        }
        let completion = Completion::default();
        let by = By::Actor(self.actor);
        let outcome = compose(&mut tx, self.ctx, by, bucket, &row, (&completion, &head)).await?;
        tx.commit().await?;
        (self.row, self.outcome) = (row, Some(outcome));
        Ok(())
    }
}
