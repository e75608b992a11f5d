//! One database of one service.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use stoa_kernel::{Clock, Timestamp};
use tokio::sync::watch;

use crate::{
    Error, FromRow, ToValue, Tx,
    postgres::{Postgres, address::Address},
    reads, sqlite,
    sqlite::Sqlite,
    testing::Statements,
    value::check,
};

/// How long the clock is watched before it is believed.
const STEADY: Duration = Duration::from_secs(2);

/// One database, of one service. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    engine: Arc<Backend>,
    pub(crate) shared: Arc<Shared>,
}

enum Backend {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

/// What transactions need of their database.
pub(crate) struct Shared {
    pub(crate) service: String,
    pub(crate) clock: Clock,
    pub(crate) signals: watch::Sender<u64>,
    /// Microseconds in the newest id that [`Tx::new_id`] gave out.
    pub(crate) newest_id: AtomicI64,
    /// For tests, which look at the plans of all statements.
    pub(crate) statements: OnceLock<Statements>,
}

impl Shared {
    fn note(&self, sql: &str) {
        if let Some(statements) = self.statements.get() {
            statements.note(&[], sql);
        }
    }
}

/// Which engine a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in the data folder.
    Sqlite,
    /// A server.
    Postgres,
}

impl Engine {
    /// `table`, to be read by this index and no other, for a `FROM`: on SQLite, which would choose otherwise. On PostgreSQL it
    /// is the table's name alone.
    #[must_use]
    pub fn by_index(self, table: &str, index: &str) -> String {
        match self {
            Self::Sqlite => format!("{table} INDEXED BY {index}"),
            Self::Postgres => table.to_owned(),
        }
    }
}

/// How to open a database.
#[derive(Clone)]
pub struct DbOptions {
    /// `sqlite:path/to/file.db` or `postgres://user:password@host:port/database`.
    pub url: String,
    /// PostgreSQL: a replica, for reads within a [`scope`](crate::reads::scope).
    pub replica_url: Option<String>,
    /// The service whose data it is: the `source` of its events and, on PostgreSQL, its schema. Of `a-z`, `0-9` and `_`.
    pub service: String,
    /// The schema on PostgreSQL, where it is not named as the service.
    pub schema: Option<String>,
    /// Where times come from.
    pub clock: Clock,
    /// SQLite: whether each group is fsynced before it is acknowledged. Only tests turn this off.
    pub durable: bool,
    /// Connections: for reads on SQLite, for transactions on PostgreSQL.
    pub connections: usize,
    /// How long a transaction waits for its turn or for a connection.
    pub wait: Duration,
    /// PostgreSQL: how long one statement may take before the server ends it, and a transaction lie idle.
    pub statement_timeout: Duration,
    /// PostgreSQL: a pooler stands before it that gives a connection for one transaction, such as PgBouncer in its mode
    /// `transaction`. Then nothing is prepared and nothing set for longer than that.
    pub pooler: bool,
    /// SQLite: most pages that the file may have, to try out a full disk.
    pub max_pages: Option<u32>,
}

impl DbOptions {
    /// The defaults: the machine's clock, durable, four connections, ten seconds of waiting.
    pub fn new(url: impl Into<String>, service: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            service: service.into(),
            replica_url: None,
            schema: None,
            clock: Clock::system(),
            durable: true,
            connections: 4,
            wait: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            pooler: false,
            max_pages: None,
        }
    }
}

impl DbOptions {
    /// Where the database is, as it may be shown: without a password.
    #[must_use]
    pub fn place(&self) -> String {
        let schema = self.schema.as_ref().unwrap_or(&self.service);
        match Address::read(&self.url) {
            Ok(address) => format!("{}/{} schema {schema}", address.place(), address.database()),
            Err(_) => sqlite::path_of(&self.url).map_or_else(String::new, |path| path.display().to_string()),
        }
    }
}

/// Refuses what is not the address of a server.
pub(crate) fn is_postgres(url: &str) -> Result<(), Error> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(());
    }
    Err(Error::Open(
        "a database's address begins with sqlite: or postgres://".to_owned(),
    ))
}

impl fmt::Debug for DbOptions {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbOptions")
            .field("service", &self.service)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Db {
    /// Opens the database; a file or schema that is missing is made.
    ///
    /// # Errors
    /// [`Error::Open`] or [`Error::ReadOnly`], in words for whoever runs the program.
    pub async fn open(options: DbOptions) -> Result<Self, Error> {
        let engine = if let Some(path) = sqlite::path_of(&options.url) {
            Backend::Sqlite(Sqlite::open(&path, &options)?)
        } else {
            is_postgres(&options.url)?;
            Backend::Postgres(Box::new(Postgres::open(&options).await?))
        };
        let shared = Shared {
            service: options.service,
            clock: options.clock,
            signals: watch::Sender::new(0),
            newest_id: AtomicI64::new(0),
            statements: OnceLock::new(),
        };
        Ok(Self {
            engine: Arc::new(engine),
            shared: Arc::new(shared),
        })
    }

    /// The one row of a query; of several the first. For reads alone.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none, or what the engine says.
    pub async fn fetch_one<T: FromRow>(&self, sql: &str, params: &[&dyn ToValue]) -> Result<T, Error> {
        self.fetch_optional(sql, params).await?.ok_or(Error::NotFound)
    }

    /// The first row of a query, if there is one. For reads alone.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn fetch_optional<T: FromRow>(
        &self,
        sql: &str,
        params: &[&dyn ToValue],
    ) -> Result<Option<T>, Error> {
        check(params)?;
        self.shared.note(sql);
        match &*self.engine {
            Backend::Sqlite(sqlite) => sqlite.read_one(sql, params).await,
            Backend::Postgres(postgres) => postgres.read_one(sql, params).await,
        }
    }

