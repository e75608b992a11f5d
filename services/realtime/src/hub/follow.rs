//! What other processes publish: they hint at it by the shared cache, and what no hint says is found in the histories.

use std::time::Duration;

use stoa_cache::{Cache, Hearing, Notice};
use stoa_db::{Engine, Error};
use stoa_events::Channel;
use stoa_kernel::Timestamp;

use super::Published;
use crate::{
    ctx::Ctx,
    store::{self, messages::MessageId},
};

/// Hints at what was published: `offset channel`.
const TOPIC: &str = "realtime.published";
/// How often the histories are looked at for what no hint has said.
const LOOK: Duration = Duration::from_secs(1);
/// How long before the last look something may have been published that was not seen by it: clocks differ, and commits take their time.
const OVERLAP: Duration = Duration::from_secs(5);
/// Messages looked at at once.
const BATCH: u32 = 1000;

/// Hints to the other processes at the last of these messages of one channel: it leads them to all.
pub(crate) async fn tell_others(cache: &Cache, published: &[Published]) {
    if cache.is_shared()
        && let Some(last) = published.last()
    {
        let hint = format!("{} {}", last.row.position, last.channel);
        cache.tell(TOPIC, hint.into()).await;
    }
}

/// Follows what other processes publish. A file has no other process.
pub(crate) async fn run(ctx: Ctx) {
    if ctx.db.engine() == Engine::Sqlite {
        return;
    }
    let mut hearing = ctx.cache.hear(TOPIC);
    let mut seen = None;
    loop {
        tokio::select! {
            () = hear(&ctx, &mut hearing) => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        if ctx.hub.topics().is_empty() {
            seen = None;
            continue;
        }
        match look(&ctx, seen).await {
            Ok(now) => seen = Some(now),
            Err(error) => tracing::warn!(%error, "what others publish cannot be read; trying again"),
        }
    }
}

/// Passes hints on. Returns when some may have been missed.
async fn hear(ctx: &Ctx, hearing: &mut Hearing) {
    loop {
        match hearing.next().await {
            Some(Notice::Message(hint)) => {
                let hint = std::str::from_utf8(&hint)
                    .ok()
                    .and_then(|hint| hint.split_once(' '));
                if let Some((offset, channel)) = hint
                    && let (Ok(offset), Ok(channel)) = (offset.parse(), channel.parse())
                {
                    note(ctx, &channel, offset);
                }
            }
            Some(Notice::Gap) => return,
            None => return std::future::pending().await,
        }
    }
}

fn note(ctx: &Ctx, channel: &Channel, offset: i64) {
    if ctx.hub.topics().is_behind(channel, offset) {
        ctx.hub.look(channel);
    }
}

/// Looks at what was published since a while before `seen`, or before now; returns until when it has looked. By the database's clock: this
/// process's own may be ahead of those of the processes that publish.
async fn look(ctx: &Ctx, seen: Option<Timestamp>) -> Result<Timestamp, Error> {
    let now = store::messages::database_now(&ctx.db).await?;
    let since = seen.unwrap_or(now) - OVERLAP;
    let mut after = MessageId::at_microsecond(since.as_microsecond());
    loop {
        let found = store::messages::published_after(&ctx.db, after, BATCH).await?;
        for one in &found {
            if let Ok(channel) = one.channel.parse() {
                note(ctx, &channel, one.position);
            }
        }
        match found.last() {
            Some(last) if found.len() == BATCH as usize => after = last.id,
            _ => return Ok(now),
        }
    }
}
