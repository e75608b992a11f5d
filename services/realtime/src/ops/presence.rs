//! Who is on a channel: across processes, and without those of a process that has died.

use serde::Serialize;
use serde_json::value::to_raw_value;
use stoa_db::Tx;
use stoa_events::Channel;
use stoa_kernel::UserId;
use uuid::Uuid;

use super::publish::{self, New};
use crate::{
    ctx::Ctx,
    error::Error,
    hub::{Connection, Leaving, Published},
    store::{self, presence::NodeRow},
};

/// People on a channel with whom coming and going is still told: with more, each would cost as much as there are.
const TOLD: u32 = 100;
/// Connections of a dead process that are removed by one transaction.
const BATCH: u32 = 50;

/// What subscribers are sent when somebody comes or goes.
#[derive(Serialize)]
struct Who {
    user_id: UserId,
}

/// Notes that a connection is on a channel. Subscribers are sent the first of a person.
pub(crate) async fn enter(
    ctx: &Ctx,
    connection: &Connection,
    user: UserId,
    channel: &Channel,
) -> Result<(), Error> {
    ctx.node.begin(&ctx.db).await?;
    let mut tx = ctx.db.begin().await?;
    if !store::presence::insert(&mut tx, channel, connection.id, user, ctx.node.id()).await? {
        tx.rollback().await;
        return Ok(());
    }
    let now = ctx.clock.now();
    let first = store::presence::count_in(&mut tx, channel, user, now).await? == 1;
    let told = if first {
        tell(ctx, &mut tx, channel, "presence.joined", user).await?
    } else {
        None
    };
    commit(ctx, tx, channel, told).await
}

/// Notes that a connection has left a channel a while ago, unless it is back.
pub(crate) async fn leave(ctx: &Ctx, leaving: &Leaving) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    let told = remove(ctx, &mut tx, &leaving.channel, leaving.connection, leaving.user).await?;
    // Looked at behind the lock of its row: if it comes back from now on, it waits for this transaction, and writes a row of its own.
    if ctx.hub.is_present(&leaving.channel, leaving.connection) {
        tx.rollback().await;
        return Ok(());
    }
    commit(ctx, tx, &leaving.channel, told).await
}

async fn remove(
    ctx: &Ctx,
    tx: &mut Tx,
    channel: &Channel,
    connection: Uuid,
    user: UserId,
) -> Result<Option<Published>, Error> {
    if !store::presence::delete(tx, channel, connection).await? {
        return Ok(None);
    }
    if store::presence::count_out(tx, channel, user).await? != Some(0) {
        return Ok(None);
    }
    tell(ctx, tx, channel, "presence.left", user).await
}

/// Publishes it, unless there are too many, or the channel is closed.
async fn tell(
    ctx: &Ctx,
    tx: &mut Tx,
    channel: &Channel,
    event: &str,
    user_id: UserId,
) -> Result<Option<Published>, Error> {
    let Some(info) = ctx.kind_of(channel) else {
        return Ok(None);
    };
    if store::channels::is_closed(tx, channel).await?
        || store::presence::is_crowded(tx, channel, TOLD).await?
    {
        return Ok(None);
    }
    let data = to_raw_value(&Who { user_id }).map_err(|e| stoa_db::Error::Engine(e.to_string()))?;
    let new = New {
        event: event.to_owned(),
        data: data.get().to_owned(),
        sender: None,
    };
    publish::append(tx, &info, channel, vec![new])
        .await
        .map(|mut published| published.pop())
}

async fn commit(ctx: &Ctx, tx: Tx, channel: &Channel, told: Option<Published>) -> Result<(), Error> {
    let telling = told.as_ref().map(|_| ctx.hub.telling(channel));
    tx.commit().await?;
    if let (Some(published), Some(telling)) = (told, telling) {
        let published = [published];
        telling.tell(&published);
        ctx.tell_others(&published).await;
    }
    Ok(())
}

/// Removes what a process has left that does not run any more.
pub(crate) async fn expire(ctx: &Ctx, node: &NodeRow) -> Result<(), Error> {
    loop {
        let mut tx = ctx.db.begin().await?;
        let rows = store::presence::of_node(&mut tx, node.id, BATCH).await?;
        if rows.is_empty() {
            store::presence::delete_node(&mut tx, node).await?;
            return Ok(tx.commit().await?);
        }
        let mut told = Vec::new();
        for row in rows {
            if let Ok(channel) = row.channel.parse() {
                told.extend(remove(ctx, &mut tx, &channel, row.connection_id, row.user_id).await?);
            }
        }
        let telling: Vec<_> = told.iter().map(|one| ctx.hub.telling(&one.channel)).collect();
        tx.commit().await?;
        for (published, telling) in told.chunks(1).zip(telling) {
            telling.tell(published);
            ctx.tell_others(published).await;
        }
    }
}
