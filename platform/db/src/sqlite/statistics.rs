//! The planner's statistics: none, whoever gathers them.
//!
//! Plans must not depend on what the tables held when somebody last looked: statistics of nearly empty tables make SQLite read
//! whole tables once they have grown. So the tables that `ANALYZE` fills stand there already, in a form that takes its rows
//! and gives nothing back to the planner. That holds for every connection of every program, and for statistics that an older
//! version has left in the file.

use rusqlite::{Connection, OptionalExtension};

const STAT1: &str = "CREATE TABLE sqlite_stat1 (tbl, idx, stat AS (NULL))";
const STAT4: &str = "CREATE TABLE sqlite_stat4 (tbl, idx AS (NULL), neq, nlt, ndlt, sample)";

/// Keeps statistics away from the planner. For the write connection, before it is used otherwise.
pub(super) fn disable(connection: &Connection) -> rusqlite::Result<()> {
    if is_disabled(connection)? {
        return Ok(());
    }
    // Names that begin with sqlite_ are reserved, but for whoever may write to the schema.
    connection.execute_batch("PRAGMA writable_schema = ON")?;
    let replaced = replace(connection);
    connection.execute_batch("PRAGMA writable_schema = OFF")?;
    replaced
}

fn replace(connection: &Connection) -> rusqlite::Result<()> {
    let replaced = connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; DROP TABLE IF EXISTS sqlite_stat1; DROP TABLE IF EXISTS sqlite_stat4; {STAT1}; {STAT4}; COMMIT"
    ));
    if replaced.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    replaced
}

fn is_disabled(connection: &Connection) -> rusqlite::Result<bool> {
    let there = |name: &str, sql: &str| -> rusqlite::Result<bool> {
        let found: Option<String> = connection
            .query_row("SELECT sql FROM sqlite_schema WHERE name = $1", [name], |row| {
                row.get(0)
            })
            .optional()?;
        Ok(found.as_deref() == Some(sql))
    };
    Ok(there("sqlite_stat1", STAT1)? && there("sqlite_stat4", STAT4)?)
}
