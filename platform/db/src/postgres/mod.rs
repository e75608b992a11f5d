//! PostgreSQL: reads pipelined over a few shared connections, transactions on pooled ones.

pub(crate) mod convert;
mod open;
mod readers;
mod statement;
mod tx;

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod};
use tokio::time::timeout;
use tokio_postgres::NoTls;

use self::{convert::engine_error, readers::Readers};
use crate::{DbOptions, Error, FromRow, Row, ToValue};
pub(crate) use tx::PostgresTx;

pub(crate) struct Postgres {
    readers: Readers,
    pool: Pool,
    connections: usize,
    wait: Duration,
}

impl Postgres {
    pub(crate) async fn open(options: &DbOptions) -> Result<Self, Error> {
        let config = open::config(options)?;
        open::make_schema(&config, open::schema(options)?).await?;
        // Fast: a connection that is still there is taken as it is. What a transaction left open, it has rolled back itself.
        let manager_config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let connections = options.connections.max(1);
        let pool = Pool::builder(Manager::from_config(config.clone(), NoTls, manager_config))
            .max_size(connections)
            .build()
            .map_err(|e| Error::Open(e.to_string()))?;
        Ok(Self {
            readers: Readers::new(config),
            pool,
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
        timeout(self.wait, self.readers.query(sql, params))
            .await
            .map_err(|_| Error::Busy)?
    }

    /// One statement, which to PostgreSQL is a transaction of its own.
    pub(crate) async fn execute(&self, sql: &str, params: &[&dyn ToValue]) -> Result<u64, Error> {
        let client = timeout(self.wait, self.client())
            .await
            .map_err(|_| Error::Busy)??;
        statement::execute_alone(&client, sql, params).await
    }

    pub(crate) async fn begin(&self) -> Result<PostgresTx, Error> {
        timeout(self.wait, self.begin_somewhere())
            .await
            .map_err(|_| Error::Busy)?
    }

    /// Begins on one of the pool's connections. All of them may have been lost while they lay there, and then a new one is made.
    async fn begin_somewhere(&self) -> Result<PostgresTx, Error> {
        for _ in 0..self.connections {
            match PostgresTx::begin(self.client().await?).await {
                Err(Error::Busy) => {}
                begun => return begun,
            }
        }
        PostgresTx::begin(self.client().await?).await
    }

    async fn client(&self) -> Result<Object, Error> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(_) => Error::Busy,
            PoolError::Backend(error) => engine_error(&error),
            PoolError::Closed => Error::Engine("the database is closed".to_owned()),
            other => Error::Engine(other.to_string()),
        })
    }

    pub(crate) fn close(&self) {
        self.pool.close();
        self.readers.close();
    }
}
