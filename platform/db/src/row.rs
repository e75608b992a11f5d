//! Rows of either engine, and what can be made of them.

use jiff::Timestamp;
use stoa_kernel::{Id, OrganizationRole};
use uuid::Uuid;

use crate::{Error, FromValue, Json, ValueRef, postgres, sqlite};

/// One row of a result.
pub enum Row<'a> {
    /// Of SQLite.
    #[doc(hidden)]
    Sqlite(&'a rusqlite::Row<'a>),
    /// Of PostgreSQL.
    #[doc(hidden)]
    Postgres(&'a tokio_postgres::Row),
}

impl Row<'_> {
    /// Column `name`, looked for first at position `at`, counted from 0: so a SELECT in the order of the struct costs one
    /// comparison a column.
    ///
    /// # Errors
    /// When there is no such column, or it holds another type.
    pub fn get<T: FromValue>(&self, at: usize, name: &str) -> Result<T, Error> {
        if self.name(at) == Some(name) {
            return self.at(at);
        }
        match (0..self.len()).find(|index| self.name(*index) == Some(name)) {
            Some(index) => self.at(index),
            None => Err(Error::Column {
                column: name.to_owned(),
                message: "is not in the result".to_owned(),
            }),
        }
    }

    /// The column at this position, counted from 0.
    ///
    /// # Errors
    /// When there is none, or it holds another type.
    pub fn at<T: FromValue>(&self, at: usize) -> Result<T, Error> {
        let wrong = |message: String| Error::Column {
            column: self.name(at).unwrap_or("?").to_owned(),
            message,
        };
        let value: ValueRef<'_> = match self {
            Self::Sqlite(row) => {
                let value = row.get_ref(at).map_err(|e| wrong(e.to_string()))?;
                sqlite::convert::value(value).map_err(wrong)?
            }
            Self::Postgres(row) => {
                row.try_get::<_, postgres::convert::Read<'_>>(at)
                    .map_err(|e| wrong(e.to_string()))?
                    .0
            }
        };
        T::from_value(value).map_err(wrong)
    }

    fn name(&self, at: usize) -> Option<&str> {
        match self {
            Self::Sqlite(row) => row.as_ref().column_name(at).ok(),
            Self::Postgres(row) => row.columns().get(at).map(tokio_postgres::Column::name),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Sqlite(row) => row.as_ref().column_count(),
            Self::Postgres(row) => row.len(),
        }
    }
}

/// What can be made of a row: a struct by `#[derive(FromRow)]`, its columns by field name; one value or a tuple of
/// values, by position.
pub trait FromRow: Sized {
    /// Reads the row.
    ///
    /// # Errors
    /// When a column is missing or holds another type.
    fn from_row(row: &Row<'_>) -> Result<Self, Error>;
}

macro_rules! first_column {
    ($($type:ty),* $(,)?) => {$(
        impl FromRow for $type {
            fn from_row(row: &Row<'_>) -> Result<Self, Error> {
                row.at(0)
            }
        }
    )*};
}
first_column!(
    OrganizationRole,
    bool,
    i16,
    i32,
    i64,
    u32,
    u64,
    f64,
    String,
    Vec<u8>,
    Uuid,
    Timestamp
);

impl<T> FromRow for Id<T> {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        row.at(0)
    }
}
impl<T: serde::de::DeserializeOwned> FromRow for Json<T> {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        row.at(0)
    }
}
impl<T: FromValue> FromRow for Option<T> {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        row.at(0)
    }
}
impl<const N: usize> FromRow for [u8; N] {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        row.at(0)
    }
}
impl FromRow for () {
    fn from_row(_: &Row<'_>) -> Result<Self, Error> {
        Ok(())
    }
}

macro_rules! tuples {
    ($(($($type:ident $at:tt),*))*) => {$(
        impl<$($type: FromValue),*> FromRow for ($($type,)*) {
            fn from_row(row: &Row<'_>) -> Result<Self, Error> {
                Ok(($(row.at::<$type>($at)?,)*))
            }
        }
    )*};
}
tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}
