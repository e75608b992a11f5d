//! Which of several processes does what only one may do at a time: relay a service's outbox, take in its events.

use std::time::Duration;

use stoa_db::{Db, Engine, Error, FromRow, ToValue, Tx};
use stoa_kernel::{Id, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a lease holds after its last renewal.
const TERM: Duration = Duration::from_secs(4);
/// Pause between two renewals.
const RENEW: Duration = Duration::from_secs(1);
/// Pause between two looks at a lease that somebody else has.
const LOOK: Duration = Duration::from_millis(500);
/// How long a process that froze inside a transaction can keep others waiting for its rows.
const FROZEN: &str = "10s";

/// Runs `work` while this process holds the lease, again and again, until told to stop. When the lease is lost `work` is dropped
/// where it stands. `alone` says that there is nobody else to share with: then there is no lease, and no cost.
pub(crate) async fn while_held<F, Fut>(
    db: Db,
    name: &'static str,
    alone: bool,
    stop: CancellationToken,
    work: F,
) where
    F: Fn(Fence) -> Fut,
    Fut: Future<Output = ()>,
{
    if alone {
        return work(Fence::none()).await;
    }
    while !stop.is_cancelled() {
        let Some(mut held) = acquire(&db, name, &stop).await else {
            return;
        };
        tracing::debug!(service = db.service(), lease = name, "taken");
        tokio::select! {
            () = work(held.fence()) => held.give_up(&db).await,
            () = held.keep(&db) => {
                tracing::warn!(service = db.service(), lease = name, "the lease was lost; another process may go on");
            }
        }
    }
}

/// Proof, inside a transaction, that the lease is still held.
#[derive(Clone)]
pub(crate) struct Fence(Option<(&'static str, i64)>);

impl Fence {
    /// Of one who shares with nobody.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// To be called first: a process that freezes with this transaction open is thrown out of it.
    pub(crate) async fn open(&self, tx: &mut Tx) -> Result<(), Error> {
        if self.0.is_some() && tx.engine() == Engine::Postgres {
            let sql = "SELECT set_config('idle_in_transaction_session_timeout', $1, true)";
            tx.fetch_one::<String>(sql, &[&FROZEN]).await?;
        }
        Ok(())
    }

    /// To be called last: false if another has the lease by now. Nobody can take it between this and the commit.
    pub(crate) async fn holds(&self, tx: &mut Tx) -> Result<bool, Error> {
        let Some((name, token)) = self.0 else {
            return Ok(true);
        };
        let sql = "UPDATE leases SET holder = holder WHERE name = $1 AND token = $2";
        Ok(tx.execute(sql, &[&name, &token]).await? == 1)
    }
}

#[derive(Clone, PartialEq, FromRow)]
struct Row {
    holder: Option<Uuid>,
    token: i64,
    until: Timestamp,
}

struct Held {
    name: &'static str,
    token: i64,
    until: Timestamp,
    /// By this process's own clock. Others count from when they saw the renewal, which is later.
    valid: Instant,
}

/// Waits for the lease; none when told to stop. A holder counts as gone when its row has not changed for a whole term by our own
/// clock: so it does not matter how far apart the clocks of two machines are.
async fn acquire(db: &Db, name: &'static str, stop: &CancellationToken) -> Option<Held> {
    let mut seen: Option<(Row, Instant)> = None;
    loop {
        match attempt(db, name, &mut seen).await {
            Ok(Some(held)) => return Some(held),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(service = db.service(), lease = name, %error, "a lease could not be looked at; trying again");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn attempt(
    db: &Db,
    name: &'static str,
    seen: &mut Option<(Row, Instant)>,
) -> Result<Option<Held>, Error> {
    let sql = "SELECT holder, token, until FROM leases WHERE name = $1";
    let Some(row) = db.fetch_optional::<Row>(sql, &[&name]).await? else {
        let sql = "INSERT INTO leases (name, holder, token, until) VALUES ($1, NULL, 0, $2) ON CONFLICT (name) DO NOTHING";
        db.execute(sql, &[&name, &db.clock().now()]).await?;
        return Ok(None);
    };
    let silent = match seen {
        Some((last, since)) if *last == row => since.elapsed() >= TERM,
        _ => {
            *seen = Some((row.clone(), Instant::now()));
            false
        }
    };
    if row.holder.is_some() && !silent {
        return Ok(None);
    }
    let (holder, begun) = (Id::<()>::new(db.clock()).uuid(), Instant::now());
    let until = db.clock().after(TERM);
    let sql = "UPDATE leases SET holder = $2, token = token + 1, until = $3 WHERE name = $1 AND token = $4 AND until = $5";
    let params: [&dyn ToValue; 5] = [&name, &holder, &until, &row.token, &row.until];
    // A holder that froze with its transaction open keeps the row locked for a while.
    let taken = tokio::time::timeout(TERM, db.execute(sql, &params))
        .await
        .map_err(|_| Error::Busy)??;
    Ok((taken == 1).then(|| Held {
        name,
        token: row.token + 1,
        until,
        valid: begun + TERM,
    }))
}

impl Held {
    fn fence(&self) -> Fence {
        Fence(Some((self.name, self.token)))
    }

    /// Renews; returns once it is lost.
    async fn keep(&mut self, db: &Db) {
        loop {
            tokio::time::sleep(RENEW).await;
            match tokio::time::timeout_at(self.valid, self.renew(db)).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) | Err(_) => return,
                Ok(Err(error)) => {
                    tracing::warn!(service = db.service(), lease = self.name, %error, "a lease could not be renewed; trying again");
                }
            }
        }
    }

    async fn renew(&mut self, db: &Db) -> Result<bool, Error> {
        let begun = Instant::now();
        // Each renewal is seen, also when the clock stands still.
        let least = self.until.saturating_add(jiff::SignedDuration::from_micros(1));
        let until = db.clock().after(TERM).max(least.unwrap_or(self.until));
        let sql = "UPDATE leases SET until = $3 WHERE name = $1 AND token = $2";
        let renewed = db.execute(sql, &[&self.name, &self.token, &until]).await? == 1;
        if renewed {
            (self.until, self.valid) = (until, begun + TERM);
        }
        Ok(renewed)
    }

    /// So that another takes it at once.
    async fn give_up(&self, db: &Db) {
        let sql = "UPDATE leases SET holder = NULL WHERE name = $1 AND token = $2";
        if let Err(error) = db.execute(sql, &[&self.name, &self.token]).await {
            tracing::warn!(service = db.service(), lease = self.name, %error, "a lease could not be given up; it will run out");
        }
    }
}
