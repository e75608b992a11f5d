//! PostgreSQL: quick reads pipelined over a few shared connections, slow ones and transactions on pooled ones.

pub(crate) mod address;
mod cancel;
pub(crate) mod convert;
mod lane;
mod lanes;
mod lent;
pub(crate) mod open;
mod readers;
mod replica;
pub(crate) mod statement;
mod tls;
mod tls_verifier;
mod tx;

use std::{sync::Arc, time::Duration};

use deadpool_postgres::{Object, Pool, PoolError};
use jiff::SignedDuration;
use tokio::time::timeout;

use self::{
    address::Address, convert::engine_error, lent::Lent, open::Session, readers::Readers, replica::Replica,
};
use crate::{DbOptions, Error, FromRow, Row, ToValue, reads, waits::Waits};
pub(crate) use tx::PostgresTx;

pub(crate) struct Postgres {
    readers: Readers,
    replica: Option<Replica>,
    pool: Pool,
    waits: Waits,
    address: Arc<Address>,
    session: Session,
    connections: usize,
    wait: Duration,
}

impl Postgres {
    pub(crate) async fn open(options: &DbOptions) -> Result<Self, Error> {
        let mut address = Address::read(&options.url)?;
        let session = Session::new(&mut address, options)?;
        open::prepare(&address, open::schema(options)?).await?;
        let connections = options.connections.max(1);
        let replica = options.replica_url.as_deref();
        let replica = replica.map(|url| {
            Replica::open(url, address.clone(), options).map_err(|e| Error::Replica(e.to_string()))
        });
        Ok(Self {
            replica: replica.transpose()?,
            pool: address.pool(connections)?,
            waits: Waits::new(&options.service),
            readers: Readers::new(address.clone(), &session, options)?,
            address: Arc::new(address),
            session,
            connections,
            wait: options.wait,
        })
    }

    pub(crate) async fn read<T: FromRow>(&self, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<T>, Error> {
        self.rows(sql, params)
            .await?
            .iter()
            .map(|row| T::from_row(&Row::Postgres(row)))
            .collect()
    }

    pub(crate) async fn read_one<T: FromRow>(
        &self,
        sql: &str,
        params: &[&dyn ToValue],
    ) -> Result<Option<T>, Error> {
        self.rows(sql, params)
            .await?
            .first()
            .map(|row| T::from_row(&Row::Postgres(row)))
            .transpose()
    }

    async fn rows(&self, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<tokio_postgres::Row>, Error> {
        if let Some(replica) = &self.replica
            && let Some(since) = reads::since()
            && let Some(rows) = replica.query(since, sql, params).await
        {
            return Ok(rows);
        }
        self.readers.query(sql, params).await
    }

    /// One statement, which to PostgreSQL is a transaction of its own.
    pub(crate) async fn execute(&self, sql: &str, params: &[&dyn ToValue]) -> Result<u64, Error> {
        let client = timeout(self.wait, self.client())
            .await
            .map_err(|_| Error::Busy)??;
        statement::execute_alone(Lent::new(client, &self.address), &self.session, sql, params).await
    }

    pub(crate) async fn begin(&self) -> Result<PostgresTx, Error> {
        timeout(self.wait, self.begin_somewhere())
            .await
            .map_err(|_| Error::Busy)?
    }

    /// Begins on one of the pool's connections. All of them may have been lost while they lay there, and then a new one is made.
    async fn begin_somewhere(&self) -> Result<PostgresTx, Error> {
        for _ in 0..self.connections {
            match self.begin_on(self.client().await?).await {
                Err(Error::Busy) => {}
                begun => return begun,
            }
        }
        self.begin_on(self.client().await?).await
    }

    async fn begin_on(&self, client: Object) -> Result<PostgresTx, Error> {
        PostgresTx::begin(client, &self.session, &self.address).await
    }

    /// A connection for a transaction.
    async fn client(&self) -> Result<Object, Error> {
        let _waiting = self.waits.begin();
        client(&self.pool).await
    }

    pub(crate) fn close(&self) {
        self.pool.close();
        self.readers.close();
        if let Some(replica) = &self.replica {
            replica.close();
        }
    }

    /// How far the replica is behind at most; the inner none is one that cannot be read from.
    pub(crate) fn replica_lag(&self) -> Option<Option<Duration>> {
        let lag = self.replica.as_ref()?.lag();
        Some(lag.map(SignedDuration::unsigned_abs))
    }

    pub(crate) fn has_replica(&self) -> bool {
        self.replica.is_some()
    }
}

/// A connection of the pool, made if there is none to be had and room for one.
async fn client(pool: &Pool) -> Result<Object, Error> {
    pool.get().await.map_err(|error| match error {
        PoolError::Timeout(_) => Error::Busy,
        PoolError::Backend(error) => engine_error(&error),
        PoolError::Closed => closed(),
        other => Error::Engine(other.to_string()),
    })
}

fn closed() -> Error {
    Error::Engine("the database is closed".to_owned())
}
