//! Which tables a database has, as it says itself.

use std::collections::BTreeMap;

use super::is_own;
use crate::{Db, Engine, Error};

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// Positions of the primary key's columns among them.
    pub key: Vec<usize>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// What a column holds, on both engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BOOLEAN.
    Bool,
    /// BIGINT, INTEGER, SMALLINT.
    Int,
    /// DOUBLE PRECISION.
    Real,
    /// TEXT.
    Text,
    /// BYTEA.
    Bytes,
    /// UUID.
    Uuid,
    /// TIMESTAMPTZ.
    Time,
}

impl Kind {
    fn of(declared: &str) -> Option<Self> {
        Some(match declared.to_ascii_uppercase().as_str() {
            "BOOLEAN" => Self::Bool,
            "BIGINT" | "INTEGER" | "SMALLINT" => Self::Int,
            "DOUBLE PRECISION" => Self::Real,
            "TEXT" => Self::Text,
            "BYTEA" => Self::Bytes,
            "UUID" => Self::Uuid,
            "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => Self::Time,
            _ => return None,
        })
    }
}

// Table, column, type, and the column's place in the primary key, from 1; 0 if it has none.
const SQLITE_COLUMNS: &str = "SELECT m.name, c.name, c.type, c.pk FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c \
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY m.name, c.cid";
const POSTGRES_COLUMNS: &str = "SELECT CAST(c.relname AS TEXT), CAST(a.attname AS TEXT), format_type(a.atttypid, NULL), \
    COALESCE((SELECT k.place FROM pg_index AS i, unnest(i.indkey) WITH ORDINALITY AS k (attnum, place) \
              WHERE i.indrelid = c.oid AND i.indisprimary AND k.attnum = a.attnum), 0) \
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid \
    WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND c.relkind = 'r' \
        AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum";
// Table, and one that it refers to.
const SQLITE_REFERENCES: &str = "SELECT m.name, f.\"table\" FROM sqlite_master AS m JOIN pragma_foreign_key_list(m.name) AS f \
    WHERE m.type = 'table'";
const POSTGRES_REFERENCES: &str = "SELECT CAST(c.relname AS TEXT), CAST(p.relname AS TEXT) FROM pg_constraint AS k \
    JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_class AS p ON p.oid = k.confrelid WHERE k.contype = 'f' \
        AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())";

/// The tables of a service, each after those that it refers to.
///
/// # Errors
/// [`Error::Migration`] for a table that cannot be transferred: without a primary key, with a column of another type than
/// migrations may use, or in a circle of tables that refer to one another.
pub async fn tables(db: &Db) -> Result<Vec<Table>, Error> {
    let (columns, references) = match db.engine() {
        Engine::Sqlite => (SQLITE_COLUMNS, SQLITE_REFERENCES),
        Engine::Postgres => (POSTGRES_COLUMNS, POSTGRES_REFERENCES),
    };
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    let mut places: BTreeMap<String, Vec<(i64, usize)>> = BTreeMap::new();
    let rows: Vec<(String, String, String, i64)> = db.fetch_all(columns, &[]).await?;
    for (name, column, declared, place) in rows.into_iter().filter(|(name, ..)| !is_own(name)) {
        let kind = Kind::of(&declared).ok_or_else(|| {
            Error::Migration(format!(
                "the column {column} of {name} is {declared}, which cannot be transferred"
            ))
        })?;
        let table = tables.entry(name.clone()).or_insert_with(|| Table {
            name: name.clone(),
            columns: Vec::new(),
            key: Vec::new(),
        });
        if place > 0 {
            places.entry(name).or_default().push((place, table.columns.len()));
        }
        table.columns.push(Column { name: column, kind });
    }
    for (name, mut key) in places {
        key.sort_unstable();
        if let Some(table) = tables.get_mut(&name) {
            table.key = key.into_iter().map(|(_, at)| at).collect();
        }
    }
    if let Some(table) = tables.values().find(|table| table.key.is_empty()) {
        return Err(Error::Migration(format!(
            "the table {} has no primary key, and cannot be transferred",
            table.name
        )));
    }
    parents_first(tables, db.fetch_all(references, &[]).await?)
}

/// Puts tables in an order in which each comes after those that it refers to.
fn parents_first(
    mut rest: BTreeMap<String, Table>,
    references: Vec<(String, String)>,
) -> Result<Vec<Table>, Error> {
    let mut ordered = Vec::new();
    while !rest.is_empty() {
        let free: Vec<String> = rest
            .keys()
            .filter(|name| {
                let waits = |(child, parent): &(String, String)| child == *name && rest.contains_key(parent);
                !references.iter().any(waits)
            })
            .cloned()
            .collect();
        if free.is_empty() {
            let names: Vec<_> = rest.into_keys().collect();
            return Err(Error::Migration(format!(
                "tables that refer to one another in a circle cannot be transferred: {}",
                names.join(", ")
            )));
        }
        ordered.extend(free.iter().filter_map(|name| rest.remove(name)));
    }
    Ok(ordered)
}
