//! Values on their way to an engine and back.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use stoa_kernel::{Id, OrganizationRole};
use uuid::Uuid;

/// A value as it goes to an engine or comes from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// SQL's NULL.
    Null,
    /// BOOLEAN.
    Bool(bool),
    /// BIGINT, INTEGER, SMALLINT.
    Int(i64),
    /// DOUBLE PRECISION.
    Real(f64),
    /// TEXT.
    Text(&'a str),
    /// BYTEA.
    Bytes(&'a [u8]),
    /// UUID; sixteen bytes in SQLite.
    Uuid(Uuid),
    /// TIMESTAMPTZ; microseconds since 1970 in SQLite.
    Time(Timestamp),
}

/// What can be a parameter of a statement.
pub trait ToValue: Sync {
    /// The value, borrowed where it can be.
    fn to_value(&self) -> ValueRef<'_>;
}

/// What a column can be read as.
pub trait FromValue: Sized {
    /// Reads the value; the message says what it is instead.
    ///
    /// # Errors
    /// When the value is of another type.
    fn from_value(value: ValueRef<'_>) -> Result<Self, String>;
}

/// A value kept as JSON in a TEXT column: `Json::text(&value)` to write, `Json<T>` to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Serialize> Json<T> {
    /// The value as the text that a parameter is.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn text(value: &T) -> Result<String, crate::Error> {
        serde_json::to_string(value)
            .map_err(|e| crate::Error::Engine(format!("a value cannot be kept as JSON: {e}")))
    }
}

fn wrong<T>(wanted: &str, value: ValueRef<'_>) -> Result<T, String> {
    let found = match value {
        ValueRef::Null => "NULL",
        ValueRef::Bool(_) => "a boolean",
        ValueRef::Int(_) => "a whole number",
        ValueRef::Real(_) => "a floating number",
        ValueRef::Text(_) => "text",
        ValueRef::Bytes(_) => "bytes",
        ValueRef::Uuid(_) => "a UUID",
        ValueRef::Time(_) => "a time",
    };
    Err(format!("{found} where {wanted} is wanted"))
}

macro_rules! to_value {
    ($($type:ty: $self:ident => $value:expr),* $(,)?) => {$(
        impl ToValue for $type {
            fn to_value(&$self) -> ValueRef<'_> {
                $value
            }
        }
    )*};
}
to_value! {
    bool: self => ValueRef::Bool(*self),
    i16: self => ValueRef::Int(i64::from(*self)),
    i32: self => ValueRef::Int(i64::from(*self)),
    i64: self => ValueRef::Int(*self),
    u32: self => ValueRef::Int(i64::from(*self)),
    f64: self => ValueRef::Real(*self),
    str: self => ValueRef::Text(self),
    String: self => ValueRef::Text(self),
    Cow<'_, str>: self => ValueRef::Text(self),
    [u8]: self => ValueRef::Bytes(self),
    Vec<u8>: self => ValueRef::Bytes(self),
    Uuid: self => ValueRef::Uuid(*self),
    Timestamp: self => ValueRef::Time(*self),
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Bytes(self)
    }
}
/// By its name.
impl ToValue for OrganizationRole {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Text(self.name())
    }
}

impl<T> ToValue for Id<T> {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Uuid(self.uuid())
    }
}
impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> ValueRef<'_> {
        (**self).to_value()
    }
}
impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> ValueRef<'_> {
        self.as_ref().map_or(ValueRef::Null, ToValue::to_value)
    }
}

impl FromValue for bool {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        match value {
            ValueRef::Bool(b) => Ok(b),
            ValueRef::Int(0) => Ok(false),
            ValueRef::Int(1) => Ok(true),
            other => wrong("a boolean", other),
        }
    }
}
impl FromValue for i64 {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        match value {
            ValueRef::Int(n) => Ok(n),
            other => wrong("a whole number", other),
        }
    }
}
macro_rules! narrow {
    ($($type:ty),*) => {$(
        impl FromValue for $type {
            fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
                let n = i64::from_value(value)?;
                Self::try_from(n).map_err(|_| format!("{n} does not fit"))
            }
        }
    )*};
}
narrow!(i16, i32, u32, u64);

impl FromValue for f64 {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        match value {
            ValueRef::Real(x) => Ok(x),
            // SQLite keeps a whole number as such where no REAL column asks otherwise.
            ValueRef::Int(n) => Ok(n as f64),
            other => wrong("a floating number", other),
        }
    }
}
impl FromValue for String {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        match value {
            ValueRef::Text(text) => Ok(text.to_owned()),
            other => wrong("text", other),
        }
    }
}
impl FromValue for Vec<u8> {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        match value {
            ValueRef::Bytes(bytes) => Ok(bytes.to_vec()),
            other => wrong("bytes", other),
        }
    }
}
impl<const N: usize> FromValue for [u8; N] {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        match value {
            ValueRef::Bytes(bytes) => {
                Self::try_from(bytes).map_err(|_| format!("{} bytes where {N} are wanted", bytes.len()))
            }
            other => wrong("bytes", other),
        }
    }
}
impl FromValue for Uuid {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        match value {
            ValueRef::Uuid(uuid) => Ok(uuid),
            ValueRef::Bytes(bytes) => {
                Self::from_slice(bytes).map_err(|_| format!("{} bytes where a UUID is wanted", bytes.len()))
            }
            other => wrong("a UUID", other),
        }
    }
}
impl FromValue for OrganizationRole {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        let name = String::from_value(value)?;
        Self::of_name(&name).ok_or_else(|| format!("'{name}' is no role in an organization"))
    }
}

impl<T> FromValue for Id<T> {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        Uuid::from_value(value).map(Self::from_uuid)
    }
}
impl FromValue for Timestamp {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        match value {
            ValueRef::Time(time) => Ok(time),
            ValueRef::Int(micros) => {
                Self::from_microsecond(micros).map_err(|_| format!("{micros} is out of the range of times"))
            }
            other => wrong("a time", other),
        }
    }
}
impl<T: DeserializeOwned> FromValue for Json<T> {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        match value {
            ValueRef::Text(text) => serde_json::from_str(text)
                .map(Json)
                .map_err(|e| format!("not the JSON it should be: {e}")),
            other => wrong("JSON text", other),
        }
    }
}
impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        match value {
            ValueRef::Null => Ok(None),
            other => T::from_value(other).map(Some),
        }
    }
}

/// The oldest time that PostgreSQL keeps: the beginning of 4713 BC, in microseconds.
const OLDEST: i64 = -210_866_803_200_000_000;

/// The latest time that jiff reads from microseconds.
const LATEST: i64 = 253_402_207_200_000_000;

/// A time as both engines keep it. The last fraction of a second of the year 9999, which stands for "never", is cut to what
/// can be read again.
pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond().min(LATEST)
}

/// Refuses what only one of the engines would take, or would change on the way: so a test on either finds it.
pub(crate) fn check(params: &[&dyn ToValue]) -> Result<(), crate::Error> {
    for (at, param) in params.iter().enumerate() {
        let message = match param.to_value() {
            ValueRef::Text(text) if text.as_bytes().contains(&0) => "text with a NUL cannot be kept",
            ValueRef::Real(x) if x.is_nan() => "what is not a number cannot be kept",
            ValueRef::Time(time) if time.as_microsecond() < OLDEST => "a time before 4713 BC cannot be kept",
            _ => continue,
        };
        return Err(crate::Error::Value {
            position: at + 1,
            message,
        });
    }
    Ok(())
}
