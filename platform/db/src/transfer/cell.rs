//! One value, the same whichever engine it comes from.

use jiff::Timestamp;
use uuid::Uuid;

use super::Kind;
use crate::{Error, FromValue, ToValue, ValueRef, value::micros};

/// A value by itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
    Uuid(Uuid),
    Time(Timestamp),
}

impl Cell {
    /// What an engine gave for a column of this kind: SQLite keeps times and booleans as numbers and UUIDs as bytes.
    pub(super) fn read(kind: Kind, value: ValueRef<'_>) -> Result<Self, String> {
        if value == ValueRef::Null {
            return Ok(Self::Null);
        }
        Ok(match kind {
            Kind::Bool => Self::Bool(bool::from_value(value)?),
            Kind::Int => Self::Int(i64::from_value(value)?),
            // Nothing less than nothing: SQLite does not keep the sign of a zero.
            Kind::Real => Self::Real(f64::from_value(value)? + 0.0),
            Kind::Text => Self::Text(String::from_value(value)?),
            Kind::Bytes => Self::Bytes(Vec::from_value(value)?),
            Kind::Uuid => Self::Uuid(Uuid::from_value(value)?),
            Kind::Time => Self::Time(Timestamp::from_value(value)?),
        })
    }

    /// Its bytes, so that no two values of one column are written alike; none for NULL.
    pub(super) fn canonical(&self, write: impl FnOnce(Option<&[u8]>)) {
        match self {
            Self::Null => write(None),
            Self::Bool(b) => write(Some(&[u8::from(*b)])),
            Self::Int(n) => write(Some(&n.to_be_bytes())),
            Self::Real(x) => write(Some(&x.to_bits().to_be_bytes())),
            Self::Text(text) => write(Some(text.as_bytes())),
            Self::Bytes(bytes) => write(Some(bytes)),
            Self::Uuid(uuid) => write(Some(uuid.as_bytes())),
            Self::Time(time) => write(Some(&micros(*time).to_be_bytes())),
        }
    }

    /// About how much room it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            _ => 16,
        }
    }

    /// As text, for the note of how far a table has come.
    pub(super) fn note(&self) -> String {
        let mut noted = String::new();
        self.canonical(|bytes| noted = bytes.map(hex::encode).unwrap_or_default());
        noted
    }

    /// From such a note.
    pub(super) fn from_note(kind: Kind, note: &str) -> Result<Self, Error> {
        let wrong =
            || Error::Migration("the note of how far the transfer has come cannot be read".to_owned());
        let bytes = hex::decode(note).map_err(|_| wrong())?;
        let number = || Some(i64::from_be_bytes(bytes.as_slice().try_into().ok()?));
        match kind {
            Kind::Bool => Some(Self::Bool(bytes == [1])),
            Kind::Int => number().map(Self::Int),
            Kind::Real => number().map(|bits| Self::Real(f64::from_bits(bits.cast_unsigned()))),
            Kind::Text => String::from_utf8(bytes).ok().map(Self::Text),
            Kind::Bytes => Some(Self::Bytes(bytes)),
            Kind::Uuid => Uuid::from_slice(&bytes).ok().map(Self::Uuid),
            Kind::Time => number()
                .and_then(|n| Timestamp::from_microsecond(n).ok())
                .map(Self::Time),
        }
        .ok_or_else(wrong)
    }
}

impl ToValue for Cell {
    fn to_value(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Bool(b) => ValueRef::Bool(*b),
            Self::Int(n) => ValueRef::Int(*n),
            Self::Real(x) => ValueRef::Real(*x),
            Self::Text(text) => ValueRef::Text(text),
            Self::Bytes(bytes) => ValueRef::Bytes(bytes),
            Self::Uuid(uuid) => ValueRef::Uuid(*uuid),
            Self::Time(time) => ValueRef::Time(*time),
        }
    }
}
