//! Reads what was missed from the histories, so that each who follows a channel has all of it in order.

use std::time::Duration;

use stoa_db::Error;
use stoa_events::Channel;

use super::{Epoch, Published};
use crate::{ctx::Ctx, store};

/// Messages read at once.
const BATCH: u32 = 200;
/// Pause before it is tried again, when the database does not answer.
const PAUSE: Duration = Duration::from_millis(200);

/// Looks at the histories of channels of which something may have been missed, one after the other.
pub(crate) async fn run(ctx: Ctx) {
    let Some(mut missed) = ctx.hub.0.receiver.lock().take() else {
        return;
    };
    while let Some(channel) = missed.recv().await {
        if let Err(error) = catch_up(&ctx, &channel).await {
            tracing::warn!(%error, "a channel's history could not be read; trying again");
            tokio::time::sleep(PAUSE).await;
            ctx.hub.look(&channel);
        }
    }
}

async fn catch_up(ctx: &Ctx, channel: &Channel) -> Result<(), Error> {
    let Some((mut last, epoch)) = ctx.hub.topics().look(channel) else {
        // Nobody has it yet. If the first who joins was passed by, they find out when they have read.
        return Ok(());
    };
    loop {
        let head = store::channels::head(&ctx.db, channel).await?;
        let rows = store::messages::after(&ctx.db, channel, last, BATCH).await?;
        let first = rows.first().map(|row| row.position);
        let hole = match first {
            _ if epoch.as_deref().is_some_and(|epoch| epoch != head.epoch) => true,
            Some(first) => first != last + 1,
            None => head.last_offset != last,
        };
        // More may have been published between the two reads: then there are rows.
        if hole {
            ctx.hub.start_over(channel);
            return Ok(());
        }
        let all = rows.len() < BATCH as usize;
        last = rows.last().map_or(last, |row| row.position);
        let epoch: Epoch = head.epoch.into();
        let published = rows.into_iter().map(|row| Published {
            channel: channel.clone(),
            epoch: Epoch::clone(&epoch),
            row,
        });
        // They do not follow what was sent before: the numbering has begun anew.
        if ctx.hub.topics().tell(channel, &published.collect::<Vec<_>>()) {
            ctx.hub.start_over(channel);
            return Ok(());
        }
        if all {
            return Ok(());
        }
    }
}
