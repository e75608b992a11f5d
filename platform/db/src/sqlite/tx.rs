//! One transaction on SQLite: a savepoint in the group of the moment.

use std::time::Duration;

use tokio::sync::watch;

use super::{Outcome, convert::engine_error, execute, query, query_one, writer::Turn};
use crate::{Error, FromRow, ToValue, settle};

pub(crate) struct SqliteTx {
    /// While the savepoint is open.
    turn: Option<Turn>,
    /// What went wrong last.
    failure: Option<Error>,
    /// A statement was run.
    asked: bool,
}

impl SqliteTx {
    pub(super) async fn begin(mut turn: Turn, wait: Duration) -> Result<Self, Error> {
        turn.group()?.enter(wait).await?;
        Ok(Self {
            turn: Some(turn),
            failure: None,
            asked: false,
        })
    }

    pub(crate) fn fetch<T: FromRow>(&mut self, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<T>, Error> {
        self.run(|connection| query(connection, sql, params))
    }

    pub(crate) fn fetch_one<T: FromRow>(
        &mut self,
        sql: &str,
        params: &[&dyn ToValue],
    ) -> Result<Option<T>, Error> {
        self.run(|connection| query_one(connection, sql, params))
    }

    pub(crate) fn execute(&mut self, sql: &str, params: &[&dyn ToValue]) -> Result<u64, Error> {
        self.run(|connection| execute(connection, sql, params))
    }

    pub(crate) fn execute_script(&mut self, sql: &str) -> Result<(), Error> {
        self.run(|connection| connection.execute_batch(sql).map_err(engine_error))
    }

    fn run<T>(&mut self, work: impl FnOnce(&rusqlite::Connection) -> Result<T, Error>) -> Result<T, Error> {
        self.asked = true;
        let group = self.turn.as_mut().ok_or(Error::TxFailed)?.group()?;
        work(group.connection()).inspect_err(|error| self.failure = Some(error.clone()))
    }

    /// Returns once the group that holds this transaction is on the disk.
    pub(crate) async fn commit(
        mut self,
        signals: Option<watch::Sender<u64>>,
        shred: bool,
    ) -> Result<(), Error> {
        let outcome = self.turn.take().ok_or(Error::TxFailed)?.join(signals, shred)?;
        settle::wait(outcome).await
    }

    /// Returns once it is taken back, and what it saw of others is on the disk or taken back as well.
    pub(crate) async fn rollback(mut self) {
        if let Some(seen) = self.take_back() {
            // Whoever's work it was is told.
            let _ = settle::wait(seen).await;
        }
    }

    /// Takes the savepoint back and passes the turn on. Returns how what it saw of others will have ended.
    fn take_back(&mut self) -> Option<Outcome> {
        let mut turn = self.turn.take()?;
        let group = turn.group().ok()?;
        group.take_back(self.failure.take());
        (self.asked && group.has_members()).then(|| group.watch())
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        if let Some(seen) = self.take_back() {
            settle::note(seen);
        }
    }
}
