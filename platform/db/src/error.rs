//! What went wrong, told apart as far as callers act on it.

/// A failed statement, transaction or opening.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `fetch_one` found nothing.
    #[error("no such row")]
    NotFound,
    /// A unique key is taken.
    #[error("a row with that key exists")]
    Unique,
    /// A row that is referred to is missing, or one that is referred to was to go.
    #[error("a row refers to one that does not exist")]
    ForeignKey,
    /// The transaction lost against another; the whole of it may be tried again.
    #[error("the transaction lost against another and may be tried again")]
    Conflict,
    /// No connection, or no turn to write, within the time allowed.
    #[error("the database was busy for too long")]
    Busy,
    /// A statement took longer than it may. Nothing of its transaction was kept.
    #[error("a statement took longer than it may")]
    TimedOut,
    /// The connection was lost during a commit, before its outcome was told: the transaction is kept or not, whole in either
    /// case.
    #[error("the connection was lost during the commit; whether it was done is not known")]
    Unknown,
    /// No room on the disk. Nothing of the transaction was kept.
    #[error("the disk is full")]
    Full,
    /// The database is there and cannot be written to.
    #[error("the database cannot be written to: {0}")]
    ReadOnly(String),
    /// An earlier statement of this transaction failed, so nothing of it can be kept.
    #[error("an earlier statement of this transaction failed")]
    TxFailed,
    /// The database cannot be opened.
    #[error("the database cannot be opened: {0}")]
    Open(String),
    /// The replica's address is none.
    #[error("{0}")]
    Replica(String),
    /// The tables do not fit this binary.
    #[error("{0}")]
    Migration(String),
    /// A parameter that not both engines can keep: text with a NUL, a floating NaN, a time before 4713 BC.
    #[error("parameter ${position}: {message}")]
    Value {
        /// Counted from 1.
        position: usize,
        /// What is wrong with it.
        message: &'static str,
    },
    /// A cursor that a list did not give out in this order.
    #[error("This is not a cursor of this list in this order")]
    Cursor,
    /// A column that is missing or holds another type.
    #[error("column {column}: {message}")]
    Column {
        /// Its name.
        column: String,
        /// What is wrong with it.
        message: String,
    },
    /// What was to be written can never be kept as it is: too long for an index, out of range, against a constraint.
    #[error("the database does not take the data: {0}")]
    Data(String),
    /// Anything else the engine says.
    #[error("the database failed: {0}")]
    Engine(String),
}

impl Error {
    /// Whether it is what was to be written that is at fault, so that it fails again however often it is tried.
    #[must_use]
    pub fn is_of_data(&self) -> bool {
        matches!(
            self,
            Self::Unique | Self::ForeignKey | Self::Value { .. } | Self::Data(_)
        )
    }
}
