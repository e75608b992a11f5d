//! Walking the chain.

use std::{collections::VecDeque, time::Duration};

use jiff::SignedDuration;
use serde::Serialize;
use stoa_db::{Db, Error};
use stoa_kernel::{OrganizationId, Timestamp};

use crate::{
    AuditKey, HeadRecord,
    chain::{self, BEGINNING, Hash},
    entry::ORGANIZATION,
    guard::unsigned,
    key::Purpose,
    record::counting,
    store::{self, Head, Row},
};

/// Entries read at once.
const PAGE: u32 = 1000;
/// An entry that is not sealed after this time stays that way: no sealer runs, or it fails.
const OVERDUE: Duration = Duration::from_secs(60);

/// What a log is compared with, beside its own hashes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Against<'a> {
    /// The key that heads and cuts are signed with; none: signatures are not looked at.
    pub key: Option<&'a AuditKey>,
    /// Heads that were kept elsewhere. Those of other services are left out.
    pub records: &'a [HeadRecord],
}

/// What [`verify`] found.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// Whose log it is.
    pub service: String,
    /// Sealed entries that are there, as far as the chain holds.
    pub entries: i64,
    /// Entries that were deleted because they were older than they are kept.
    pub trimmed: i64,
    /// Entries that are not sealed yet.
    pub unsealed: i64,
    /// Of those, the ones older than a minute: there should be none while Stoa runs.
    pub overdue: i64,
    /// The hash of the last entry, as far as the chain holds, in hexadecimal.
    pub head: String,
    /// Whether the head is signed with the key. Without, a log could have been rewritten as a whole.
    pub signed: bool,
    /// Heads from elsewhere that the chain was compared with.
    pub compared: usize,
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
/// The organization that the detail of an entry names, which its hash covers.
fn organization_of(row: &Row) -> Option<OrganizationId> {
    if !row.detail.contains(ORGANIZATION) {
        return None;
    }
    let detail: serde_json::Value = serde_json::from_str(&row.detail).ok()?;
    detail.get(ORGANIZATION)?.as_str()?.parse().ok()
}

/// What the tables have: they may be from before a migration that is still to come.
#[derive(Clone, Copy)]
struct Tables {
    /// Heads are signed.
    signatures: bool,
    /// Entries name organizations.
    organizations: bool,
}

impl Tables {
    async fn of(db: &Db) -> Result<Self, Error> {
        let pending = db.pending("audit", crate::MIGRATIONS).await?;
        Ok(Self {
            signatures: !pending.contains(&"0002_sign_heads"),
            organizations: !pending.contains(&"0003_add_organizations"),
        })
    }
}

struct Walk<'a> {
    service: &'a str,
    against: Against<'a>,
    /// In the order of their numbers, from the one that is next.
    records: VecDeque<&'a HeadRecord>,
    compared: usize,
    tables: Tables,
    signed: bool,
    seq: i64,
    hash: Hash,
}

/// Walks the chain from its first entry and recomputes every hash, in pages; `progress` is told how many are done. May run
/// while entries are written and sealed, and on tables from before heads were signed.
///
/// # Errors
/// What the database says. A log that was tampered with is none, it is told in the result.
pub async fn verify(
    db: &Db,
    against: Against<'_>,
    mut progress: impl FnMut(i64),
) -> Result<Verification, Error> {
    loop {
        let began = trimmed_to(db).await?;
        let found = walk(db, against, &mut progress).await?;
        // Old entries may have been deleted in time while they were walked over.
        if found.broken_at.is_none() || trimmed_to(db).await? == began {
            return Ok(found);
        }
    }
}

/// The number of the last entry that was deleted in time; 0 if none was.
async fn trimmed_to(db: &Db) -> Result<i64, Error> {
    if !Tables::of(db).await?.signatures {
        return Ok(0);
    }
    Ok(store::cut(db).await?.map_or(0, |cut| cut.seq))
}

async fn walk(db: &Db, against: Against<'_>, progress: impl FnMut(i64)) -> Result<Verification, Error> {
    let mut records = counting(against.records, db.service());
    records.sort_by_key(|record| record.seq);
    let mut walk = Walk {
        service: db.service(),
        against,
        records: records.into(),
        compared: 0,
        tables: Tables::of(db).await?,
        signed: false,
        seq: 0,
        hash: BEGINNING,
    };
    let mut trimmed = 0;
    let broken_at = match walk.begin(db).await? {
        None => {
            trimmed = walk.seq;
            walk.go(db, progress).await?
        }
        broken => broken,
    };
    let long_ago = db
        .clock()
        .now()
        .saturating_sub(SignedDuration::try_from(OVERDUE).unwrap_or(SignedDuration::MAX));
    let (unsealed, overdue) = store::count_unsealed(db, long_ago.unwrap_or(Timestamp::MIN)).await?;
    Ok(Verification {
        service: db.service().to_owned(),
        entries: walk.seq - trimmed,
        trimmed,
        unsealed,
        overdue,
        head: hex::encode(walk.hash),
        signed: walk.signed,
        compared: walk.compared,
        broken_at,
    })
}