    /// All rows of a query. For reads alone.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn fetch_all<T: FromRow>(&self, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<T>, Error> {
        check(params)?;
        self.shared.note(sql);
        match &*self.engine {
            Backend::Sqlite(sqlite) => sqlite.read(sql, params).await,
            Backend::Postgres(postgres) => postgres.read(sql, params).await,
        }
    }

    /// One statement in a transaction of its own; returns the number of rows it changed. Durable once it returns.
    ///
    /// # Errors
    /// What the engine says; then nothing was changed.
    pub async fn execute(&self, sql: &str, params: &[&dyn ToValue]) -> Result<u64, Error> {
        if let Backend::Postgres(postgres) = &*self.engine {
            check(params)?;
            self.shared.note(sql);
            reads::wrote();
            return postgres.execute(sql, params).await;
        }
        let mut tx = self.begin().await?;
        let changed = tx.execute(sql, params).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Begins a write transaction.
    ///
    /// # Errors
    /// [`Error::Busy`] when there was no turn or connection in time.
    pub async fn begin(&self) -> Result<Tx, Error> {
        let shared = Arc::clone(&self.shared);
        reads::wrote();
        Ok(match &*self.engine {
            Backend::Sqlite(sqlite) => Tx::sqlite(sqlite.begin().await?, shared),
            Backend::Postgres(postgres) => Tx::postgres(postgres.begin().await?, shared),
        })
    }

    /// Changes whenever a transaction that called [`Tx::signal`] has committed in this process.
    #[must_use]
    pub fn signals(&self) -> watch::Receiver<u64> {
        self.shared.signals.subscribe()
    }

    /// Has [`Tx::new_id`] give out ids of later microseconds than this one alone.
    pub fn ids_after(&self, microsecond: i64) {
        self.shared.newest_id.fetch_max(microsecond, Ordering::Relaxed);
    }

    /// Asks the engine for an answer, and, where it is a file, whether the disk has room for more.
    ///
    /// # Errors
    /// When it gives none; [`Error::Full`] when there is no room.
    pub async fn ping(&self) -> Result<(), Error> {
        let asked = reads::vital(self.fetch_one::<i64>("SELECT CAST(1 AS BIGINT)", &[]));
        asked.await?;
        match &*self.engine {
            Backend::Sqlite(sqlite) => sqlite.has_room().await,
            Backend::Postgres(_) => Ok(()),
        }
    }

    /// How many connections to this database another process has for `service`; on SQLite, where a lock on the data folder tells
    /// that, none.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn others(&self, service: &str) -> Result<i64, Error> {
        match &*self.engine {
            Backend::Sqlite(_) => Ok(0),
            Backend::Postgres(_) => {
                let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1";
                self.fetch_one(sql, &[&format!("stoa {service}")]).await
            }
        }
    }

    /// Whether reads within a [`scope`](crate::reads::scope) may go to a replica: without one there is no need for scopes.
    #[must_use]
    pub fn has_replica(&self) -> bool {
        matches!(&*self.engine, Backend::Postgres(postgres) if postgres.has_replica())
    }

    /// How far the replica is behind, if there is one. It is asked from the opening on: at first there is a moment's patience.
    pub(crate) async fn replica_lag(&self) -> Option<Option<Duration>> {
        let Backend::Postgres(postgres) = &*self.engine else {
            return None;
        };
        let mut lag = postgres.replica_lag()?;
        for _ in 0..20 {
            if lag.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            lag = postgres.replica_lag()?;
        }
        Some(lag)
    }

    /// Which engine it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match &*self.engine {
            Backend::Sqlite(_) => Engine::Sqlite,
            Backend::Postgres(_) => Engine::Postgres,
        }
    }

    /// The service whose data it is.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.shared.service
    }

    /// Where times come from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The time, by a clock that is watched for two seconds: a jump ahead that does not last is not believed. For what deletes for
    /// good.
    pub async fn steady_now(&self) -> Timestamp {
        let before = self.clock().now();
        tokio::time::sleep(STEADY).await;
        self.clock().now().min(before + STEADY)
    }

    /// Waits for open groups and closes. Whatever is asked of it afterwards fails.
    pub async fn close(&self) {
        match &*self.engine {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            Backend::Postgres(postgres) => postgres.close(),
        }
    }
}
