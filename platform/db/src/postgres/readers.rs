//! Connections for reads, apart from those of transactions: a read never waits for one of those to end.

use deadpool_postgres::Pool;
use tokio_postgres::Row;

use super::{address::Address, client, open::Session, shared::Shared, statement};
use crate::{Error, ToValue};

pub(super) enum Readers {
    /// A few connections that all reads share.
    Shared(Box<Shared>),
    /// Behind a pooler: each read is a transaction, for which a connection is its own.
    Apart { pool: Pool, session: Session },
}

impl Readers {
    pub(super) fn new(address: Address, session: &Session, connections: usize) -> Result<Self, Error> {
        Ok(if session.pooler {
            Self::Apart {
                pool: address.pool(connections)?,
                session: session.clone(),
            }
        } else {
            Self::Shared(Box::new(Shared::new(address)))
        })
    }

    /// Runs a query, again if the connection turns out to be lost: a read may be repeated.
    pub(super) async fn query(&self, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<Row>, Error> {
        match self {
            Self::Shared(shared) => shared.query(sql, params).await,
            Self::Apart { pool, session } => {
                for _ in 0..pool.status().max_size {
                    match statement::read_alone(client(pool).await?, session, sql, params).await {
                        Err(Error::Busy) => {}
                        found => return found,
                    }
                }
                statement::read_alone(client(pool).await?, session, sql, params).await
            }
        }
    }

    pub(super) fn close(&self) {
        match self {
            Self::Shared(shared) => shared.close(),
            Self::Apart { pool, .. } => pool.close(),
        }
    }
}
