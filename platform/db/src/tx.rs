//! A write transaction on either engine.

use std::sync::{Arc, atomic::Ordering};

use stoa_kernel::{Clock, Id};

use crate::{
    Engine, Error, FromRow, ToValue, db::Shared, postgres::PostgresTx, sqlite::SqliteTx, value::check,
};

/// A write transaction. Dropped without commit, it is rolled back. After a statement has failed nothing of it can be
/// kept, on both engines: whatever follows, `commit` included, says [`Error::TxFailed`].
///
/// While it is open, await nothing but its own methods: on SQLite every other writer of the service waits behind it.
pub struct Tx {
    inner: Inner,
    shared: Arc<Shared>,
    /// A statement has failed, or was dropped before its result was known.
    failed: bool,
    signal: bool,
    shred: bool,
    /// For tests: statements that have set how later ones are planned.
    settings: Vec<String>,
}

enum Inner {
    Sqlite(SqliteTx),
    Postgres(PostgresTx),
}

impl Tx {
    pub(crate) fn sqlite(tx: SqliteTx, shared: Arc<Shared>) -> Self {
        Self {
            inner: Inner::Sqlite(tx),
            shared,
            failed: false,
            signal: false,
            shred: false,
            settings: Vec::new(),
        }
    }

    pub(crate) fn postgres(tx: PostgresTx, shared: Arc<Shared>) -> Self {
        Self {
            inner: Inner::Postgres(tx),
            shared,
            failed: false,
            signal: false,
            shred: false,
            settings: Vec::new(),
        }
    }

    /// The one row of a query; of several the first.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none (the transaction goes on), or what the engine says.
    pub async fn fetch_one<T: FromRow>(&mut self, sql: &str, params: &[&dyn ToValue]) -> Result<T, Error> {
        self.fetch_optional(sql, params).await?.ok_or(Error::NotFound)
    }

    /// The first row of a query, if there is one.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn fetch_optional<T: FromRow>(
        &mut self,
        sql: &str,
        params: &[&dyn ToValue],
    ) -> Result<Option<T>, Error> {
        self.ready(sql, params)?;
        let found = match &mut self.inner {
            Inner::Sqlite(tx) => tx.fetch_one(sql, params),
            Inner::Postgres(tx) => tx.fetch_one(sql, params).await,
        };
        self.note(found)
    }

    /// All rows of a query.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn fetch_all<T: FromRow>(
        &mut self,
        sql: &str,
        params: &[&dyn ToValue],
    ) -> Result<Vec<T>, Error> {
        self.ready(sql, params)?;
        let found = match &mut self.inner {
            Inner::Sqlite(tx) => tx.fetch(sql, params),
            Inner::Postgres(tx) => tx.fetch(sql, params).await,
        };
        self.note(found)
    }

    /// Runs a statement; returns the number of rows it changed.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn execute(&mut self, sql: &str, params: &[&dyn ToValue]) -> Result<u64, Error> {
        self.ready(sql, params)?;
        let changed = match &mut self.inner {
            Inner::Sqlite(tx) => tx.execute(sql, params),
            Inner::Postgres(tx) => tx.execute(sql, params).await,
        };
        self.note(changed)
    }

    /// Several statements without parameters: for migrations.
    pub(crate) async fn execute_script(&mut self, sql: &str) -> Result<(), Error> {
        self.ready(sql, &[])?;
        let done = match &mut self.inner {
            Inner::Sqlite(tx) => tx.execute_script(sql),
            Inner::Postgres(tx) => tx.execute_script(sql).await,
        };
        self.note(done)
    }

    /// Commits; once it returns, the transaction is durable. When the returned future is dropped half-way, the transaction
    /// is committed all the same.
    ///
    /// # Errors
    /// When nothing of it was kept. Only [`Error::Unknown`], of an engine that could not be reached any more, leaves that open.
    pub async fn commit(self) -> Result<(), Error> {
        if self.failed {
            return Err(Error::TxFailed);
        }
        let signals = self.signal.then(|| self.shared.signals.clone());
        match self.inner {
            Inner::Sqlite(tx) => tx.commit(signals, self.shred).await,
            Inner::Postgres(tx) => tx.commit(signals).await,
        }
    }

    /// Takes everything back, and waits until that is done and, on SQLite, until what it saw of others is durable. Dropping does
    /// the same without waiting; see [`settled`](crate::settled).
    pub async fn rollback(self) {
        match self.inner {
            Inner::Sqlite(tx) => tx.rollback().await,
            Inner::Postgres(tx) => tx.rollback().await,
        }
    }

    /// Wakes those who watch [`Db::signals`](crate::Db::signals) once this transaction has committed.
    pub fn signal(&mut self) {
        self.signal = true;
    }

    /// Asks that what this transaction deletes is found in no file of the database any more, some seconds after it has committed.
    /// On SQLite: it is overwritten in any case, but copies stay in the log, and in pages that were split, until the log is
    /// emptied and the file, if it is no larger than 32 MiB, written anew. On PostgreSQL this is a matter of its vacuum.
    pub fn shred(&mut self) {
        self.shred = true;
    }

    /// A new id, greater than every one that this database gave out before in this process. On SQLite, where transactions
    /// follow one another, ids made in them sort in the order of their commits.
    #[must_use]
    pub fn new_id<T>(&self) -> Id<T> {
        let now = self.shared.clock.now().as_microsecond();
        let next = |newest: i64| Some(now.max(newest + 1));
        // Neither closure nor clock can fail it; the value returned is the one before.
        let before = self
            .shared
            .newest_id
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .unwrap_or(now);
        Id::at_microsecond(now.max(before + 1))
    }

    /// The service whose database it is.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.shared.service
    }

    /// Where times come from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self.inner {
            Inner::Sqlite(_) => Engine::Sqlite,
            Inner::Postgres(_) => Engine::Postgres,
        }
    }

    /// Before a statement. Until [`Tx::note`] has seen its result the transaction counts as failed: whoever drops a statement
    /// half-way does not know whether it was done, and must not commit the rest.
    fn ready(&mut self, sql: &str, params: &[&dyn ToValue]) -> Result<(), Error> {
        if self.failed {
            return Err(Error::TxFailed);
        }
        self.failed = true;
        if let Some(statements) = self.shared.statements.get() {
            statements.note(&self.settings, sql);
            if params.is_empty() && sql.contains("set_config(") {
                self.settings.push(sql.to_owned());
            }
        }
        check(params)
    }

    fn note<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.failed = result.is_err();
        result
    }
}
