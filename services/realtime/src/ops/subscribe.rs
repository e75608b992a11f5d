//! Following a channel: from where somebody was, without a gap and without anything twice.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stoa_db::Db;
use stoa_events::Channel;
use stoa_kernel::{Principal, Reason, UserId};

use super::{
    access::{self, Wish},
    presence,
};
use crate::{
    ctx::Ctx,
    error::Error,
    hub::{Connection, Followed, Frame, Joined, Published},
    store::{self, channels::Head},
};

/// How often what was published meanwhile is read anew, before it is given up.
const TRIES: u32 = 20;
/// For somebody who may not follow a channel any more.
const FORBIDDEN: &str = "forbidden";

/// How far somebody had come when they were there last.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    /// As the subscription said; empty if nothing had been published yet.
    pub(crate) epoch: String,
    /// Of the last message that they have.
    pub(crate) offset: i64,
}

/// The answer to a subscription.
#[derive(Debug, Serialize)]
pub(crate) struct Subscribed {
    pub(crate) channel: Channel,
    pub(crate) epoch: String,
    /// Of the last message before those that are sent from now on, or, after a recovery, of the last that was recovered.
    pub(crate) offset: i64,
    /// Whether all that was missed follows. None where nothing was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recovered: Option<bool>,
}

/// Has `connection` follow the channel. `reply` makes what it is told first; what was missed, and then what is published, comes behind it.
///
/// # Errors
/// As [`access::allow`]; [`Error::AlreadySubscribed`], [`Error::TooManySubscriptions`].
pub(crate) async fn subscribe(
    ctx: &Ctx,
    connection: &Arc<Connection>,
    principal: &Principal,
    channel: &Channel,
    from: Option<Position>,
    reply: impl Fn(&Subscribed) -> Option<Frame>,
) -> Result<(), Error> {
    let allowed = access::allow(ctx, principal, channel, Wish::Follow).await?;
    let joining = Joining::begin(ctx, connection, channel, allowed.reason)?;
    let room = || connection.outbox.room();
    let mut missed = Missed::read(&ctx.db, channel, from, (ctx.config.recover_max, room())).await?;
    for _ in 0..TRIES {
        let told = missed.subscribed(channel);
        let frames = reply(&told)
            .into_iter()
            .chain(missed.frames.iter().cloned())
            .collect();
        match ctx
            .hub
            .topics()
            .go_live(channel, connection.id, &missed.head, frames)
        {
            Joined::Live => {
                if ctx.hub.topics().is_behind(channel, missed.head.last_offset) {
                    ctx.hub.look(channel);
                }
                if let Some(recovered) = told.recovered {
                    let all = if recovered { "true" } else { "false" };
                    metrics::counter!("stoa_realtime_recovered_total", "all" => all).increment(1);
                }
                joining.done();
                return Ok(());
            }
            Joined::Behind => missed.read_on(&ctx.db, channel, room()).await?,
            Joined::TooMuch if !missed.frames.is_empty() => {
                let head = store::channels::head(&ctx.db, channel).await?;
                missed.give_up(head);
            }
            Joined::TooMuch => return Err(Error::TooBusy),
            Joined::Left => return Err(Error::TooBusy),
        }
    }
    Err(Error::TooBusy)
}

/// Says of a connection that follows the channel that its user is there.
///
/// # Errors
/// What the database says.
pub(crate) async fn show(
    ctx: &Ctx,
    connection: &Connection,
    user: UserId,
    channel: &Channel,
) -> Result<(), Error> {
    // Noted first: whatever becomes of it, the end of the subscription counts them out.
    if let Some(how) = connection.followed().lock().get_mut(channel) {
        how.present = true;
    }
    presence::enter(ctx, connection, user, channel).await
}

/// Ends a subscription.
///
/// # Errors
/// [`Error::NotSubscribed`].
pub(crate) fn unsubscribe(ctx: &Ctx, connection: &Connection, channel: &Channel) -> Result<(), Error> {
    let how = connection.followed().lock().remove(channel);
    ctx.hub
        .left(channel, connection, how.ok_or(Error::NotSubscribed)?);
    Ok(())
}

/// Looks whether a connection may still follow what it follows, after what its owner may do has changed.
pub(crate) async fn check(ctx: &Ctx, connection: &Arc<Connection>) {
    let followed: Vec<_> = connection.followed().lock().keys().cloned().collect();
    for channel in followed {
        check_one(ctx, connection, &channel).await;
    }
}

/// As [`check`], for what anybody follows by a grant: grants end without a word.
pub(crate) async fn check_grants(ctx: &Ctx) {
    for connection in ctx.hub.connections().all() {
        let by_grant: Vec<_> = {
            let followed = connection.followed().lock();
            let granted = followed.iter().filter(|(_, how)| how.reason == Reason::Grant);
            granted.map(|(channel, _)| channel.clone()).collect()
        };
        for channel in by_grant {
            check_one(ctx, &connection, &channel).await;
        }
    }
}

