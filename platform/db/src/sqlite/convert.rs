//! Values and errors between us and SQLite.

use rusqlite::{
    Statement, ToSql,
    ffi::{self, ErrorCode},
    types::{ToSqlOutput, Value, ValueRef as SqliteRef},
};

use crate::{Error, ToValue, ValueRef, parameters::count_in_order, value::micros};

/// A value, bound without being copied first.
struct Bound<'a>(ValueRef<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            ValueRef::Null => ToSqlOutput::Owned(Value::Null),
            ValueRef::Bool(b) => ToSqlOutput::Owned(Value::Integer(i64::from(b))),
            ValueRef::Int(n) => ToSqlOutput::Owned(Value::Integer(n)),
            ValueRef::Real(x) => ToSqlOutput::Owned(Value::Real(x)),
            ValueRef::Text(text) => ToSqlOutput::Borrowed(SqliteRef::Text(text.as_bytes())),
            ValueRef::Bytes(bytes) => ToSqlOutput::Borrowed(SqliteRef::Blob(bytes)),
            ValueRef::Uuid(ref uuid) => ToSqlOutput::Borrowed(SqliteRef::Blob(uuid.as_bytes())),
            ValueRef::Time(time) => ToSqlOutput::Owned(Value::Integer(micros(time))),
        })
    }
}

/// With more parameters than this it is quicker to read the text of a statement than to ask SQLite for the name of each: it goes through
/// its list of names for every answer.
const FEW: usize = 16;

/// Binds `$1`, `$2` … which to SQLite are names, each at its first appearance.
pub(super) fn bind(statement: &mut Statement<'_>, sql: &str, params: &[&dyn ToValue]) -> Result<(), Error> {
    let count = statement.parameter_count();
    let in_order = count > FEW && count_in_order(sql) == Some(count);
    let mut highest = 0;
    for index in 1..=count {
        let number = if in_order {
            Some(index)
        } else {
            number_of(statement, index)
        };
        let number = number.ok_or_else(|| Error::Engine("parameters are written $1, $2 …".to_owned()))?;
        highest = highest.max(number);
        let param = number.checked_sub(1).and_then(|at| params.get(at));
        let param = param.ok_or_else(|| {
            Error::Engine(format!(
                "the statement wants ${number}, and {} were given",
                params.len()
            ))
        })?;
        statement
            .raw_bind_parameter(index, Bound(param.to_value()))
            .map_err(engine_error)?;
    }
    if highest < params.len() {
        return Err(Error::Engine(format!(
            "{} parameters were given, and the statement wants {highest}",
            params.len()
        )));
    }
    Ok(())
}

fn number_of(statement: &Statement<'_>, index: usize) -> Option<usize> {
    statement.parameter_name(index)?.strip_prefix('$')?.parse().ok()
}

/// A column's value.
pub(crate) fn value(value: SqliteRef<'_>) -> Result<ValueRef<'_>, String> {
    Ok(match value {
        SqliteRef::Null => ValueRef::Null,
        SqliteRef::Integer(n) => ValueRef::Int(n),
        SqliteRef::Real(x) => ValueRef::Real(x),
        SqliteRef::Text(text) => {
            ValueRef::Text(std::str::from_utf8(text).map_err(|_| "text that is not UTF-8".to_owned())?)
        }
        SqliteRef::Blob(bytes) => ValueRef::Bytes(bytes),
    })
}

/// SQLite's error as ours.
pub(super) fn engine_error(error: rusqlite::Error) -> Error {
    let rusqlite::Error::SqliteFailure(failure, message) = &error else {
        return Error::Engine(error.to_string());
    };
    let said = message.clone().unwrap_or_else(|| failure.to_string());
    match failure.code {
        ErrorCode::ConstraintViolation => match failure.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE
            | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | ffi::SQLITE_CONSTRAINT_ROWID => Error::Unique,
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Error::ForeignKey,
            _ => Error::Data(said),
        },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Busy,
        ErrorCode::TooBig => Error::Data(said),
        ErrorCode::DiskFull => Error::Full,
        ErrorCode::ReadOnly => Error::ReadOnly(said),
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied => Error::Open(said),
        _ => Error::Engine(said),
    }
}
