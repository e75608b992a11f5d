//! How far a transfer has come, noted in the database that it fills.

use super::{
    Table,
    cell::Cell,
    rows::{Cells, quote},
};
use crate::{Db, Engine, Error, FromRow, Tx};

pub(super) const TABLE: &str = "_transfer";

/// One table's part.
#[derive(FromRow)]
pub(super) struct Progress {
    pub(super) table_name: String,
    pub(super) rows_done: i64,
    /// The key of the last row that is there, a value a line; none before the first.
    last_key: Option<String>,
    pub(super) done: bool,
}

impl Progress {
    /// The key to go on behind.
    pub(super) fn after(&self, table: &Table) -> Result<Option<Cells>, Error> {
        let Some(noted) = &self.last_key else {
            return Ok(None);
        };
        let cells = table.key.iter().zip(noted.split('\n'));
        let read = cells.map(|(at, note)| Cell::from_note(table.columns[*at].kind, note));
        read.collect::<Result<_, _>>().map(Some)
    }
}

/// Makes ready to be filled from `source`: what migrations put into the tables goes. Where a transfer from it has begun already,
/// it goes on.
///
/// The caller has looked that the database holds nothing else.
///
/// # Errors
/// [`Error::Migration`] when a transfer from another source has begun.
pub async fn begin(db: &Db, source: &str, tables: &[Table]) -> Result<(), Error> {
    if let Some(other) = unfinished(db).await? {
        if other == source {
            return Ok(());
        }
        return Err(Error::Migration(format!(
            "a transfer to {} has begun from {other}: end that one, or begin with an empty database",
            db.service()
        )));
    }
    let mut tx = db.begin().await?;
    let sql = "CREATE TABLE _transfer (table_name TEXT PRIMARY KEY, source TEXT NOT NULL, rows_done BIGINT NOT NULL, \
        last_key TEXT, done BOOLEAN NOT NULL)";
    tx.execute(sql, &[]).await?;
    for table in tables.iter().rev() {
        tx.execute(&format!("DELETE FROM {}", quote(&table.name)), &[])
            .await?;
        let sql = "INSERT INTO _transfer (table_name, source, rows_done, done) VALUES ($1, $2, 0, FALSE)";
        tx.execute(sql, &[&table.name, &source]).await?;
    }
    tx.commit().await
}

/// Where the transfer comes from that has begun and not ended; none if there is none. Such a database is not to be served from.
///
/// # Errors
/// What the database says.
pub async fn unfinished(db: &Db) -> Result<Option<String>, Error> {
    let sql = match db.engine() {
        Engine::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = $1",
        Engine::Postgres => {
            "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1"
        }
    };
    if db.fetch_one::<i64>(sql, &[&TABLE]).await? == 0 {
        return Ok(None);
    }
    db.fetch_optional("SELECT source FROM _transfer LIMIT 1", &[])
        .await
}

pub(super) async fn all(db: &Db) -> Result<Vec<Progress>, Error> {
    db.fetch_all("SELECT table_name, rows_done, last_key, done FROM _transfer", &[])
        .await
}

pub(super) async fn note(tx: &mut Tx, table: &Table, rows: i64, after: &Cells) -> Result<(), Error> {
    let key = after.iter().map(Cell::note).collect::<Vec<_>>().join("\n");
    let sql = "UPDATE _transfer SET rows_done = $2, last_key = $3 WHERE table_name = $1";
    tx.execute(sql, &[&table.name, &rows, &key]).await.map(drop)
}

pub(super) async fn done(db: &Db, table: &Table) -> Result<(), Error> {
    let sql = "UPDATE _transfer SET done = TRUE WHERE table_name = $1";
    db.execute(sql, &[&table.name]).await.map(drop)
}

/// Ends a transfer, once everything has been compared: from now on the database is one like any other.
///
/// # Errors
/// What the database says.
pub async fn finish(db: &Db) -> Result<(), Error> {
    db.execute("DROP TABLE _transfer", &[]).await.map(drop)
}
