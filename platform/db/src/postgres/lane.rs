//! One connection that many reads share: their queries are sent without waiting for one another's answers, which come in the
//! order of the queries. So a query that takes long would hold up all behind it; it is cancelled, and goes where it may be slow.

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::timeout};
use tokio_postgres::{Client, Row, Statement, error::SqlState, types::ToSql};

use super::{
    address::Address,
    closed,
    convert::{bind, engine_error},
    statement::{STATEMENTS, check_count},
};
use crate::{Error, ToValue};

/// How long the query that is being answered may hold up those behind it.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);
/// A connection that has answered nothing for so many times that long, although its query was cancelled, is given up.
const MOST_WAITS: u32 = 20;
/// Between two cancellations of what is left on a connection that was given up.
const DRAINING: Duration = Duration::from_millis(5);
/// Queries in flight at once; more wait.
const IN_FLIGHT: usize = 128;

type Answer<T> = Result<T, tokio_postgres::Error>;

pub(super) struct Lane {
    client: Client,
    address: Arc<Address>,
    statements: Mutex<HashMap<String, Statement>>,
    room: Semaphore,
    /// The number of the query that was sent last.
    sent: Mutex<u64>,
    /// The highest number of one that was answered; so were all before it.
    answered: AtomicU64,
    /// The highest number of one that was cancelled for holding up the others.
    cancelled: AtomicU64,
    lost: AtomicBool,
}

/// Why a query was not answered.
pub(super) enum Stopped {
    /// It takes long.
    Slow,
    /// The connection was lost, or a cancellation that was meant for another query hit it.
    Again,
    Failed(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy => Self::Again,
            other => Self::Failed(other),
        }
    }
}

impl Lane {
    /// The address is one whose connections only read.
    pub(super) async fn connect(address: &Arc<Address>) -> Result<Arc<Self>, Error> {
        let client = address.connect().await.map_err(|e| engine_error(&e))?;
        Ok(Arc::new(Self {
            client,
            address: Arc::clone(address),
            statements: Mutex::default(),
            room: Semaphore::new(IN_FLIGHT),
            sent: Mutex::new(0),
            answered: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            lost: AtomicBool::new(false),
        }))
    }

    pub(super) fn is_lost(&self) -> bool {
        self.client.is_closed() || self.lost.load(Ordering::Relaxed)
    }

    pub(super) async fn query(
        self: &Arc<Self>,
        sql: &str,
        params: &[&dyn ToValue],
    ) -> Result<Vec<Row>, Stopped> {
        let _room = self.room.acquire().await.map_err(|_| Stopped::Failed(closed()))?;
        let statement = self.statement(sql).await?;
        check_count(&statement, params.len()).map_err(Stopped::Failed)?;
        let bound = bind(params);
        let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|one| one as _).collect();
        let found = self.run(self.client.query(&statement, &bound)).await;
        if matches!(found, Err(Stopped::Failed(_))) {
            // It may have failed because its table has changed since it was prepared.
            self.statements.lock().remove(sql);
        }
        found
    }

    async fn statement(self: &Arc<Self>, sql: &str) -> Result<Statement, Stopped> {
        if let Some(statement) = self.statements.lock().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.run(self.client.prepare(sql)).await?;
        let mut statements = self.statements.lock();
        if statements.len() >= STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Sends what `work` sends when it is first polled, and waits for its answer.
    async fn run<T>(self: &Arc<Self>, work: impl Future<Output = Answer<T>>) -> Result<T, Stopped> {
        let mut work = pin!(work);
        let mut number = 0;
        // Under the lock, so that the numbers are in the order of what is sent.
        let first = poll_fn(|context| {
            let mut sent = self.sent.lock();
            *sent += 1;
            number = *sent;
            Poll::Ready(work.as_mut().poll(context))
        });
        let first = first.await;
        let mut left = Left {
            lane: self,
            unanswered: true,
        };
        let answer = match first {
            Poll::Ready(answer) => answer,
            Poll::Pending => match self.wait_for(work).await {
                Some(answer) => answer,
                None => {
                    left.unanswered = false;
                    return Err(self.hit(number));
                }
            },
        };
        left.unanswered = false;
        self.answered.fetch_max(number, Ordering::AcqRel);
        answer.map_err(|error| self.judge(number, &error))
    }

    /// The answer; none if the connection has to be given up.
    async fn wait_for<T>(
        self: &Arc<Self>,
        mut work: Pin<&mut impl Future<Output = Answer<T>>>,
    ) -> Option<Answer<T>> {
        let (mut answered, mut waits) = (self.answered.load(Ordering::Acquire), 0);
        loop {
            if let Ok(answer) = timeout(PATIENCE, work.as_mut()).await {
                return Some(answer);
            }
            let now = self.answered.load(Ordering::Acquire);
            if now > answered {
                (answered, waits) = (now, 0);
                continue;
            }
            waits += 1;
            // Whichever query it is, it has been at the head for all that time.
            let before = self.cancelled.fetch_max(now + 1, Ordering::AcqRel);
            if before <= now {
                // Two in a row, as when many ask for what is locked: nobody waits here for the end of them all.
                let again = before == now && now > 0;
                self.lost.fetch_or(again, Ordering::Relaxed);
                let lane = Arc::clone(self);
                tokio::spawn(async move {
                    lane.cancel().await;
                    if again {
                        lane.drain().await;
                    }
                });
            }
            if waits >= MOST_WAITS {
                self.lost.store(true, Ordering::Relaxed);
            }
            if self.is_lost() {
                return None;
            }
        }
    }

    async fn cancel(&self) {
        self.address.cancel(self.client.cancel_token()).await;
    }

    /// Has the server end all that is in flight on a connection that was given up.
    async fn drain(&self) {
        let mut last = pin!(self.client.batch_execute(""));
        for _ in 0..IN_FLIGHT {
            if timeout(DRAINING, &mut last).await.is_ok() {
                return;
            }
            self.cancel().await;
        }
    }

    /// Whether it was this query that held up the others.
    fn hit(&self, number: u64) -> Stopped {
        if self.cancelled.load(Ordering::Acquire) == number {
            Stopped::Slow
        } else {
            Stopped::Again
        }
    }

    fn judge(&self, number: u64, error: &tokio_postgres::Error) -> Stopped {
        if error.code() == Some(&SqlState::QUERY_CANCELED) {
            return self.hit(number);
        }
        match engine_error(error) {
            Error::Busy => {
                self.lost.store(true, Ordering::Relaxed);
                Stopped::Again
            }
            other => Stopped::Failed(other),
        }
    }
}

/// A query whose caller may leave before it is answered.
struct Left<'a> {
    lane: &'a Arc<Lane>,
    unanswered: bool,
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        if !self.unanswered || self.lane.is_lost() {
            return;
        }
        // An empty query behind it cancels it, as any other would, if it takes long.
        let lane = Arc::clone(self.lane);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = lane.run(lane.client.batch_execute("")).await;
            });
        }
    }
}
