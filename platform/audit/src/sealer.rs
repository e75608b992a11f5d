//! Sealing: giving entries their place in the chain.

use std::time::Duration;

use stoa_db::{Db, Error};
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    chain::{self, Hash},
    guard::Guard,
    measured,
    settings::Sealing,
    store::{self, Head, Row, Seal},
    suspension::Suspension,
    trim,
};

/// Entries of one transaction, at first, and at most while there is more to do than that. On SQLite all other writers wait
/// behind it, so it must be short: about ten milliseconds at most.
const BATCH: u32 = 256;
const LARGEST_BATCH: u32 = 2048;
/// Between two rounds: what was written meanwhile is sealed together.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest time between two looks, should a wake-up be missed, and the pause after a failure.
const POLL: Duration = Duration::from_secs(5);

/// The sealing, to be started beside each service's worker: seals on each signal of the database, and when asked to stop.
/// Dropped without [`Sealer::stop`], it ends where it stands, as in a crash: the next one goes on from there.
pub struct Sealer {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    suspension: Suspension,
}

impl Sealer {
    /// Starts, with what was left unsealed.
    #[must_use]
    pub fn start(db: Db, sealing: Sealing) -> Self {
        let (stop, suspension) = (CancellationToken::new(), Suspension::default());
        let guard = Guard::new(&db, sealing.clone(), suspension.clone());
        let mut tasks = vec![
            tokio::spawn(run(db.clone(), guard, stop.clone())),
            tokio::spawn(measured::run(db.clone(), stop.clone())),
        ];
        if sealing.keep.is_some() {
            tasks.push(tokio::spawn(trim::run(
                db,
                sealing,
                suspension.clone(),
                stop.clone(),
            )));
        }
        Self {
            stop,
            tasks,
            suspension,
        }
    }

    /// Whether the log is sealed.
    #[must_use]
    pub fn suspension(&self) -> Suspension {
        self.suspension.clone()
    }

    /// Seals what is there and ends.
    pub async fn stop(mut self) {
        self.stop.cancel();
        for task in &mut self.tasks {
            // It fails only by a panic, which was logged when it happened.
            let _ = task.await;
        }
        self.tasks.clear();
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn run(db: Db, mut guard: Guard, stop: CancellationToken) {
    let mut signals = db.signals();
    loop {
        let last = stop.is_cancelled();
        signals.mark_unchanged();
        let sealed = seal_all(&db, &mut guard).await;
        if let Err(error) = &sealed {
            tracing::warn!(service = db.service(), %error, "audit entries could not be sealed; trying again");
        }
        guard.record(&db, last).await;
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

/// Seals until nothing is left, or until the log turns out to have been tampered with.
async fn seal_all(db: &Db, guard: &mut Guard) -> Result<(), Error> {
    let (begun, mut batch, mut sealed) = (Instant::now(), BATCH, 0);
    while guard.admits(db).await? {
        let found = seal_batch(db, guard, batch).await?;
        sealed += found;
        if found < batch {
            break;
        }
        batch = (batch * 2).min(LARGEST_BATCH);
        // Others write in between.
        tokio::task::yield_now().await;
    }
    if sealed > LARGEST_BATCH {
        tracing::debug!(service = db.service(), sealed, took = ?begun.elapsed(), "sealed many audit entries");
    }
    Ok(())
}

/// Seals the oldest entries, and says how many were found. Two may do it at once, in two processes: one moves the head, and
/// the other begins again behind it. On PostgreSQL an entry may be committed after one with a greater id was sealed; then
/// its place is behind that one.
async fn seal_batch(db: &Db, guard: &mut Guard, most: u32) -> Result<u32, Error> {
    // First the head: if it still stands there when it is moved, nobody has sealed anything since.
    let head = guard.head().clone();
    let rows = store::unsealed(db, most).await?;
    let seals = places(&head, &rows)?;
    let Some(end) = seals.last() else { return Ok(0) };
    let signature = guard.sign(end.seq, &end.hash);
    let mut tx = db.begin().await?;
    if store::move_head(&mut tx, &head, end, &signature).await? && store::seal(&mut tx, &seals).await? {
        tx.commit().await?;
        guard.sealed(end, signature);
        return Ok(u32::try_from(rows.len()).unwrap_or(most));
    }
    // Somebody else has sealed them; the next look shows the head where it stands now.
    tx.rollback().await;
    Ok(most)
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
