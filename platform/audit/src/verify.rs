//! Walking the chain.

use std::time::Duration;

use jiff::SignedDuration;
use serde::Serialize;
use stoa_db::{Db, Error};
use stoa_kernel::Timestamp;

use crate::{
    chain::{self, BEGINNING, Hash},
    store::{self, Head, Row},
};

/// Entries read at once.
const PAGE: u32 = 1000;
/// An entry that is not sealed after this time stays that way: no sealer runs, or it fails.
const OVERDUE: Duration = Duration::from_secs(60);

/// What [`verify`] found.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// Whose log it is.
    pub service: String,
    /// Sealed entries, as far as the chain holds.
    pub entries: i64,
    /// Entries that are not sealed yet.
    pub unsealed: i64,
    /// Of those, the ones older than a minute: there should be none while Stoa runs.
    pub overdue: i64,
    /// The hash of the last entry, as far as the chain holds, in hexadecimal.
    pub head: String,
    /// Where the chain does not hold; none if it holds throughout.
    pub broken_at: Option<BrokenAt>,
}

/// The first place where the chain does not hold.
#[derive(Clone, Debug, Serialize)]
pub struct BrokenAt {
    /// The number of the entry.
    pub seq: i64,
    /// What is wrong there.
    pub why: String,
}

/// How far the walk has come.
struct Walk {
    seq: i64,
    hash: Hash,
}

/// Walks the chain from its first entry and recomputes every hash, in pages; `progress` is told how many are done. May run
/// while entries are written and sealed.
///
/// # Errors
/// What the database says. A log that was tampered with is none, it is told in the result.
pub async fn verify(db: &Db, progress: impl FnMut(i64)) -> Result<Verification, Error> {
    let mut walk = Walk {
        seq: 0,
        hash: BEGINNING,
    };
    let broken_at = walk.go(db, progress).await?;
    let long_ago = db
        .clock()
        .now()
        .saturating_sub(SignedDuration::try_from(OVERDUE).unwrap_or(SignedDuration::MAX));
    let (unsealed, overdue) = store::count_unsealed(db, long_ago.unwrap_or(Timestamp::MIN)).await?;
    Ok(Verification {
        service: db.service().to_owned(),
        entries: walk.seq,
        unsealed,
        overdue,
        head: hex::encode(walk.hash),
        broken_at,
    })
}

impl Walk {
    /// To the end, or to the first place that does not hold.
    async fn go(&mut self, db: &Db, mut progress: impl FnMut(i64)) -> Result<Option<BrokenAt>, Error> {
        let mut page = PAGE;
        // From the lowest number there can be: an entry put in before the first is also found.
        let mut from = i64::MIN;
        loop {
            // The head before the entries: all that it counts are there, and what it counted before this page was read.
            let head = match store::head(db).await {
                Err(Error::Column { .. }) => return Ok(self.broken("the head cannot be read")),
                other => other?,
            };
            let rows = match store::sealed(db, from, page).await {
                // Some value of this page is of a type that nobody writes. Its entry is found one by one.
                Err(Error::Column { .. }) if page > 1 => {
                    page = 1;
                    continue;
                }
                Err(Error::Column { column, message }) => {
                    return Ok(self.broken(&format!("its {column} is {message}")));
                }
                other => other?,
            };
            if rows.is_empty() {
                return Ok(self.against(&head));
            }
            for row in &rows {
                if let Err(why) = self.step(row) {
                    return Ok(self.broken(&why));
                }
            }
            from = self.seq.saturating_add(1);
            progress(self.seq);
        }
    }

    /// One entry on, if it is the next.
    fn step(&mut self, row: &Row) -> Result<(), String> {
        let next = self.seq + 1;
        match row.seq {
            Some(seq) if seq == next => {}
            Some(seq) if seq > next => return Err(format!("it is missing; the next one there is {seq}")),
            _ => return Err("an entry was put in before the first".to_owned()),
        }
        let hash = chain::hash(&self.hash, next, row);
        if row.hash.as_deref() != Some(hash.as_slice()) {
            return Err("it was changed, or the entry before it was exchanged".to_owned());
        }
        *self = Self { seq: next, hash };
        Ok(())
    }

    /// What the head says to the last entry there is.
    fn against(&self, head: &Head) -> Option<BrokenAt> {
        if head.seq > self.seq {
            return self.broken(&format!(
                "it is missing, with all after it: the head counts {}",
                head.seq
            ));
        }
        if head.seq < self.seq {
            let why = format!("the head does not count it: it ends at {}", head.seq);
            return Some(BrokenAt {
                seq: head.seq.max(0) + 1,
                why,
            });
        }
        (head.hash != self.hash).then(|| BrokenAt {
            seq: self.seq,
            why: "the head has another hash than the last entry".to_owned(),
        })
    }

    fn broken(&self, why: &str) -> Option<BrokenAt> {
        Some(BrokenAt {
            seq: self.seq + 1,
            why: why.to_owned(),
        })
    }
}
