//! Reading a table in chunks, and writing them.

use std::fmt::Write;

use super::{Kind, Table, cell::Cell};
use crate::{Db, Error, FromRow, Row, ToValue, Tx, ValueRef};

/// Rows of a first chunk; how many come next depends on how large they are.
const FIRST: usize = 64;
const MOST: usize = 2000;
/// About how much is read and written at once, in bytes.
const CHUNK: usize = 4 * 1024 * 1024;
/// Parameters of one statement: SQLite takes 32,766.
const PARAMETERS: usize = 16_000;

pub(super) type Cells = Vec<Cell>;

/// Walks through a table by its primary key.
pub(super) struct Walk<'a> {
    db: &'a Db,
    table: &'a Table,
    after: Option<Cells>,
    limit: usize,
}

/// A row before its columns' kinds are known.
struct Raw(Vec<Cell>);

impl<'a> Walk<'a> {
    /// From behind `after`, or from the beginning.
    pub(super) fn new(db: &'a Db, table: &'a Table, after: Option<Cells>) -> Self {
        Self {
            db,
            table,
            after,
            limit: FIRST,
        }
    }

    /// The next chunk; empty at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<Cells>, Error> {
        let sql = self.sql();
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let after = self.after.iter().flatten().map(|cell| cell as &dyn ToValue);
        let params: Vec<&dyn ToValue> = after.chain([&limit as &dyn ToValue]).collect();
        let raw: Vec<Raw> = self.db.fetch_all(&sql, &params).await?;
        let rows: Vec<Cells> = raw
            .into_iter()
            .map(|row| self.kinds(row))
            .collect::<Result<_, _>>()?;
        let bytes: usize = rows.iter().flatten().map(Cell::size).sum();
        let each = (bytes / rows.len().max(1)).max(1);
        self.limit = (CHUNK / each).clamp(1, MOST).min(self.limit * 4);
        if let Some(last) = rows.last() {
            self.after = Some(self.table.key.iter().map(|at| last[*at].clone()).collect());
        }
        Ok(rows)
    }

    /// The key of the last row that was read.
    pub(super) fn after(&self) -> Option<&Cells> {
        self.after.as_ref()
    }

    fn sql(&self) -> String {
        let names = list(self.table.columns.iter().map(|column| quote(&column.name)));
        let key = list(
            self.table
                .key
                .iter()
                .map(|at| quote(&self.table.columns[*at].name)),
        );
        let behind = match &self.after {
            Some(after) => {
                let places = list((1..=after.len()).map(|number| format!("${number}")));
                format!("WHERE ({key}) > ({places})")
            }
            None => String::new(),
        };
        let (table, last) = (quote(&self.table.name), self.after.iter().flatten().count() + 1);
        format!("SELECT {names} FROM {table} {behind} ORDER BY {key} LIMIT ${last}")
    }

    fn kinds(&self, row: Raw) -> Result<Cells, Error> {
        let columns = row.0.into_iter().zip(&self.table.columns);
        columns
            .map(|(cell, column)| {
                Cell::read(column.kind, cell.to_value()).map_err(|message| Error::Column {
                    column: format!("{}.{}", self.table.name, column.name),
                    message,
                })
            })
            .collect()
    }
}

impl FromRow for Raw {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        (0..row.len())
            .map(|at| row.at::<RawCell>(at).map(|cell| cell.0))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

struct RawCell(Cell);

impl crate::FromValue for RawCell {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        let kind = match value {
            ValueRef::Null | ValueRef::Bool(_) => Kind::Bool,
            ValueRef::Int(_) => Kind::Int,
            ValueRef::Real(_) => Kind::Real,
            ValueRef::Text(_) => Kind::Text,
            ValueRef::Bytes(_) => Kind::Bytes,
            ValueRef::Uuid(_) => Kind::Uuid,
            ValueRef::Time(_) => Kind::Time,
        };
        Cell::read(kind, value).map(Self)
    }
}

/// Inserts rows, as many a statement as it may have parameters for.
pub(super) async fn insert(tx: &mut Tx, table: &Table, rows: &[Cells]) -> Result<(), Error> {
    let width = table.columns.len().max(1);
    for some in rows.chunks((PARAMETERS / width).clamp(1, 200)) {
        let params: Vec<&dyn ToValue> = some.iter().flatten().map(|cell| cell as &dyn ToValue).collect();
        tx.execute(&insert_sql(table, some.len()), &params).await?;
    }
    Ok(())
}

fn insert_sql(table: &Table, rows: usize) -> String {
    let width = table.columns.len();
    let names = list(table.columns.iter().map(|column| quote(&column.name)));
    let mut sql = format!("INSERT INTO {} ({names}) VALUES ", quote(&table.name));
    for row in 0..rows {
        let comma = if row == 0 { "" } else { ", " };
        let places = list((1..=width).map(|column| format!("${}", row * width + column)));
        let _ = write!(sql, "{comma}({places})");
    }
    sql
}

/// The name of a table or column that the database itself gave, so that it is read as a name.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
