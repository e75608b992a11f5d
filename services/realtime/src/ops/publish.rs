//! Adding to a channel's history, and telling those who follow it.

use jiff::SignedDuration;
use stoa_db::Tx;
use stoa_events::{Channel, ChannelPublished};
use stoa_kernel::{Principal, UserId, random};
use stoa_service::ChannelInfo;

use super::access::{self, Wish};
use crate::{
    ctx::Ctx,
    error::Error,
    hub::Published,
    store::{self, channels::Head, messages::MessageRow},
};

/// Messages that are deleted with each that is added, at most: a history that was made shorter shrinks by and by.
const TRIM: u32 = 16;

/// What is to be published.
pub(crate) struct New<'a> {
    pub(crate) event: &'a str,
    /// JSON.
    pub(crate) data: &'a str,
    /// None for a service.
    pub(crate) sender: Option<UserId>,
}

/// Adds a message to the history of a channel, in the transaction at hand: no two have one offset, and none is left out.
///
/// # Errors
/// [`Error::Closed`]; what the database says.
pub(crate) async fn append(
    tx: &mut Tx,
    info: &ChannelInfo,
    channel: &Channel,
    new: New<'_>,
) -> Result<Published, Error> {
    let now = tx.clock().now();
    let Head { epoch, last_offset } =
        store::channels::advance(tx, channel, &random::token::<9>(), now).await?;
    // Behind the channel's row, whose lock is also taken to close it.
    if store::channels::is_closed(tx, channel).await? {
        return Err(Error::Closed);
    }
    let row = MessageRow {
        position: last_offset,
        id: tx.new_id(),
        event: new.event.to_owned(),
        data: new.data.to_owned(),
        sender_id: new.sender,
        created_at: now,
    };
    let expires = now + SignedDuration::from_secs(info.history.seconds.into());
    store::messages::insert(tx, channel, &row, expires).await?;
    let oldest = last_offset - i64::from(info.history.size);
    // A few at once, now and then.
    if oldest > 0 && last_offset % i64::from(TRIM / 2) == 0 {
        store::messages::trim(tx, channel, oldest, TRIM).await?;
    }
    Ok(Published {
        channel: channel.clone(),
        epoch: epoch.into(),
        row,
    })
}

/// Publishes what a client sends.
///
/// # Errors
/// As [`access::allow`] and [`append`]; [`Error::TooLarge`].
pub(crate) async fn publish(
    ctx: &Ctx,
    principal: &Principal,
    channel: &Channel,
    event: &str,
    data: &str,
) -> Result<Published, Error> {
    if data.len() > ChannelPublished::MAX_DATA_BYTES {
        return Err(Error::TooLarge);
    }
    let allowed = access::allow(ctx, principal, channel, Wish::Publish).await?;
    let new = New {
        event,
        data,
        sender: Some(principal.user_id),
    };
    let mut tx = ctx.db.begin().await?;
    let published = match append(&mut tx, &allowed.info, channel, new).await {
        Ok(published) => published,
        Err(error) => {
            tx.rollback().await;
            return Err(error);
        }
    };
    let telling = ctx.hub.telling(channel);
    tx.commit().await?;
    telling.tell(&published);
    metrics::counter!("stoa_realtime_published_total", "by" => "client").increment(1);
    ctx.tell_others(&published).await;
    Ok(published)
}