impl Walk<'_> {
    /// Goes to where the chain begins, and looks at the records themselves.
    async fn begin(&mut self, db: &Db) -> Result<Option<BrokenAt>, Error> {
        if let Some(cut) = self.cut(db).await? {
            let signed =
                |key: &AuditKey| key.signed(Purpose::Cut, self.service, cut.seq, &cut.hash, &cut.mac);
            if self.against.key.is_some_and(|key| !signed(key)) {
                return Ok(self.broken(
                    "the cut before it is not signed with the key: entries were deleted by somebody else",
                ));
            }
            let Ok(hash) = Hash::try_from(cut.hash.as_slice()) else {
                return Ok(self.broken("the cut before it is damaged"));
            };
            (self.seq, self.hash) = (cut.seq, hash);
        }
        let forged = |record: &&&HeadRecord| {
            let key = self.against.key;
            key.is_some_and(|key| record.is_signed(key) == Some(false))
        };
        if let Some(record) = self.records.iter().find(forged) {
            let why = format!(
                "the head kept at {} is not signed with the key: it was changed where it is kept",
                record.at
            );
            return Ok(Some(BrokenAt { seq: record.seq, why }));
        }
        // What was deleted in time can no longer be compared.
        self.records.retain(|record| record.seq >= self.seq);
        Ok(self.compare())
    }

    async fn cut(&self, db: &Db) -> Result<Option<store::Cut>, Error> {
        if !self.tables.signatures {
            return Ok(None);
        }
        store::cut(db).await
    }

    /// What heads from elsewhere say to the entry that was reached.
    fn compare(&mut self) -> Option<BrokenAt> {
        while let Some(record) = self.records.front().filter(|record| record.seq <= self.seq) {
            if record.hash != hex::encode(self.hash) {
                let why = format!(
                    "the head kept at {} has another hash: entries up to it were rewritten",
                    record.at
                );
                return Some(BrokenAt { seq: self.seq, why });
            }
            self.records.pop_front();
            self.compared += 1;
        }
        None
    }

    /// To the end, or to the first place that does not hold.
    async fn go(&mut self, db: &Db, mut progress: impl FnMut(i64)) -> Result<Option<BrokenAt>, Error> {
        let mut page = PAGE;
        // From the lowest number there can be: an entry put in before the first is also found.
        let (mut from, mut behind) = (i64::MIN, false);
        let columns = if self.tables.organizations {
            store::COLUMNS
        } else {
            store::COLUMNS_WITHOUT_ORGANIZATION
        };
        loop {
            // The head before the entries: all that it counts are there, and what it counted before this page was read.
            let head = match self.head(db).await {
                Err(Error::Column { .. }) => return Ok(self.broken("the head cannot be read")),
                other => other?,
            };
            let rows = match store::sealed_from(db, columns, from, behind, page).await {
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
                return Ok(self.against(head.as_ref()));
            }
            for row in &rows {
                if let Err(why) = self.step(row) {
                    return Ok(self.broken(&why));
                }
                if let Some(broken) = self.compare() {
                    return Ok(Some(broken));
                }
            }
            from = self.seq;
            behind = true;
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
        if self.tables.organizations && row.organization_id != organization_of(row) {
            return Err("its organization was changed".to_owned());
        }
        (self.seq, self.hash) = (next, hash);
        Ok(())
    }

    async fn head(&self, db: &Db) -> Result<Option<Head>, Error> {
        if self.tables.signatures {
            store::head(db).await
        } else {
            store::unsigned_head(db).await
        }
    }

    /// What the head says to the last entry there is.
    fn against(&mut self, found: Option<&Head>) -> Option<BrokenAt> {
        let beginning = Head::beginning();
        let head = found.unwrap_or(&beginning);
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
        if head.hash != self.hash {
            let why = "the head has another hash than the last entry".to_owned();
            return Some(BrokenAt { seq: self.seq, why });
        }
        if let Some(record) = self.records.back() {
            return self.broken(&format!(
                "it is missing, with all after it: the head kept at {} counts {}",
                record.at, record.seq
            ));
        }
        self.signature(found?)
    }

    /// Whether the head is signed, but in tables from before there were signatures.
    fn signature(&mut self, head: &Head) -> Option<BrokenAt> {
        let key = self.against.key.filter(|_| self.tables.signatures)?;
        let why = unsigned(key, self.service, head);
        self.signed = why.is_none();
        why.map(|why| BrokenAt { seq: self.seq, why })
    }

    fn broken(&self, why: &str) -> Option<BrokenAt> {
        Some(BrokenAt {
            seq: self.seq + 1,
            why: why.to_owned(),
        })
    }
}
