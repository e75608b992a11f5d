//! Stopping a notification that was not sent yet.

use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::Actor;
use stoa_service::Channel;

use crate::{
    ctx::Ctx,
    error::Error,
    jobs::Stop,
    store::{
        notifications::{self, NotificationId, NotificationRow},
        sends, steps,
    },
};

/// Sends that are counted at most, and that one transaction stops.
const COUNTED: u32 = 1000;
const BATCH: u32 = 100;

/// Nobody gets it from now on who has not got it yet. With how many messages were to be sent and are not.
pub(crate) async fn cancel(
    ctx: &Ctx,
    actor: &Actor,
    id: NotificationId,
) -> Result<(NotificationRow, i64), Error> {
    let there = notifications::get(&ctx.db, id).await?.ok_or(Error::NotFound)?;
    let mut tx = ctx.db.begin().await?;
    if !notifications::cancel(&mut tx, id).await? {
        return Err(Error::Over);
    }
    let stopped = sends::unsent(&mut tx, id, COUNTED).await?;
    tx.enqueue(&Stop { notification_id: id }).await?;
    let entry = Entry::by(actor, "notification.cancel", "notification", Some(id.uuid()));
    tx.audit(&entry).await?;
    tx.commit().await?;
    let row = NotificationRow {
        state: notifications::state::CANCELLED.to_owned(),
        ..there
    };
    Ok((row, stopped))
}

/// Stops some of what waits; true if there may be more. What a job has begun to send meanwhile is sent.
pub(crate) async fn batch(tx: &mut Tx, id: NotificationId) -> Result<bool, Error> {
    let stopped = sends::stop(tx, id, BATCH).await?;
    for (delivery, channel) in &stopped {
        if let Some(channel) = Channel::of_name(channel) {
            steps::insert(tx, *delivery, channel, "cancelled", "Not sent: it was cancelled").await?;
        }
    }
    Ok(stopped.len() == BATCH as usize)
}
