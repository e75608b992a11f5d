//! What a request asks of the object as it is: the conditions of RFC 9110.

use stoa_kernel::Timestamp;

use crate::{error::Error, store::versions::VersionRow};

/// Entity tags that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tags {
    /// `*`: whatever there is.
    Any,
    /// These, without quotes; and whether each was a weak one.
    Listed(Vec<(String, bool)>),
}

impl Tags {
    /// By strong comparison: a weak tag is the same as none.
    fn is_strongly(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|(tag, weak)| !weak && tag == etag),
        }
    }

    fn is_weakly(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|(tag, _)| tag == etag),
        }
    }
}

/// The conditions of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) if_match: Option<Tags>,
    pub(crate) if_none_match: Option<Tags>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

/// What they come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They hold.
    Holds,
    /// The caller has it as it is.
    NotModified,
    /// They do not hold.
    Failed,
}

impl Conditions {
    /// For a request that reads.
    pub(crate) fn reading(&self, current: &VersionRow) -> Verdict {
        if !self.unchanged(Some(current)) {
            return Verdict::Failed;
        }
        let known = match (&self.if_none_match, self.if_modified_since) {
            (Some(tags), _) => tags.is_weakly(&current.etag),
            (None, Some(since)) => second(current.created_at) <= second(since),
            (None, None) => false,
        };
        if known {
            Verdict::NotModified
        } else {
            Verdict::Holds
        }
    }

    /// For a request that writes.
    ///
    /// # Errors
    /// When they do not hold.
    pub(crate) fn writing(&self, current: Option<&VersionRow>) -> Result<(), Error> {
        let taken = match (&self.if_none_match, current) {
            (Some(tags), Some(current)) => tags.is_weakly(&current.etag),
            _ => false,
        };
        if taken || !self.unchanged(current) {
            return Err(Error::Precondition);
        }
        Ok(())
    }

    fn unchanged(&self, current: Option<&VersionRow>) -> bool {
        match (&self.if_match, self.if_unmodified_since, current) {
            (Some(_), _, None) => false,
            (Some(tags), _, Some(current)) => tags.is_strongly(&current.etag),
            (None, Some(since), Some(current)) => second(current.created_at) <= second(since),
            (None, ..) => true,
        }
    }
}

/// HTTP's dates have whole seconds.
fn second(time: Timestamp) -> i64 {
    time.as_second()
}
