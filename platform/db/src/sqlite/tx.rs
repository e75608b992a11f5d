//! One transaction on SQLite: a savepoint in the group of the moment.

use std::time::Duration;

use tokio::sync::watch;

use super::{convert::engine_error, execute, query, query_one, writer::Turn};
use crate::{Error, FromRow, ToValue};

pub(crate) struct SqliteTx {
    /// While the savepoint is open.
    turn: Option<Turn>,
    /// What went wrong last.
    failure: Option<Error>,
}

impl SqliteTx {
    pub(super) async fn begin(mut turn: Turn, wait: Duration) -> Result<Self, Error> {
        turn.group()?.enter(wait).await?;
        Ok(Self {
            turn: Some(turn),
            failure: None,
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
        let group = self.turn.as_mut().ok_or(Error::TxFailed)?.group()?;
        work(group.connection()).inspect_err(|error| self.failure = Some(error.clone()))
    }

    /// Returns once the group that holds this transaction is on the disk.
    pub(crate) async fn commit(mut self, signals: Option<watch::Sender<u64>>) -> Result<(), Error> {
        let outcome = self.turn.take().ok_or(Error::TxFailed)?.join(signals)?;
        outcome
            .await
            .unwrap_or_else(|_| Err(Error::Engine("the writer ended before the commit".to_owned())))
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        if let Some(mut turn) = self.turn.take()
            && let Ok(group) = turn.group()
        {
            group.take_back(self.failure.take());
        }
    }
}
