//! Bringing a database up to the binary.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::{Db, Engine, Error, FromRow, Row, Tx};

/// One migration. A crate's own are made by [`migrations!`](crate::migrations).
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// From its name: 1 for `0001_create_users`.
    pub version: u32,
    /// `0001_create_users`.
    pub name: &'static str,
    /// The statements, for both engines.
    pub sql: &'static str,
}

impl Migration {
    /// The version is the number that the name begins with.
    ///
    /// # Panics
    /// At compile time, when the name does not begin with four digits and `_`.
    #[must_use]
    pub const fn new(name: &'static str, sql: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(
            bytes.len() > 5 && bytes[4] == b'_',
            "a migration is named as 0001_create_users"
        );
        let (mut version, mut at) = (0, 0);
        while at < 4 {
            assert!(
                bytes[at].is_ascii_digit(),
                "a migration is named as 0001_create_users"
            );
            version = version * 10 + (bytes[at] - b'0') as u32;
            at += 1;
        }
        Self { version, name, sql }
    }

    /// Of its text, without regard to how lines end.
    fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.sql.replace("\r\n", "\n").as_bytes()))
    }
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct MigrationReport {
    /// Names of the migrations that were applied now.
    pub applied: Vec<&'static str>,
}

/// One that the database has.
struct Applied {
    version: u32,
    name: String,
    checksum: String,
}

impl FromRow for Applied {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            version: row.at(0)?,
            name: row.at(1)?,
            checksum: row.at(2)?,
        })
    }
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS _migrations (migration_set TEXT NOT NULL, version BIGINT NOT NULL, \
     name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL, PRIMARY KEY (migration_set, version))";
const APPLIED: &str =
    "SELECT version, name, checksum FROM _migrations WHERE migration_set = $1 ORDER BY version";

impl Db {
    /// Applies what is missing of `set`, in order, each migration in one transaction with the note of it; all of them in one where there is
    /// nothing yet.
    ///
    /// # Errors
    /// [`Error::Migration`] when the database is newer than this binary, or was brought up by other migrations than ours.
    pub async fn migrate(&self, set: &str, migrations: &[Migration]) -> Result<MigrationReport, Error> {
        let mut report = MigrationReport::default();
        if self.pending(set, migrations).await?.is_empty() {
            return Ok(report);
        }
        self.prepare_table().await?;
        let is_new = self.applied(set).await?.is_empty();
        let in_one = if is_new { migrations.len() } else { 1 };
        for some in migrations.chunks(in_one) {
            let mut tx = self.begin_alone().await?;
            let applied: Vec<Applied> = tx.fetch_all(APPLIED, &[&set]).await?;
            check(set, migrations, &applied)?;
            let is_missing = |one: &&Migration| !applied.iter().any(|there| there.version == one.version);
            let missing: Vec<_> = some.iter().filter(is_missing).collect();
            for migration in &missing {
                apply(&mut tx, set, migration).await?;
            }
            tx.commit().await?;
            report.applied.extend(missing.iter().map(|one| one.name));
        }
        Ok(report)
    }

    /// What [`Db::migrate`] would apply.
    ///
    /// # Errors
    /// As `migrate`.
    pub async fn pending(&self, set: &str, migrations: &[Migration]) -> Result<Vec<&'static str>, Error> {
        check_order(set, migrations)?;
        let applied = self.applied(set).await?;
        check(set, migrations, &applied)?;
        let missing = migrations
            .iter()
            .filter(|one| !applied.iter().any(|there| there.version == one.version));
        Ok(missing.map(|one| one.name).collect())
    }

    async fn applied(&self, set: &str) -> Result<Vec<Applied>, Error> {
        let there: Option<i64> = match self.engine() {
            Engine::Sqlite => {
                self.fetch_optional(
                    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_migrations'",
                    &[],
                )
                .await?
            }
            Engine::Postgres => {
                let sql = "SELECT CAST(1 AS BIGINT) FROM pg_tables WHERE schemaname = current_schema() AND tablename = '_migrations'";
                self.fetch_optional(sql, &[]).await?
            }
        };
        if there.is_none() {
            return Ok(Vec::new());
        }
        self.fetch_all(APPLIED, &[&set]).await
    }

    async fn prepare_table(&self) -> Result<(), Error> {
        let mut tx = self.begin_alone().await?;
        tx.execute_script(TABLE).await?;
        tx.commit().await
    }

    /// Begins a transaction that waits for every other program's migrations: those that start at once apply each once.
    async fn begin_alone(&self) -> Result<Tx, Error> {
        let mut tx = self.begin().await?;
        if tx.engine() == Engine::Postgres {
            // A migration takes as long as it takes, and others wait for it.
            tx.fetch_one::<String>("SELECT set_config('statement_timeout', '0', true)", &[])
                .await?;
            // The first key is an arbitrary constant.
            let lock = "SELECT CAST(pg_advisory_xact_lock(7366941, hashtext(current_schema())) AS TEXT)";
            tx.fetch_one::<()>(lock, &[]).await?;
        }
        Ok(tx)
    }
}

async fn apply(tx: &mut Tx, set: &str, migration: &Migration) -> Result<(), Error> {
    let failed = |e: Error| Error::Migration(format!("migration {set}/{} failed: {e}", migration.name));
    tx.execute_script(migration.sql).await.map_err(failed)?;
    let now: Timestamp = tx.clock().now();
    let sql = "INSERT INTO _migrations (migration_set, version, name, checksum, applied_at) VALUES ($1, $2, $3, $4, $5)";
    tx.execute(
        sql,
        &[
            &set,
            &migration.version,
            &migration.name,
            &migration.checksum(),
            &now,
        ],
    )
    .await
    .map(drop)
}

/// Ours must be 1, 2, 3 … in order.
fn check_order(set: &str, migrations: &[Migration]) -> Result<(), Error> {
    for (expected, migration) in (1..).zip(migrations) {
        if migration.version != expected {
            let name = migration.name;
            return Err(Error::Migration(format!(
                "the migrations of {set} are not numbered in a row: {name} stands at {expected}"
            )));
        }
    }
    Ok(())
}

/// What the database has must be the first of ours, unchanged.
fn check(set: &str, migrations: &[Migration], applied: &[Applied]) -> Result<(), Error> {
    if let Some(newest) = applied.last().filter(|_| applied.len() > migrations.len()) {
        return Err(Error::Migration(format!(
            "the database of {set} is newer than this program: it has {} and this program ends at {}; start a newer stoa, \
             or restore the data from before its upgrade",
            newest.name,
            migrations.last().map_or("nothing", |last| last.name)
        )));
    }
    for (there, ours) in applied.iter().zip(migrations) {
        if there.version != ours.version || there.name != ours.name || there.checksum != ours.checksum() {
            return Err(Error::Migration(format!(
                "the database of {set} was brought up by another {} than this program's {}; start the stoa that it belongs to",
                there.name, ours.name
            )));
        }
    }
    Ok(())
}
