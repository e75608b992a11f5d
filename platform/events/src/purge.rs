//! What is over goes: done rows after a while, dead letters after three months.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use stoa_db::{Db, Error};
use stoa_kernel::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{Bus, store};

/// How long a dead letter waits for somebody to look at it.
const KEEP_DEAD: Duration = Duration::from_secs(90 * 24 * 3600);
/// How long is kept, for people to look at, what never comes again.
const KEEP_BRIEFLY: Duration = Duration::from_secs(3600);
/// Pause between two purges.
const EVERY: Duration = Duration::from_secs(600);
/// How long one purge works. What it leaves is for the next.
const DEADLINE: Duration = Duration::from_secs(60);
/// Rows of one transaction.
const BATCH: i64 = 250;

/// What is remembered for how long.
pub(crate) struct Retention {
    /// Queues of the service's own jobs. Their ids never come again.
    pub(crate) jobs: HashSet<&'static str>,
    /// How long the arrival of an event is remembered where a broker may bring it again.
    pub(crate) keep_done: Duration,
    /// Whether events only come from this process: then one comes again only while its outbox has it.
    pub(crate) within_process: bool,
    pub(crate) bus: Bus,
}

impl Retention {
    /// None while nothing of the queue may go.
    fn of(&self, queue: &str) -> Option<Duration> {
        let briefly = KEEP_BRIEFLY.min(self.keep_done);
        if self.jobs.contains(queue) {
            Some(briefly)
        } else if self.within_process {
            (!self.bus.is_behind()).then_some(briefly)
        } else {
            Some(self.keep_done)
        }
    }
}

pub(crate) async fn run(db: Db, retention: Retention, stop: CancellationToken) {
    let work = async {
        loop {
            let now = db.steady_now().await;
            if let Err(error) = purge(&db, &retention, now).await {
                tracing::warn!(service = db.service(), %error, "old jobs could not be removed; trying again later");
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// Removes what is older than it is kept, in small transactions, with as much time in between for others.
async fn purge(db: &Db, retention: &Retention, now: Timestamp) -> Result<(), Error> {
    let deadline = Instant::now() + DEADLINE;
    let mut queue = String::new();
    while let Some(next) = next_queue(db, &queue).await? {
        queue = next;
        if let Some(keep) = retention.of(&queue) {
            // The state stands in the text, so that the planner sees that the index of done rows serves.
            let old = "SELECT queue, id FROM jobs WHERE state = 'done' AND queue = $3 AND finished_at < $1 ORDER BY finished_at LIMIT $2";
            remove(db, old, before(now, keep), Some(&queue), deadline).await?;
        }
    }
    let old =
        "SELECT queue, id FROM jobs WHERE state = 'dead' AND finished_at < $1 ORDER BY finished_at LIMIT $2";
    remove(db, old, before(now, KEEP_DEAD), None, deadline).await
}

fn before(now: Timestamp, keep: Duration) -> Timestamp {
    let keep = SignedDuration::try_from(keep).unwrap_or(SignedDuration::MAX);
    now.saturating_sub(keep).unwrap_or(Timestamp::MIN)
}

/// The first queue behind this one that has done rows: also one that this program no longer knows.
async fn next_queue(db: &Db, queue: &str) -> Result<Option<String>, Error> {
    let sql = "SELECT queue FROM jobs WHERE state = 'done' AND queue > $1 ORDER BY queue LIMIT 1";
    db.fetch_optional(sql, &[&queue]).await
}

async fn remove(
    db: &Db,
    old: &str,
    before: Timestamp,
    queue: Option<&str>,
    deadline: Instant,
) -> Result<(), Error> {
    let sql = format!(
        "WITH old AS MATERIALIZED ({old}) DELETE FROM jobs WHERE (queue, id) IN (SELECT queue, id FROM old)"
    );
    while Instant::now() < deadline {
        let begun = Instant::now();
        let mut tx = db.begin().await?;
        store::plan_by_index(&mut tx).await?;
        let gone = match queue {
            Some(queue) => tx.execute(&sql, &[&before, &BATCH, &queue]).await?,
            None => tx.execute(&sql, &[&before, &BATCH]).await?,
        };
        tx.commit().await?;
        if gone < BATCH.unsigned_abs() {
            break;
        }
        tokio::time::sleep(begun.elapsed()).await;
    }
    Ok(())
}