/// Where auth cannot be asked, what was known holds.
async fn check_one(ctx: &Ctx, connection: &Arc<Connection>, channel: &Channel) {
    let Some(principal) = connection.principal() else {
        return;
    };
    match access::allow(ctx, &principal, channel, Wish::Follow).await {
        Ok(allowed) => {
            if let Some(how) = connection.followed().lock().get_mut(channel) {
                how.reason = allowed.reason;
            }
        }
        Err(Error::Db(_) | Error::Access(_)) => {}
        Err(_) => ctx.hub.expel(channel, connection, FORBIDDEN),
    }
}

/// A subscription that is not complete yet. Dropped before [`Joining::done`], there is none.
struct Joining<'a> {
    ctx: &'a Ctx,
    connection: &'a Connection,
    channel: Option<&'a Channel>,
}

impl<'a> Joining<'a> {
    fn begin(
        ctx: &'a Ctx,
        connection: &'a Arc<Connection>,
        channel: &'a Channel,
        reason: Reason,
    ) -> Result<Self, Error> {
        {
            let mut followed = connection.followed().lock();
            if followed.contains_key(channel) {
                return Err(Error::AlreadySubscribed);
            }
            let most = ctx.config.subscriptions_per_connection;
            if followed.len() >= most {
                return Err(Error::TooManySubscriptions(most));
            }
            let how = Followed {
                reason,
                present: false,
            };
            followed.insert(channel.clone(), how);
        }
        ctx.hub.topics().join(channel, connection);
        Ok(Self {
            ctx,
            connection,
            channel: Some(channel),
        })
    }

    fn done(mut self) {
        self.channel = None;
    }
}

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        if let Some(channel) = self.channel {
            self.connection.followed().lock().remove(channel);
            self.ctx.hub.topics().leave(channel, self.connection.id);
        }
    }
}

/// What somebody has missed, as far as it was read.
struct Missed {
    /// Up to where it was read.
    head: Head,
    frames: Vec<Frame>,
    /// What the frames take up.
    bytes: usize,
    recovered: Option<bool>,
}

impl Missed {
    /// Reads so many messages at most, and so many bytes.
    async fn read(
        db: &Db,
        channel: &Channel,
        from: Option<Position>,
        most: (u32, usize),
    ) -> Result<Self, stoa_db::Error> {
        let head = store::channels::head(db, channel).await?;
        let mut missed = Self {
            head: head.clone(),
            frames: Vec::new(),
            bytes: 0,
            recovered: None,
        };
        let Some(from) = from else { return Ok(missed) };
        let all = missed.recover(db, channel, &from, most).await?;
        missed.recovered = Some(all);
        if !all {
            missed.give_up(head);
        }
        Ok(missed)
    }

    /// Reads what lies between; false if it is not all there, or more than may be sent.
    async fn recover(
        &mut self,
        db: &Db,
        channel: &Channel,
        from: &Position,
        (most, bytes): (u32, usize),
    ) -> Result<bool, stoa_db::Error> {
        let from_the_beginning = from.epoch.is_empty() && from.offset == 0;
        let last = self.head.last_offset;
        if (from.epoch != self.head.epoch && !from_the_beginning) || from.offset < 0 || from.offset > last {
            return Ok(false);
        }
        if last - from.offset > i64::from(most) {
            return Ok(false);
        }
        self.head.last_offset = from.offset;
        self.read_all(db, channel, most, bytes).await?;
        Ok(self.head.last_offset >= last && self.bytes <= bytes)
    }

    /// Reads what was published since.
    async fn read_on(&mut self, db: &Db, channel: &Channel, bytes: usize) -> Result<(), stoa_db::Error> {
        let now = store::channels::head(db, channel).await?;
        if self.head.epoch != now.epoch && !self.head.epoch.is_empty() {
            // The numbering has begun anew.
            self.give_up(now);
            return Ok(());
        }
        self.head.epoch.clone_from(&now.epoch);
        let room = bytes.saturating_sub(self.bytes);
        self.read_all(db, channel, 1000, room).await?;
        if self.bytes > bytes {
            self.give_up(now);
        }
        Ok(())
    }

    /// Nothing of what was missed is sent; what is published behind `head` is.
    fn give_up(&mut self, head: Head) {
        self.frames.clear();
        self.bytes = 0;
        self.recovered = self.recovered.map(|_| false);
        self.head = head;
    }

    /// Reads messages that follow the head, each the next of the one before, and moves the head behind them.
    async fn read_all(
        &mut self,
        db: &Db,
        channel: &Channel,
        most: u32,
        bytes: usize,
    ) -> Result<(), stoa_db::Error> {
        let epoch: crate::hub::Epoch = self.head.epoch.as_str().into();
        for row in store::messages::after(db, channel, self.head.last_offset, most, bytes).await? {
            if row.position != self.head.last_offset + 1 {
                break;
            }
            self.head.last_offset = row.position;
            let published = Published {
                channel: channel.clone(),
                epoch: Arc::clone(&epoch),
                row,
            };
            let frame = published.frame();
            self.bytes += frame.size();
            self.frames.push(frame);
        }
        Ok(())
    }

    fn subscribed(&self, channel: &Channel) -> Subscribed {
        // Where the messages that follow begin.
        let first = self.frames.first().and_then(|frame| frame.place.as_ref());
        let offset = first.map_or(self.head.last_offset, |place| place.offset - 1);
        Subscribed {
            channel: channel.clone(),
            epoch: self.head.epoch.clone(),
            offset,
            recovered: self.recovered,
        }
    }
}
