//! Opening the file: for its owner alone, and with words that help when it cannot be done.

use std::{
    fs::OpenOptions,
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{convert::engine_error, statistics};
use crate::{DbOptions, Error};

/// Prepared statements kept by each connection.
const STATEMENTS: usize = 128;
/// How long opening waits for another program that opens or mends the file.
const WAIT: Duration = Duration::from_secs(5);

/// The file of a `sqlite:` address.
pub(crate) fn path_of(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// The write connection; makes the file if there is none.
pub(super) fn writer(path: &Path, options: &DbOptions) -> Result<Connection, Error> {
    create(path)?;
    let writer = connect(path)?;
    let journal: String = writer
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|e| opened(path, e))?;
    if journal != "wal" {
        let path = path.display();
        return Err(Error::Open(format!(
            "{path}: it cannot keep a write-ahead log there ({journal}); choose a local disk"
        )));
    }
    let synchronous = if options.durable { "FULL" } else { "OFF" };
    let pages = options
        .max_pages
        .map(|pages| format!("PRAGMA max_page_count = {pages};"))
        .unwrap_or_default();
    writer
        .execute_batch(&format!(
            "PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; PRAGMA cache_size = -4096; \
             PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON; {pages}"
        ))
        .map_err(|e| opened(path, e))?;
    if let Err(error) = statistics::disable(&writer) {
        // A file that cannot be written to is still read from.
        tracing::warn!(file = %path.display(), %error, "statistics could not be kept from SQLite's planner");
    }
    // From here on a busy file is waited for without holding up a thread.
    writer.busy_timeout(Duration::ZERO).map_err(engine_error)?;
    Ok(writer)
}

/// A connection that cannot write.
pub(super) fn reader(path: &Path) -> Result<Connection, Error> {
    let reader = connect(path)?;
    reader
        .execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -1024; PRAGMA mmap_size = 268435456; PRAGMA temp_store = MEMORY;")
        .map_err(|e| opened(path, e))?;
    Ok(reader)
}

/// Makes the file for its owner alone; SQLite gives its companions the same mode.
fn create(path: &Path) -> Result<(), Error> {
    if path == Path::new(":memory:") {
        return Err(Error::Open(
            "a database in memory is not offered; name a file".to_owned(),
        ));
    }
    let made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(e)
            if matches!(
                e.kind(),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Err(Error::ReadOnly(format!(
                "{}: {e}; let this user write to it, or choose another folder",
                path.display()
            )))
        }
        Err(e) => Err(Error::Open(format!("{}: {e}", path.display()))),
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| opened(path, e))?;
    set_up(&connection).map_err(|e| opened(path, e))?;
    Ok(connection)
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // As on PostgreSQL, "x" is the name of a column and never a text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    Ok(())
}

fn opened(path: &Path, error: rusqlite::Error) -> Error {
    let path = path.display();
    match engine_error(error) {
        Error::Engine(said) => Error::Open(format!("{path}: {said}")),
        Error::Open(said) => Error::Open(format!(
            "{path}: {said}; is its folder there, and may this user write to it?"
        )),
        Error::ReadOnly(said) => Error::ReadOnly(format!(
            "{path}: {said}; let this user write to it and to its folder"
        )),
        other => other,
    }
}
