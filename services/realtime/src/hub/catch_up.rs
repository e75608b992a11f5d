//! Reads what was missed from the histories, so that each who follows a channel has all of it in order.

use std::time::Duration;

use stoa_db::Error;
use stoa_events::Channel;

use super::{Epoch, Published};
use crate::{ctx::Ctx, store};

/// Messages read at once.
const BATCH: u32 = 50;
/// Pause before it is tried again, when the database does not answer.
const PAUSE: Duration = Duration::from_millis(200);
/// How often it is looked whether a part of what was missed was read.
const MOMENT: Duration = Duration::from_millis(10);

/// Looks at the histories of channels of which something may have been missed, one after the other, and at each a part at a time: those who
/// follow a channel read one part before the next is added to what waits for them.
pub(crate) async fn run(ctx: Ctx) {
    let Some(mut missed) = ctx.hub.0.receiver.lock().take() else {
        return;
    };
    while let Some(channel) = missed.recv().await {
        if ctx.hub.topics().is_part_unread(&channel) {
            ctx.hub.look_later(channel, MOMENT);
            continue;
        }
        match catch_up(&ctx, &channel).await {
            Ok(true) => {
                ctx.hub.topics().note_part(&channel);
                ctx.hub.look(&channel);
            }
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "a channel's history could not be read; trying again");
                tokio::time::sleep(PAUSE).await;
                ctx.hub.look(&channel);
            }
        }
    }
}

/// Sends the next part of what was missed; true if there is more.
async fn catch_up(ctx: &Ctx, channel: &Channel) -> Result<bool, Error> {
    let Some((last, epoch)) = ctx.hub.topics().look(channel) else {
        // Nobody has it yet. If the first who joins was passed by, they find out when they have read.
        return Ok(false);
    };
    let head = store::channels::head(&ctx.db, channel).await?;
    let bytes = ctx.config.queue_max_bytes / 4;
    let rows = store::messages::after(&ctx.db, channel, last, BATCH, bytes).await?;
    let hole = match rows.first() {
        _ if epoch.as_deref().is_some_and(|epoch| epoch != head.epoch) => true,
        Some(first) => first.position != last + 1,
        // More may have been published between the two reads: then there are rows.
        None => head.last_offset != last,
    };
    if hole {
        ctx.hub.start_over(channel);
        return Ok(false);
    }
    let more = rows.last().is_some_and(|row| row.position < head.last_offset);
    let epoch: Epoch = head.epoch.into();
    let published = rows.into_iter().map(|row| Published {
        channel: channel.clone(),
        epoch: Epoch::clone(&epoch),
        row,
    });
    // They do not follow what was sent before: the numbering has begun anew.
    if ctx.hub.topics().tell(channel, &published.collect::<Vec<_>>()) {
        ctx.hub.start_over(channel);
        return Ok(false);
    }
    Ok(more)
}
