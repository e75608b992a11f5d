//! One transaction on PostgreSQL.

use std::sync::Arc;

use deadpool_postgres::Object;
use futures::FutureExt;
use tokio::sync::watch;

use super::{
    address::Address,
    convert::{engine_error, is_lost},
    lent::leave,
    open::Session,
    statement,
};
use crate::{Error, FromRow, Row, ToValue};

pub(crate) struct PostgresTx {
    /// While the transaction is open.
    client: Option<Object>,
    session: Session,
    address: Arc<Address>,
    /// Something was sent that is not answered yet.
    is_waiting: bool,
}

impl PostgresTx {
    pub(super) async fn begin(
        client: Object,
        session: &Session,
        address: &Arc<Address>,
    ) -> Result<Self, Error> {
        // Made first: if this is cancelled, what was sent is rolled back as in any other.
        let mut tx = Self {
            client: Some(client),
            session: session.clone(),
            address: Arc::clone(address),
            is_waiting: true,
        };
        let begun = tx.client()?.batch_execute(session.begin()).await;
        tx.is_waiting = false;
        begun.map_err(|e| engine_error(&e))?;
        Ok(tx)
    }

    fn client(&self) -> Result<&Object, Error> {
        self.client.as_ref().ok_or(Error::TxFailed)
    }

    pub(crate) async fn fetch<T: FromRow>(
        &mut self,
        sql: &str,
        params: &[&dyn ToValue],
    ) -> Result<Vec<T>, Error> {
        let rows = self.rows(sql, params).await?;
        rows.iter().map(|row| T::from_row(&Row::Postgres(row))).collect()
    }

    pub(crate) async fn fetch_one<T: FromRow>(
        &mut self,
        sql: &str,
        params: &[&dyn ToValue],
    ) -> Result<Option<T>, Error> {
        let rows = self.rows(sql, params).await?;
        rows.first()
            .map(|row| T::from_row(&Row::Postgres(row)))
            .transpose()
    }

    pub(crate) async fn execute(&mut self, sql: &str, params: &[&dyn ToValue]) -> Result<u64, Error> {
        self.is_waiting = true;
        let done = statement::execute(self.client()?, &self.session, sql, params).await;
        self.look(done)
    }

    async fn rows(&mut self, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<tokio_postgres::Row>, Error> {
        self.is_waiting = true;
        let found = statement::query(self.client()?, &self.session, sql, params).await;
        self.look(found)
    }

    /// A server that takes no writes is a primary no more: its connection is not used again.
    fn look<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.is_waiting = false;
        if matches!(result, Err(Error::ReadOnly(_)))
            && let Some(client) = self.client.take()
        {
            statement::forget(client);
        }
        result
    }

    pub(crate) async fn execute_script(&mut self, sql: &str) -> Result<(), Error> {
        self.is_waiting = true;
        let done = self.client()?.batch_execute(sql).await;
        self.is_waiting = false;
        done.map_err(|e| engine_error(&e))
    }

    pub(crate) async fn commit(mut self, signals: Option<watch::Sender<u64>>) -> Result<(), Error> {
        let client = self.client.take().ok_or(Error::TxFailed)?;
        if client.is_closed() {
            // Lost before the server was told to commit.
            return Err(Error::Busy);
        }
        // In a task of its own, so that it is committed and signalled also when the caller is cancelled here.
        let committed = tokio::spawn(async move {
            client.batch_execute("COMMIT").await?;
            if let Some(signals) = signals {
                signals.send_modify(|count| *count += 1);
            }
            Ok(())
        });
        match committed.await {
            Ok(Err(error)) if is_lost(&error) => Err(Error::Unknown),
            Ok(result) => result.map_err(|e| engine_error(&e)),
            Err(_) => Err(Error::Unknown),
        }
    }

    pub(crate) async fn rollback(mut self) {
        if let Some(client) = self.client.take() {
            // If it fails, the connection is gone, and the transaction with it.
            let _ = client.batch_execute("ROLLBACK").await;
        }
    }
}

impl Drop for PostgresTx {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        if self.is_waiting {
            leave(client, &self.address);
        } else {
            // Polled once it is sent, and a connection does what it is sent in order: so the next who is given this one
            // begins after the end of what was dropped here.
            let _ = client.batch_execute("ROLLBACK").now_or_never();
        }
    }
}
