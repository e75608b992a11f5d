//! Stopping a notification that was not sent yet.

use stoa_audit::{Entry, TxExt as _};
use stoa_kernel::Actor;

use crate::{
    ctx::Ctx,
    error::Error,
    store::notifications::{self, NotificationId, NotificationRow},
};

/// Nobody gets it from now on who has not got it yet.
pub(crate) async fn cancel(ctx: &Ctx, actor: &Actor, id: NotificationId) -> Result<NotificationRow, Error> {
    let there = notifications::get(&ctx.db, id).await?.ok_or(Error::NotFound)?;
    let mut tx = ctx.db.begin().await?;
    if !notifications::cancel(&mut tx, id).await? {
        return Err(Error::Over);
    }
    let entry = Entry::by(actor, "notification.cancel", "notification", Some(id.uuid()));
    tx.audit(&entry).await?;
    tx.commit().await?;
    Ok(NotificationRow {
        state: notifications::state::CANCELLED.to_owned(),
        ..there
    })
}
