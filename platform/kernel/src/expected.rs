/// The version that a thing must still have for a change to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever version there is.
    Any,
    /// One of these.
    Versions(Vec<i64>),
}

impl Expected {
    /// Whether the change may be made to `version`.
    #[must_use]
    pub fn allows(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}
