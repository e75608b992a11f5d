//! Values and errors between us and PostgreSQL.

use std::error::Error as StdError;

use bytes::{BufMut, BytesMut};
use jiff::Timestamp;
use tokio_postgres::{
    error::SqlState,
    types::{FromSql, IsNull, ToSql, Type, to_sql_checked},
};
use uuid::Uuid;

use crate::{Error, ToValue, ValueRef, value::micros};

/// Microseconds from 1970 to 2000, where PostgreSQL begins to count.
const EPOCH: i64 = 946_684_800_000_000;

/// The earliest time that PostgreSQL knows, in microseconds before 2000.
const EARLIEST: i64 = -211_813_488_000_000_000;

type Boxed = Box<dyn StdError + Sync + Send>;

/// A parameter, written as the type that the statement wants.
#[derive(Debug)]
pub(super) struct Bound<'a>(pub(super) ValueRef<'a>);

pub(super) fn bind<'a>(params: &'a [&'a dyn ToValue]) -> Vec<Bound<'a>> {
    params.iter().map(|param| Bound(param.to_value())).collect()
}

impl Bound<'_> {
    /// The type it is sent as where the server is not asked first; it casts as it does in an assignment.
    pub(super) fn natural(&self) -> Type {
        match self.0 {
            // The server finds out, as with a literal.
            ValueRef::Null => Type::UNKNOWN,
            ValueRef::Bool(_) => Type::BOOL,
            ValueRef::Int(_) => Type::INT8,
            ValueRef::Real(_) => Type::FLOAT8,
            ValueRef::Text(_) => Type::TEXT,
            ValueRef::Bytes(_) => Type::BYTEA,
            ValueRef::Uuid(_) => Type::UUID,
            ValueRef::Time(_) => Type::TIMESTAMPTZ,
        }
    }
}

impl ToSql for Bound<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        match self.0 {
            ValueRef::Null => return Ok(IsNull::Yes),
            ValueRef::Bool(b) => return b.to_sql(only(ty, &[Type::BOOL], "a boolean")?, out),
            ValueRef::Int(n) if *ty == Type::INT2 => out.put_i16(i16::try_from(n)?),
            ValueRef::Int(n) if *ty == Type::INT4 => out.put_i32(i32::try_from(n)?),
            ValueRef::Int(n) if *ty == Type::FLOAT8 => out.put_f64(n as f64),
            ValueRef::Int(n) => return n.to_sql(only(ty, &[Type::INT8], "a whole number")?, out),
            ValueRef::Real(x) if *ty == Type::FLOAT4 => out.put_f32(x as f32),
            ValueRef::Real(x) => return x.to_sql(only(ty, &[Type::FLOAT8], "a floating number")?, out),
            ValueRef::Text(text) => {
                return text.to_sql(
                    only(
                        ty,
                        &[Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN],
                        "text",
                    )?,
                    out,
                );
            }
            ValueRef::Bytes(bytes) => return bytes.to_sql(only(ty, &[Type::BYTEA], "bytes")?, out),
            ValueRef::Uuid(uuid) => return uuid.to_sql(only(ty, &[Type::UUID], "a UUID")?, out),
            ValueRef::Time(time) => {
                only(ty, &[Type::TIMESTAMPTZ], "a time")?;
                out.put_i64((micros(time) - EPOCH).max(EARLIEST));
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn only<'t>(ty: &'t Type, accepted: &[Type], what: &str) -> Result<&'t Type, Boxed> {
    if accepted.contains(ty) {
        Ok(ty)
    } else {
        Err(format!("{what} where the statement wants {ty}").into())
    }
}

/// A column's value.
pub(crate) struct Read<'a>(pub(crate) ValueRef<'a>);

impl<'a> FromSql<'a> for Read<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Boxed> {
        Ok(Self(match *ty {
            Type::BOOL => ValueRef::Bool(bool::from_sql(ty, raw)?),
            Type::INT2 => ValueRef::Int(i64::from(i16::from_sql(ty, raw)?)),
            Type::INT4 => ValueRef::Int(i64::from(i32::from_sql(ty, raw)?)),
            Type::INT8 => ValueRef::Int(i64::from_sql(ty, raw)?),
            Type::FLOAT4 => ValueRef::Real(f64::from(f32::from_sql(ty, raw)?)),
            Type::FLOAT8 => ValueRef::Real(f64::from_sql(ty, raw)?),
            Type::BYTEA => ValueRef::Bytes(raw),
            Type::UUID => ValueRef::Uuid(Uuid::from_slice(raw)?),
            Type::TIMESTAMPTZ => {
                let micros = i64::from_be_bytes(raw.try_into()?);
                ValueRef::Time(Timestamp::from_microsecond(micros.saturating_add(EPOCH))?)
            }
            _ => ValueRef::Text(<&str>::from_sql(ty, raw)?),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Boxed> {
        Ok(Self(ValueRef::Null))
    }

    fn accepts(ty: &Type) -> bool {
        [
            Type::BOOL,
            Type::INT2,
            Type::INT4,
            Type::INT8,
            Type::FLOAT4,
            Type::FLOAT8,
            Type::BYTEA,
            Type::UUID,
            Type::TIMESTAMPTZ,
            Type::TEXT,
            Type::VARCHAR,
            Type::NAME,
            Type::BPCHAR,
            Type::UNKNOWN,
        ]
        .contains(ty)
    }
}

/// Whether it failed for want of a connection, so that nothing is known of what was sent last.
pub(super) fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => {
            [
                SqlState::ADMIN_SHUTDOWN,
                SqlState::CRASH_SHUTDOWN,
                SqlState::CANNOT_CONNECT_NOW,
                SqlState::IDLE_SESSION_TIMEOUT,
                SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            ]
            .contains(code)
                // A pooler that hangs up says why with one of these, and names no severity but in words.
                || code.code().starts_with("08") && error.as_db_error().is_some_and(|e| e.severity() == "FATAL")
        }
        None => {
            error.is_closed()
                || error
                    .source()
                    .and_then(|cause| cause.downcast_ref::<std::io::Error>())
                    .is_some()
        }
    }
}

/// PostgreSQL's error as ours.
pub(super) fn engine_error(error: &tokio_postgres::Error) -> Error {
    if is_lost(error) {
        tracing::warn!(%error, "PostgreSQL cannot be reached");
        return Error::Busy;
    }
    let Some(db) = error.as_db_error() else {
        let cause = error
            .source()
            .map(|cause| format!(": {cause}"))
            .unwrap_or_default();
        return Error::Engine(format!("{error}{cause}"));
    };
    let said = db.message().to_owned();
    match *db.code() {
        SqlState::UNIQUE_VIOLATION => Error::Unique,
        SqlState::FOREIGN_KEY_VIOLATION => Error::ForeignKey,
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Error::Conflict,
        SqlState::DISK_FULL => Error::Full,
        SqlState::READ_ONLY_SQL_TRANSACTION => Error::ReadOnly(said),
        SqlState::QUERY_CANCELED => Error::TimedOut,
        SqlState::TOO_MANY_CONNECTIONS | SqlState::LOCK_NOT_AVAILABLE => Error::Busy,
        SqlState::IN_FAILED_SQL_TRANSACTION => Error::TxFailed,
        SqlState::PROGRAM_LIMIT_EXCEEDED => Error::Data(said),
        // Data exceptions, and constraints other than those above.
        ref code if code.code().starts_with("22") || code.code().starts_with("23") => Error::Data(said),
        _ => Error::Engine(said),
    }
}
