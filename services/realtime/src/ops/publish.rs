//! Adding to a channel's history, and telling those who follow it.

use std::collections::HashMap;

use jiff::SignedDuration;
use parking_lot::Mutex;
use stoa_db::Tx;
use stoa_events::{Channel, ChannelPublished};
use stoa_kernel::{Principal, UserId, random};
use stoa_service::ChannelInfo;
use tokio::sync::oneshot;

use super::access::{self, Wish};
use crate::{
    ctx::Ctx,
    error::Error,
    hub::Published,
    store::{self, channels::Head, messages::MessageRow},
};

/// With each message of this many, the history is looked at for what is too old.
const TRIM_EVERY: i64 = 8;
/// Messages that are deleted then, at most: a history that was made shorter shrinks by and by.
const TRIM: i64 = 16;
/// Messages of clients that share a transaction, at most.
const BATCH: usize = 64;
/// Messages that may wait for one channel, and bytes of their data.
const MOST: usize = 1024;
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// What is to be published.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) event: String,
    /// JSON.
    pub(crate) data: String,
    /// None for a service.
    pub(crate) sender: Option<UserId>,
}

/// Adds messages to the history of a channel, in the transaction at hand: no two have one offset, and none is left out.
///
/// # Errors
/// [`Error::Closed`]; what the database says.
pub(crate) async fn append(
    tx: &mut Tx,
    info: &ChannelInfo,
    channel: &Channel,
    new: Vec<New>,
) -> Result<Vec<Published>, Error> {
    let now = tx.clock().now();
    let count = i64::try_from(new.len()).unwrap_or(i64::MAX);
    let Head { epoch, last_offset } =
        store::channels::advance(tx, channel, &random::token::<9>(), count, now).await?;
    // Behind the channel's row, whose lock is also taken to close it.
    if store::channels::is_closed(tx, channel).await? {
        return Err(Error::Closed);
    }
    let epoch: crate::hub::Epoch = epoch.into();
    let before = last_offset - count;
    let expires = now + SignedDuration::from_secs(info.history.seconds.into());
    let mut published = Vec::with_capacity(new.len());
    for (position, New { event, data, sender }) in (before + 1..).zip(new) {
        let row = MessageRow {
            position,
            id: tx.new_id(),
            event,
            data,
            sender_id: sender,
            created_at: now,
        };
        store::messages::insert(tx, channel, &row, expires).await?;
        published.push(Published {
            channel: channel.clone(),
            epoch: epoch.clone(),
            row,
        });
    }
    let oldest = last_offset - i64::from(info.history.size);
    // A few at once, now and then.
    let times = last_offset / TRIM_EVERY - before / TRIM_EVERY;
    if oldest > 0 && times > 0 {
        store::messages::trim(tx, channel, oldest, times * TRIM).await?;
    }
    Ok(published)
}

/// What clients publish at the same time. Messages of one channel share a transaction: they have to wait for each other in any case, and so wait once.
#[derive(Default)]
pub(crate) struct Queues(Mutex<HashMap<Channel, Queue>>);

/// What waits for one channel.
#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    bytes: usize,
}

/// What a message came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The client need not wait for the answer: what it has sent is published, also if it is gone by then.
    WebSocket,
    /// Who gives the request up before its turn has not published.
    Request,
}

/// A message that waits for its turn.
struct Waiting {
    new: New,
    by: By,
    done: oneshot::Sender<Result<Published, Error>>,
}

/// A message that is about to be published.
pub(crate) struct Publishing(oneshot::Receiver<Result<Published, Error>>);

impl Waiting {
    fn is_given_up(&self) -> bool {
        self.by == By::Request && self.done.is_closed()
    }
}

impl Publishing {
    /// Returns once the message is in the history.
    ///
    /// # Errors
    /// As [`append`].
    pub(crate) async fn done(&mut self) -> Result<Published, Error> {
        (&mut self.0).await.unwrap_or(Err(Error::TooBusy))
    }
}

