//! This process among those that share the database: it says that it runs, and sees which others do not any more.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use stoa_db::{Db, Engine, Error};
use stoa_events::Channel;
use stoa_kernel::{UserId, random};
use tokio::sync::{OnceCell, mpsc};
use uuid::Uuid;

use crate::{ctx::Ctx, ops::presence, store, store::presence::NodeRow};

/// A connection that has left a channel.
pub(crate) struct Leaving {
    pub(crate) channel: Channel,
    pub(crate) connection: Uuid,
    pub(crate) user: UserId,
    pub(crate) at: Instant,
}

/// This process.
pub(crate) struct Node {
    id: Uuid,
    /// Said once somebody is on a channel: a process that nobody needs to know of writes nothing.
    begun: OnceCell<()>,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self {
            id: uuid::Builder::from_random_bytes(random::bytes()).into_uuid(),
            begun: OnceCell::new(),
        }
    }

    pub(crate) const fn id(&self) -> Uuid {
        self.id
    }

    /// Says that it runs, before anything is said that holds for as long as it does.
    pub(crate) async fn begin(&self, db: &Db) -> Result<(), Error> {
        let begin = || store::presence::insert_node(db, self.id);
        self.begun.get_or_try_init(begin).await.map(|_| ())
    }
}

/// Has connections that have left a channel counted out, once the time is over in which they may come back.
pub(crate) async fn say_goodbye(ctx: Ctx, mut leaving: mpsc::UnboundedReceiver<Leaving>) {
    let grace = ctx.config.presence_grace.0;
    while let Some(one) = leaving.recv().await {
        tokio::time::sleep_until((one.at + grace).into()).await;
        while let Err(error) = presence::leave(&ctx, &one).await {
            tracing::warn!(%error, "who has left a channel could not be noted; trying again");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Says that this process runs, and clears up behind those that do not.
pub(crate) async fn watch_nodes(ctx: Ctx) {
    let mut seen: HashMap<Uuid, (i64, Instant)> = HashMap::new();
    // A file has no other process: all that it knows of are dead.
    let alone = ctx.db.engine() == Engine::Sqlite;
    let mut looked = false;
    loop {
        if let Err(error) = step(&ctx, &mut seen, alone, &mut looked).await {
            tracing::warn!(%error, "which processes run could not be read; trying again");
        }
        tokio::time::sleep(ctx.config.presence_lease.0 / 3).await;
    }
}

async fn step(
    ctx: &Ctx,
    seen: &mut HashMap<Uuid, (i64, Instant)>,
    alone: bool,
    looked: &mut bool,
) -> Result<(), crate::error::Error> {
    if !alone && ctx.node.begun.initialized() && !store::presence::beat(&ctx.db, ctx.node.id).await? {
        // Others took it for dead.
        store::presence::insert_node(&ctx.db, ctx.node.id).await?;
        enter_again(ctx).await?;
    }
    if alone && *looked {
        return Ok(());
    }
    let nodes = store::presence::nodes(&ctx.db).await?;
    seen.retain(|id, _| nodes.iter().any(|node| node.id == *id));
    for node in nodes.iter().filter(|node| node.id != ctx.node.id) {
        if alone || is_dead(seen, node, ctx.config.presence_lease.0) {
            presence::expire(ctx, node).await?;
        }
    }
    *looked = true;
    Ok(())
}

/// A process that has not renewed its row for so long, by the clock of the one that waits, counts as dead.
fn is_dead(seen: &mut HashMap<Uuid, (i64, Instant)>, node: &NodeRow, lease: Duration) -> bool {
    let (beat, since) = seen.entry(node.id).or_insert((node.beat, Instant::now()));
    if *beat != node.beat {
        (*beat, *since) = (node.beat, Instant::now());
    }
    since.elapsed() >= lease
}

async fn enter_again(ctx: &Ctx) -> Result<(), crate::error::Error> {
    for connection in ctx.hub.connections().all() {
        let Some(principal) = connection.principal() else {
            continue;
        };
        let channels: Vec<_> = {
            let followed = connection.followed().lock();
            let present = followed.iter().filter(|(_, how)| how.present);
            present.map(|(channel, _)| channel.clone()).collect()
        };
        for channel in channels {
            presence::enter(ctx, &connection, principal.user_id, &channel).await?;
        }
    }
    Ok(())
}
