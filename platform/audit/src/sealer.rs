//! Sealing: giving entries their place in the chain.

use std::time::Duration;

use stoa_db::{Db, Error};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    chain::{self, Hash},
    store::{self, Head, Row, Seal},
};

/// Entries of one transaction, at most. On SQLite all other writers wait behind it, so it must be short.
const BATCH: u32 = 256;
/// Between two rounds: what was written meanwhile is sealed together.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest time between two looks, should a wake-up be missed, and the pause after a failure.
const POLL: Duration = Duration::from_secs(5);

/// The sealing, to be started beside each service's worker: seals on each signal of the database, and when asked to stop.
/// Dropped without [`Sealer::stop`], it ends where it stands, as in a crash: the next one goes on from there.
pub struct Sealer {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Sealer {
    /// Starts, with what was left unsealed.
    #[must_use]
    pub fn start(db: Db) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(db, stop.clone()));
        Self {
            stop,
            task: Some(task),
        }
    }

    /// Seals what is there and ends.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // It fails only by a panic, which was logged when it happened.
            let _ = task.await;
        }
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn run(db: Db, stop: CancellationToken) {
    let mut signals = db.signals();
    loop {
        let last = stop.is_cancelled();
        signals.mark_unchanged();
        let sealed = seal_all(&db).await;
        if let Err(error) = &sealed {
            tracing::warn!(service = db.service(), %error, "audit entries could not be sealed; trying again");
        }
        if last {
            return;
        }
        wait(&mut signals, sealed.is_err(), &stop).await;
    }
}

/// Until a signal, but not at once, so that many entries are sealed together; after a failure a while longer.
async fn wait(signals: &mut watch::Receiver<u64>, failed: bool, stop: &CancellationToken) {
    let next = async {
        tokio::time::sleep(if failed { POLL } else { PAUSE }).await;
        let signal = async {
            if signals.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        // Its end is as good as a signal.
        let _ = tokio::time::timeout(POLL, signal).await;
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = next => {}
    }
}

/// Seals until nothing is left.
async fn seal_all(db: &Db) -> Result<(), Error> {
    while seal_batch(db).await? {
        // Others write in between.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Seals the oldest entries; true if there may be more. Two may do it at once, in two processes: one moves the head, and
/// the other begins again behind it. On PostgreSQL an entry may be committed after one with a greater id was sealed; then
/// its place is behind that one.
async fn seal_batch(db: &Db) -> Result<bool, Error> {
    // First the head: if it still stands there when it is moved, nobody has sealed anything since.
    let head = store::head(db).await?;
    let rows = store::unsealed(db, BATCH).await?;
    if rows.is_empty() {
        return Ok(false);
    }
    let seals = places(&head, &rows)?;
    let Some(end) = seals.last() else { return Ok(false) };
    let mut tx = db.begin().await?;
    if store::move_head(&mut tx, &head, end).await? && store::seal(&mut tx, &seals).await? {
        tx.commit().await?;
        return Ok(rows.len() == BATCH as usize);
    }
    tx.rollback().await;
    Ok(true)
}

fn places(head: &Head, rows: &[Row]) -> Result<Vec<Seal>, Error> {
    let wrong = |_| {
        Error::Engine("the head of the audit log is damaged; see what `stoa audit verify` says".to_owned())
    };
    let mut before: Hash = head.hash.as_slice().try_into().map_err(wrong)?;
    let places = rows.iter().zip(head.seq + 1..).map(|(row, seq)| {
        before = chain::hash(&before, seq, row);
        Seal {
            id: row.id,
            seq,
            hash: before,
        }
    });
    Ok(places.collect())
}
