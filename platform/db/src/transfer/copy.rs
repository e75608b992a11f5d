//! Copying what is not there yet.

use super::{
    Table,
    progress::{self, Progress},
    rows::{Walk, insert},
};
use crate::{Db, Error};

/// How far a table has come.
#[derive(Clone, Copy, Debug)]
pub struct Copied<'a> {
    /// Its name.
    pub table: &'a str,
    /// Rows of it that are there now.
    pub rows: i64,
    /// Whether that is all.
    pub done: bool,
}

/// Copies every table, from where an earlier call was broken off; `tell` hears of each chunk once it is durable. To be called
/// after [`begin`](super::begin).
///
/// # Errors
/// What either database says. What was copied before stays, and the next call goes on behind it.
pub async fn copy(
    from: &Db,
    to: &Db,
    tables: &[Table],
    mut tell: impl FnMut(Copied<'_>),
) -> Result<(), Error> {
    let progress = progress::all(to).await?;
    for table in tables {
        let there = progress
            .iter()
            .find(|one| one.table_name == table.name)
            .ok_or_else(|| {
                Error::Migration(format!(
                    "the transfer was begun without {}: begin anew with an empty database",
                    table.name
                ))
            })?;
        if !there.done {
            copy_table(from, to, table, there, &mut tell).await?;
        }
    }
    Ok(())
}

async fn copy_table(
    from: &Db,
    to: &Db,
    table: &Table,
    there: &Progress,
    tell: &mut impl FnMut(Copied<'_>),
) -> Result<(), Error> {
    let mut walk = Walk::new(from, table, there.after(table)?);
    let mut count = there.rows_done;
    let mut tell = |rows, done| {
        tell(Copied {
            table: &table.name,
            rows,
            done,
        });
    };
    loop {
        let rows = walk.next().await?;
        let (false, Some(after)) = (rows.is_empty(), walk.after()) else {
            break;
        };
        count += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let mut tx = to.begin().await?;
        insert(&mut tx, table, &rows).await?;
        progress::note(&mut tx, table, count, after).await?;
        tx.commit().await?;
        tell(count, false);
    }
    progress::done(to, table).await?;
    tell(count, true);
    Ok(())
}
