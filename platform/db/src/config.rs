//! The section `[database]` of the settings.

use std::{fmt, path::Path};

use serde::Deserialize;
use stoa_kernel::{Clock, Period};

use crate::{DbOptions, Error, db::is_postgres, postgres::address::Address, sqlite};

/// Which database a service has. Services may set any of it for themselves, as `[auth.database]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host:port/database?sslmode=…`; empty: a SQLite file in the data folder.
    pub url: String,
    /// A replica of it, for reads that do not ask for the newest; empty: none.
    pub replica_url: String,
    /// Connections: for reads on SQLite, for transactions on PostgreSQL.
    pub connections: usize,
    /// How long a transaction waits for its turn or for a connection.
    pub wait: Period,
    /// PostgreSQL: how long one statement may take.
    pub statement_timeout: Period,
    /// PostgreSQL: a pooler stands before it that gives a connection for one transaction.
    pub pooler: bool,
}

impl DatabaseConfig {
    /// Whether it is a file in the data folder.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.url.is_empty()
    }

    /// Refuses an address at which no database can be, without trying it.
    ///
    /// # Errors
    /// [`Error::Replica`] for the address of the replica, [`Error::Open`] for the other.
    pub fn check(&self) -> Result<(), Error> {
        if self.is_embedded() || sqlite::path_of(&self.url).is_some() {
            return Ok(());
        }
        is_postgres(&self.url)?;
        Address::read(&self.url)?;
        if !self.replica_url.is_empty() {
            Address::read(&self.replica_url).map_err(|e| Error::Replica(e.to_string()))?;
        }
        Ok(())
    }

    /// How the database of `service` is opened.
    #[must_use]
    pub fn options(&self, service: &str, data_dir: &Path, clock: &Clock) -> DbOptions {
        let url = if self.is_embedded() {
            format!("sqlite:{}", data_dir.join(format!("{service}.db")).display())
        } else {
            self.url.clone()
        };
        DbOptions {
            replica_url: (!self.replica_url.is_empty()).then(|| self.replica_url.clone()),
            clock: clock.clone(),
            connections: self.connections,
            wait: self.wait.0,
            statement_timeout: self.statement_timeout.0,
            pooler: self.pooler,
            ..DbOptions::new(url, service)
        }
    }
}

impl fmt::Debug for DatabaseConfig {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseConfig")
            .field("embedded", &self.is_embedded())
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
