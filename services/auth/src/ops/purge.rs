//! What has expired goes, a little at a time.

use std::time::Duration;

use jiff::SignedDuration;
use stoa_db::Error;
use stoa_kernel::Timestamp;
use tokio::time::Instant;

use crate::{
    ctx::Ctx,
    store::expired::{EXPIRING, Expired, KNOWN_NETWORKS, REGISTERED_NAMES, REVOCATION_BATCHES},
};

/// Rows of one transaction: others write in between, and wait a few milliseconds at most.
const BATCH: u32 = 500;
const BREATH: Duration = Duration::from_millis(5);
/// How long one job goes on. What is left then is for the next.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long the names of a registration are kept for others to ask for, and the marks of revocations to be known by.
const KEEP: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Deletes what has expired; false if there is more than one job's time is enough for.
pub(crate) async fn purge(ctx: &Ctx) -> Result<bool, Error> {
    let now = ctx.db.steady_now().await;
    let until = Instant::now() + DEADLINE;
    let keep = SignedDuration::try_from(ctx.config.known_networks_keep.0).unwrap_or(SignedDuration::MAX);
    let before = |keep| now.saturating_sub(keep).unwrap_or(Timestamp::MIN);
    let kept_for_a_time = [
        (KNOWN_NETWORKS, before(keep)),
        (REGISTERED_NAMES, before(KEEP)),
        (REVOCATION_BATCHES, before(KEEP)),
    ];
    let expired = EXPIRING.into_iter().map(|table| (table, now));
    for (table, time) in expired.chain(kept_for_a_time) {
        if !empty(ctx, table, time, until).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn empty(ctx: &Ctx, table: Expired, time: Timestamp, until: Instant) -> Result<bool, Error> {
    while table.delete(&ctx.db, time, BATCH).await? == u64::from(BATCH) {
        if Instant::now() >= until {
            return Ok(false);
        }
        tokio::time::sleep(BREATH).await;
    }
    Ok(true)
}
