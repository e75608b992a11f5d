//! Something that may be tried only so often.

use std::time::Duration;

use futures::future::join_all;
use stoa_cache::{LimitKey, Limiter, Verdict};

use crate::error::Error;

/// One allowance that an attempt is counted against.
pub(super) type Count<'a> = (&'a Limiter, LimitKey);

/// Allowances of which one must have room. The attempt is counted against all of them that have.
pub(super) struct Group<'a> {
    counts: Vec<Count<'a>>,
    on_success: OnSuccess,
    daily: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnSuccess {
    /// What the attempt took is given back.
    GiveBack,
    /// The allowances are whole again.
    Reset,
}

impl<'a> Group<'a> {
    /// Whose success gives back what it took.
    pub(super) fn new(counts: impl IntoIterator<Item = Count<'a>>) -> Self {
        Self {
            counts: counts.into_iter().collect(),
            on_success: OnSuccess::GiveBack,
            daily: false,
        }
    }

    /// Whose success makes the allowances whole again.
    pub(super) fn reset_on_success(counts: impl IntoIterator<Item = Count<'a>>) -> Self {
        Self {
            on_success: OnSuccess::Reset,
            ..Self::new(counts)
        }
    }

    /// Of a day; whoever uses one up is noticed.
    pub(super) fn daily(counts: impl IntoIterator<Item = Count<'a>>) -> Self {
        Self {
            daily: true,
            ..Self::new(counts)
        }
    }

    /// Keeps the counts that let the attempt through. Otherwise says how long to wait.
    fn settle(&mut self, verdicts: &[Option<Verdict>]) -> Result<(), Duration> {
        let allowed = |verdict: &Option<Verdict>| verdict.is_none_or(|verdict| verdict.allowed);
        let mut each = verdicts.iter();
        self.counts.retain(|_| each.next().is_some_and(allowed));
        if self.counts.is_empty() {
            let waits = verdicts.iter().flatten().map(|verdict| verdict.retry_after);
            return Err(waits.min().unwrap_or_default());
        }
        Ok(())
    }
}

/// Why nothing may be tried now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    /// In how long it may be tried again.
    wait: Duration,
    /// Whether the allowance of a day is used up.
    pub(crate) of_a_day: bool,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::TooMany(refused.wait.max(Duration::from_secs(1)))
    }
}

/// An attempt that still runs. It counts as failed from its beginning, so that many at once are no way around the limits;
/// dropped without a word, such as when the caller hangs up, it has failed.
#[must_use]
pub(crate) struct Attempt<'a> {
    groups: Vec<Group<'a>>,
    last_of_a_day: bool,
}

impl<'a> Attempt<'a> {
    /// Counts an attempt against all of `groups`, or, if one of them has no room, against none.
    pub(super) async fn begin(mut groups: Vec<Group<'a>>) -> Result<Self, Refused> {
        let counts = groups.iter().flat_map(|group| &group.counts);
        let verdicts = join_all(counts.map(|(limiter, key)| limiter.check(*key))).await;
        let mut verdicts = verdicts.as_slice();
        let mut refused: Option<Refused> = None;
        let mut last_of_a_day = false;
        for group in &mut groups {
            let (theirs, others) = verdicts.split_at(group.counts.len());
            verdicts = others;
            if let Err(wait) = group.settle(theirs) {
                let before = refused.unwrap_or(Refused {
                    wait,
                    of_a_day: false,
                });
                refused = Some(Refused {
                    wait: before.wait.max(wait),
                    of_a_day: before.of_a_day || group.daily,
                });
            }
            let left = theirs.iter().flatten().map(|verdict| verdict.remaining).max();
            last_of_a_day |= group.daily && left == Some(0);
        }
        let attempt = Self {
            groups,
            last_of_a_day,
        };
        let Some(refused) = refused else {
            return Ok(attempt);
        };
        attempt.release().await;
        metrics::counter!("stoa_auth_limited_total").increment(1);
        Err(refused)
    }

    /// It was right. What is returned borrows nothing, so that it can follow a commit.
    pub(crate) fn succeed(self) -> impl Future<Output = ()> + Send + use<> {
        let each = self.groups.into_iter().flat_map(|group| {
            let after = group.on_success;
            let owned = |(limiter, key): Count<'_>| (limiter.clone(), key);
            group
                .counts
                .into_iter()
                .map(owned)
                .map(move |(limiter, key)| async move {
                    match after {
                        OnSuccess::GiveBack => limiter.give_back(key).await,
                        OnSuccess::Reset => limiter.reset(key).await,
                    }
                })
        });
        let all = join_all(each);
        async move { drop(all.await) }
    }

    /// It counts for nothing: nothing was learnt from it.
    pub(crate) async fn release(self) {
        let counts = self.groups.iter().flat_map(|group| &group.counts);
        join_all(counts.map(|(limiter, key)| limiter.give_back(*key))).await;
    }

    /// It was wrong. True if it was the last one that a day has room for.
    pub(crate) fn fail(self) -> bool {
        self.last_of_a_day
    }
}
