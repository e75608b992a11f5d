//! A server that replays what the primary writes, and answers reads that do not ask for the newest.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use stoa_kernel::Clock;
use tokio::{task::AbortHandle, time::timeout};
use tokio_postgres::{Client, Row};

use super::{address::Address, open::Session, readers::Readers};
use crate::{
    DbOptions, Error, ToValue,
    reads::{MOST_LAG, SKEW},
};

/// How often is looked how far it has come.
const TICK: Duration = Duration::from_millis(200);
/// A server that does not tell for so long is not asked for anything else.
const ANSWER: Duration = Duration::from_secs(2);

pub(super) struct Replica {
    readers: Readers,
    clock: Clock,
    wait: Duration,
    covered: Arc<Mutex<Option<Timestamp>>>,
    watch: AbortHandle,
}

impl Replica {
    /// It need not be there yet: until it is, the primary answers.
    pub(super) fn open(url: &str, primary: Address, options: &DbOptions) -> Result<Self, Error> {
        let named = |error: Error| Error::Open(format!("replica_url: {error}"));
        let mut address = Address::read(url).map_err(named)?;
        let session = Session::new(&mut address, options)?;
        let covered = Arc::new(Mutex::new(None));
        let watch = Watch {
            primary: Side::new(primary),
            replica: Side::new(address.clone()),
            clock: options.clock.clone(),
            covered: Arc::clone(&covered),
            pending: None,
        };
        Ok(Self {
            readers: Readers::new(address, &session, options)?,
            clock: options.clock.clone(),
            wait: options.wait,
            covered,
            watch: tokio::spawn(watch.run()).abort_handle(),
        })
    }

    /// The rows, unless it lacks what was committed before `since`, or fails in any way: then the primary is to be asked.
    pub(super) async fn query(
        &self,
        since: Timestamp,
        sql: &str,
        params: &[&dyn ToValue],
    ) -> Option<Vec<Row>> {
        let lag = self.lag()?;
        let covered = self.clock.now() - lag;
        if lag > signed(MOST_LAG) || covered < since.saturating_add(signed(SKEW)).ok()? {
            return None;
        }
        match timeout(self.wait, self.readers.query(sql, params)).await {
            Ok(Ok(rows)) => Some(rows),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a replica did not answer a read");
                None
            }
            Err(_) => {
                // Not again until it has told how far it is.
                *self.covered.lock() = None;
                None
            }
        }
    }

    /// How far it is behind, at most; none while that is not known.
    pub(super) fn lag(&self) -> Option<SignedDuration> {
        let covered = (*self.covered.lock())?;
        Some(self.clock.now().duration_since(covered))
    }

    pub(super) fn close(&self) {
        self.watch.abort();
        self.readers.close();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// Finds out how far the replica is: at some time it asks how far the primary has written, and once the replica has replayed
/// that, it has all that was committed before that time.
struct Watch {
    primary: Side,
    replica: Side,
    clock: Clock,
    covered: Arc<Mutex<Option<Timestamp>>>,
    /// When the primary was asked, and what it said.
    pending: Option<(Timestamp, i64)>,
}

// Flushed: a commit is acknowledged once it is, and what lies beyond may stay there for a while.
const WRITTEN: &str = "SELECT CAST(pg_current_wal_flush_lsn() - '0/0' AS BIGINT)";
// None where it replays nothing: it is no replica, or no longer.
const REPLAYED: &str =
    "SELECT CASE WHEN pg_is_in_recovery() THEN CAST(pg_last_wal_replay_lsn() - '0/0' AS BIGINT) END";

impl Watch {
    async fn run(mut self) {
        let mut well = true;
        loop {
            let looked = self.look().await;
            if let Err(why) = &looked {
                *self.covered.lock() = None;
                self.pending = None;
                if well {
                    tracing::warn!(
                        why,
                        "a replica cannot be read from; the primary answers all reads"
                    );
                }
            } else if !well {
                tracing::info!("the replica can be read from again");
            }
            well = looked.is_ok();
            tokio::time::sleep(TICK).await;
        }
    }

    async fn look(&mut self) -> Result<(), String> {
        let replayed = self.replica.ask(REPLAYED).await?;
        let replayed = replayed.ok_or("it is no replica: it replays nothing")?;
        if let Some((asked, written)) = self.pending
            && written <= replayed
        {
            *self.covered.lock() = Some(asked);
            self.pending = None;
        }
        if self.pending.is_none() {
            let now = self.clock.now();
            let written = self.primary.ask(WRITTEN).await?;
            self.pending = written.map(|written| (now, written));
        }
        Ok(())
    }
}

/// One of the two servers, and a connection to it while there is one.
struct Side {
    address: Address,
    client: Option<Client>,
}

impl Side {
    fn new(address: Address) -> Self {
        Self {
            address,
            client: None,
        }
    }

    async fn ask(&mut self, sql: &str) -> Result<Option<i64>, String> {
        let asked = timeout(ANSWER, self.ask_now(sql)).await;
        let asked = asked.unwrap_or_else(|_| Err("it does not answer".to_owned()));
        if asked.is_err() {
            self.client = None;
        }
        asked
    }

    async fn ask_now(&mut self, sql: &str) -> Result<Option<i64>, String> {
        let refused = |e: tokio_postgres::Error| self.address.refused(&e).to_string();
        let client = match self.client.take() {
            Some(client) => client,
            None => self.address.connect().await.map_err(refused)?,
        };
        let row = client.query_typed_one(sql, &[]).await.map_err(refused)?;
        let found = row.try_get(0).map_err(refused)?;
        self.client = Some(client);
        Ok(found)
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
