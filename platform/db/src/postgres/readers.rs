//! Connections for reads, apart from those of transactions: a read never waits for one of those to end, and a quick one not for
//! a slow one.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use deadpool_postgres::Pool;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};
use tokio_postgres::Row;

use super::{
    address::Address,
    client,
    lane::{PATIENCE, Stopped},
    lanes::Lanes,
    lent::Lent,
    open::Session,
    statement,
};
use crate::{DbOptions, Error, ToValue, reads};

/// For how long a statement that took long goes where it may take long at once.
const REMEMBERED: Duration = Duration::from_secs(60);
/// A statement that was quick so many times in a row is one of the quick ones again.
const QUICK_AGAIN: u32 = 16;
/// How often a query is tried on connections that turn out to be lost: each of them may be.
const TRIES: usize = 4;
/// Such statements kept in mind.
const MOST_REMEMBERED: usize = 512;

pub(super) struct Readers {
    quick: Quick,
    /// For what takes long.
    slow: Pool,
    known: Known,
    address: Arc<Address>,
    session: Session,
    /// The longest wait for a connection, and the longest that a quick query is tried.
    wait: Duration,
    /// The longest that a slow one is waited for; its server should have ended it before.
    most: Duration,
}

enum Quick {
    /// A few connections that all reads share.
    Lanes(Box<Lanes>),
    /// Behind a pooler: each read is a transaction, for which a connection is its own.
    Apart { pool: Pool, vital: Pool },
}

impl Readers {
    pub(super) fn new(mut address: Address, session: &Session, options: &DbOptions) -> Result<Self, Error> {
        let connections = options.connections.max(1);
        if !session.pooler {
            address.read_only();
        }
        let quick = if session.pooler {
            Quick::Apart {
                pool: address.pool(connections)?,
                vital: address.pool(1)?,
            }
        } else {
            Quick::Lanes(Box::new(Lanes::new(Arc::new(address.clone()))))
        };
        Ok(Self {
            quick,
            slow: address.pool(connections)?,
            known: Known::default(),
            address: Arc::new(address),
            session: session.clone(),
            wait: options.wait,
            most: options.wait + options.statement_timeout,
        })
    }

    /// Runs a query, again if the connection turns out to be lost: a read may be repeated.
    pub(super) async fn query(&self, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<Row>, Error> {
        let quick = timeout(self.wait, self.try_quick(sql, params)).await;
        if let Some(rows) = quick.map_err(|_| Error::Busy)?? {
            return Ok(rows);
        }
        let found = timeout(self.most, self.query_slow(sql, params)).await;
        found.unwrap_or_else(|_| {
            self.known.add(sql);
            Err(Error::Busy)
        })
    }

    /// None where it has to be run as one that takes long.
    async fn try_quick(&self, sql: &str, params: &[&dyn ToValue]) -> Result<Option<Vec<Row>>, Error> {
        for _ in 0..TRIES {
            if self.known.contains(sql) {
                break;
            }
            match self.query_quick(sql, params).await {
                Ok(rows) => return Ok(Some(rows)),
                Err(Stopped::Failed(error)) => return Err(error),
                Err(Stopped::Slow) => self.known.add(sql),
                Err(Stopped::Again) => {}
            }
        }
        Ok(None)
    }

    async fn query_quick(&self, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<Row>, Stopped> {
        let vital = reads::is_vital();
        match &self.quick {
            Quick::Lanes(lanes) => lanes.query(sql, params, vital).await,
            Quick::Apart { pool, vital: apart } => {
                let pool = if vital { apart } else { pool };
                let client = client(pool).await?;
                let lent = Lent::new(client, &self.address);
                match timeout(PATIENCE, self.query_on(lent, sql, params)).await {
                    Ok(found) => Ok(found?),
                    Err(_) => Err(Stopped::Slow),
                }
            }
        }
    }

    /// Where it may take long. What counts is how long the server took, not how long it was waited for a connection.
    async fn query_slow(&self, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<Row>, Error> {
        let pool = &self.slow;
        // All of them may have been lost while they lay there.
        for attempt in 0.. {
            let client = timeout(self.wait, client(pool))
                .await
                .map_err(|_| Error::Busy)??;
            let begun = Instant::now();
            let found = self.query_on(Lent::new(client, &self.address), sql, params).await;
            self.known.took(sql, begun.elapsed());
            match found {
                Err(Error::Busy) if attempt < pool.status().max_size => {}
                found => return found,
            }
        }
        Err(Error::Busy)
    }

    /// Whoever leaves before it is answered has it cancelled.
    async fn query_on(&self, lent: Lent, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<Row>, Error> {
        let found = if self.session.pooler {
            statement::read_alone(lent.client()?, &self.session, sql, params).await
        } else {
            statement::query(lent.client()?, &self.session, sql, params).await
        };
        lent.give_back();
        found
    }

    pub(super) fn close(&self) {
        self.slow.close();
        match &self.quick {
            Quick::Lanes(lanes) => lanes.close(),
            Quick::Apart { pool, vital } => {
                pool.close();
                vital.close();
            }
        }
    }
}

/// Statements that took long lately.
#[derive(Default)]
struct Known {
    since: Mutex<HashMap<String, Slow>>,
    /// So that nobody locks where there are none.
    count: AtomicUsize,
}

impl Known {
    fn contains(&self, sql: &str) -> bool {
        if self.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut all = self.since.lock();
        let is_known = all
            .get(sql)
            .is_some_and(|slow| slow.since.elapsed() < REMEMBERED && slow.quick < QUICK_AGAIN);
        if !is_known {
            all.remove(sql);
            self.count.store(all.len(), Ordering::Relaxed);
        }
        is_known
    }

    fn add(&self, sql: &str) {
        let mut all = self.since.lock();
        if all.len() >= MOST_REMEMBERED {
            all.clear();
        }
        let slow = Slow {
            since: Instant::now(),
            quick: 0,
        };
        all.insert(sql.to_owned(), slow);
        self.count.store(all.len(), Ordering::Relaxed);
    }

    /// Notes how long one took where it may take long.
    fn took(&self, sql: &str, time: Duration) {
        if time > PATIENCE {
            self.add(sql);
        } else if let Some(slow) = self.since.lock().get_mut(sql) {
            slow.quick += 1;
        }
    }
}

struct Slow {
    since: Instant,
    /// How often it was quick since.
    quick: u32,
}