/// Publishes what a client sends, behind all that was published to the channel here before.
///
/// # Errors
/// As [`access::allow`]; [`Error::TooLarge`]; [`Error::TooBusy`] where as much waits for the channel as may.
pub(crate) async fn publish(
    ctx: &Ctx,
    principal: &Principal,
    channel: &Channel,
    (event, data): (String, &str),
    by: By,
) -> Result<Publishing, Error> {
    if data.len() > ChannelPublished::MAX_DATA_BYTES {
        return Err(Error::TooLarge);
    }
    let allowed = access::allow(ctx, principal, channel, Wish::Publish).await?;
    let new = New {
        event,
        data: data.to_owned(),
        sender: Some(principal.user_id),
    };
    let (done, publishing) = oneshot::channel();
    if ctx.queues.push(channel, Waiting { new, by, done })? {
        let worker = Worker {
            ctx: ctx.clone(),
            channel: channel.clone(),
            is_done: false,
        };
        tokio::spawn(worker.work_off(allowed.info));
    }
    Ok(Publishing(publishing))
}

impl Queues {
    /// True if nobody works the queue of this channel off yet.
    fn push(&self, channel: &Channel, waiting: Waiting) -> Result<bool, Error> {
        let mut queues = self.0.lock();
        let is_new = !queues.contains_key(channel);
        let queue = queues.entry(channel.clone()).or_default();
        let bytes = queue.bytes + waiting.new.data.len();
        if queue.waiting.len() >= MOST || bytes > MOST_BYTES {
            return Err(Error::TooBusy);
        }
        queue.bytes = bytes;
        queue.waiting.push(waiting);
        Ok(is_new)
    }

    /// The first that wait, in order, without those that were given up; never more than one message may be long, or those who follow the
    /// channel could not take them in. Empty: the queue is gone.
    fn take(&self, channel: &Channel) -> Vec<Waiting> {
        let mut queues = self.0.lock();
        let Some(queue) = queues.get_mut(channel) else {
            return Vec::new();
        };
        queue.waiting.retain(|waiting| !waiting.is_given_up());
        let mut bytes = 0;
        let fits = queue.waiting.iter().take(BATCH).take_while(|waiting| {
            bytes += waiting.new.data.len();
            bytes <= ChannelPublished::MAX_DATA_BYTES
        });
        let count = fits.count();
        let batch: Vec<_> = queue.waiting.drain(..count).collect();
        queue.bytes = queue.waiting.iter().map(|waiting| waiting.new.data.len()).sum();
        if batch.is_empty() {
            queues.remove(channel);
        }
        batch
    }

    fn remove(&self, channel: &Channel) {
        self.0.lock().remove(channel);
    }
}

/// Works the queue of a channel off. If it ends before that, by a panic or with the runtime, the queue goes with it: those who wait are
/// refused, and the next message has a queue of its own.
struct Worker {
    ctx: Ctx,
    channel: Channel,
    is_done: bool,
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.is_done {
            self.ctx.queues.remove(&self.channel);
        }
    }
}

impl Worker {
    /// Publishes what waits for the channel until nothing does.
    async fn work_off(mut self, info: ChannelInfo) {
        let (ctx, channel) = (self.ctx.clone(), self.channel.clone());
        loop {
            let batch = ctx.queues.take(&channel);
            if batch.is_empty() {
                self.is_done = true;
                return;
            }
            let (new, done): (Vec<_>, Vec<_>) = batch.into_iter().map(|one| (one.new, one.done)).unzip();
            // Who does not wait any more is not told.
            match write(&ctx, &info, &channel, new).await {
                Ok(published) => {
                    for (published, done) in published.into_iter().zip(done) {
                        let _ = done.send(Ok(published));
                    }
                }
                Err(error) => {
                    for done in done {
                        let _ = done.send(Err(error.clone()));
                    }
                }
            }
        }
    }
}

async fn write(
    ctx: &Ctx,
    info: &ChannelInfo,
    channel: &Channel,
    new: Vec<New>,
) -> Result<Vec<Published>, Error> {
    let mut tx = ctx.db.begin().await?;
    let published = match append(&mut tx, info, channel, new).await {
        Ok(published) => published,
        Err(error) => {
            tx.rollback().await;
            return Err(error);
        }
    };
    let telling = ctx.hub.telling(channel);
    tx.commit().await?;
    telling.tell(&published);
    metrics::counter!("stoa_realtime_published_total", "by" => "client").increment(published.len() as u64);
    ctx.tell_others(&published).await;
    Ok(published)
}
