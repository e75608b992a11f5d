//! SQLite: readers that answer inline, and one writer whose commits are grouped.

pub(crate) mod convert;
mod group;
mod open;
mod readers;
mod room;
mod statistics;
mod tx;
mod writer;

use std::{path::Path, sync::Arc, time::Duration};

use rusqlite::Connection;

use self::{convert::engine_error, readers::Readers, room::Room, writer::Writer};
use crate::{DbOptions, Error, FromRow, Row, ToValue, waits::Waits};
pub(crate) use group::Outcome;
pub(crate) use open::path_of;
pub(crate) use tx::SqliteTx;

pub(crate) struct Sqlite {
    readers: Arc<Readers>,
    writer: Writer,
    wait: Duration,
    room: Arc<Room>,
}

impl Sqlite {
    pub(crate) fn open(path: &Path, options: &DbOptions) -> Result<Self, Error> {
        let writer = open::writer(path, options)?;
        let readers = (0..options.connections.max(1))
            .map(|_| open::reader(path))
            .collect::<Result<_, _>>()?;
        let readers = Arc::new(Readers::new(readers));
        Ok(Self {
            writer: Writer::new(writer, Arc::clone(&readers), Waits::new(&options.service)),
            readers,
            wait: options.wait,
            room: Arc::new(Room::beside(path)),
        })
    }

    pub(crate) async fn read<T: FromRow>(&self, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<T>, Error> {
        be_fair().await;
        let mut reader = self.readers.take(self.wait).await?;
        reader.read(|connection| query(connection, sql, params))
    }

    pub(crate) async fn read_one<T: FromRow>(
        &self,
        sql: &str,
        params: &[&dyn ToValue],
    ) -> Result<Option<T>, Error> {
        be_fair().await;
        let mut reader = self.readers.take(self.wait).await?;
        reader.read(|connection| query_one(connection, sql, params))
    }

    pub(crate) async fn begin(&self) -> Result<SqliteTx, Error> {
        be_fair().await;
        SqliteTx::begin(self.writer.turn(self.wait).await?, self.wait).await
    }

    /// Whether there is room to write.
    pub(crate) async fn has_room(&self) -> Result<(), Error> {
        let room = Arc::clone(&self.room);
        let looked = tokio::task::spawn_blocking(move || room.look()).await;
        looked.unwrap_or_else(|e| Err(Error::Engine(e.to_string())))
    }

    pub(crate) async fn close(&self) {
        self.readers.close();
        self.writer.close().await;
    }
}

/// Statements run inline and so never wait: without this a task that does one after another would keep its thread for itself.
async fn be_fair() {
    tokio::task::coop::consume_budget().await;
}

fn query<T: FromRow>(connection: &Connection, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<T>, Error> {
    let mut statement = connection.prepare_cached(sql).map_err(engine_error)?;
    convert::bind(&mut statement, sql, params)?;
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine_error)? {
        found.push(T::from_row(&Row::Sqlite(row))?);
    }
    Ok(found)
}

fn query_one<T: FromRow>(
    connection: &Connection,
    sql: &str,
    params: &[&dyn ToValue],
) -> Result<Option<T>, Error> {
    let mut statement = connection.prepare_cached(sql).map_err(engine_error)?;
    let writes = !statement.readonly();
    convert::bind(&mut statement, sql, params)?;
    let mut rows = statement.raw_query();
    let found = match rows.next().map_err(engine_error)? {
        Some(row) => Some(T::from_row(&Row::Sqlite(row))?),
        None => None,
    };
    // What a statement with RETURNING breaks, such as a foreign key, it says at its end.
    while writes && rows.next().map_err(engine_error)?.is_some() {}
    Ok(found)
}

fn execute(connection: &Connection, sql: &str, params: &[&dyn ToValue]) -> Result<u64, Error> {
    let mut statement = connection.prepare_cached(sql).map_err(engine_error)?;
    convert::bind(&mut statement, sql, params)?;
    let before = connection.total_changes();
    let mut rows = statement.raw_query();
    while rows.next().map_err(engine_error)?.is_some() {}
    // `changes` speaks of the last INSERT, UPDATE or DELETE, which may have been an earlier statement.
    Ok(if connection.total_changes() == before {
        0
    } else {
        connection.changes()
    })
}
