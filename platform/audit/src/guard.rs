//! Looks at the head before anything is sealed behind it: whoever could have a forged head signed would need no key.

use std::time::Duration;

use metrics::Gauge;
use stoa_db::{Db, Error};
use tokio::time::Instant;

use crate::{
    AuditKey, Entry, HeadRecord, TxExt,
    key::Purpose,
    record::counting,
    settings::Sealing,
    store::{self, Head, Seal, Signature},
    suspension::Suspension,
};

/// Between two lines in the log about the same trouble.
const REMIND: Duration = Duration::from_secs(60);
/// How long a keeper may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the end of the process waits for one.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Guard {
    service: String,
    sealing: Sealing,
    /// As it stood at the last look.
    head: Head,
    /// The newest head that is known from outside of the database, or from this process's own work.
    known: Option<(i64, Vec<u8>)>,
    /// Whether the entry that `known` speaks of was compared.
    compared: bool,
    recorded: Option<(i64, Instant)>,
    reminded: Option<Instant>,
    suspended: Gauge,
    suspension: Suspension,
}

impl Guard {
    pub(crate) fn new(db: &Db, sealing: Sealing, suspension: Suspension) -> Self {
        let service = db.service().to_owned();
        Self {
            suspended: metrics::gauge!("stoa_audit_suspended", "service" => service.clone()),
            service,
            sealing,
            head: Head::beginning(),
            known: None,
            compared: false,
            recorded: None,
            reminded: None,
            suspension,
        }
    }

    /// Reads the head; whether entries may be sealed behind it. If not, it says why in the log, again and again.
    pub(crate) async fn admits(&mut self, db: &Db) -> Result<bool, Error> {
        if !self.compared {
            self.read_known();
        }
        let head = store::head(db).await?;
        let objection = self.objection(db, head.as_ref()).await?;
        self.head = head.unwrap_or_else(Head::beginning);
        self.suspended.set(f64::from(u8::from(objection.is_some())));
        self.suspension.set(objection.as_deref());
        let Some(why) = objection else {
            self.compared = true;
            return Ok(true);
        };
        // An operator may begin anew meanwhile.
        self.compared = false;
        if self.reminded.is_none_or(|at| at.elapsed() > REMIND) {
            self.reminded = Some(Instant::now());
            tracing::error!(
                service = self.service,
                "the audit log was tampered with, so nothing is sealed: {why}. See `stoa audit verify`; after a restore of a \
                 backup, `stoa audit anchor` takes the log as it is"
            );
        }
        Ok(false)
    }

    fn read_known(&mut self) {
        let Some(file) = &self.sealing.file else { return };
        match file.read() {
            Ok(records) => {
                let own = counting(&records, &self.service);
                let newest = own
                    .iter()
                    .rfind(|record| record.is_signed(&self.sealing.key) == Some(true));
                self.known = newest.and_then(|record| Some((record.seq, hex::decode(&record.hash).ok()?)));
            }
            Err(error) => tracing::warn!(
                service = self.service,
                error,
                "heads of the audit log cannot be read"
            ),
        }
    }

    async fn objection(&self, db: &Db, head: Option<&Head>) -> Result<Option<String>, Error> {
        if let Some(why) = forged(db, &self.sealing.key, head).await? {
            return Ok(Some(why));
        }
        let Some((seq, hash)) = &self.known else {
            return Ok(None);
        };
        let end = head.map_or(0, |head| head.seq);
        if end < *seq {
            return Ok(Some(format!(
                "it ends at entry {end}, and was known to reach {seq}"
            )));
        }
        if self.compared || store::cut(db).await?.is_some_and(|cut| cut.seq >= *seq) {
            return Ok(None);
        }
        let there = store::hash_at(db, *seq).await?;
        Ok((there.as_deref() != Some(hash)).then(|| format!("entry {seq} is not the one that was there")))
    }

    /// The head, as [`Guard::admits`] read it.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    pub(crate) fn sign(&self, seq: i64, hash: &[u8]) -> Signature {
        sign(&self.sealing.key, &self.service, seq, hash)
    }

    /// The head was moved there.
    pub(crate) fn sealed(&mut self, end: &Seal, by: Signature) {
        self.known = Some((end.seq, end.hash.to_vec()));
        self.head = Head {
            seq: end.seq,
            hash: end.hash.to_vec(),
            key_id: Some(by.key_id),
            mac: Some(by.mac),
        };
    }

    /// Keeps the head elsewhere, where it moved, and where it is time or `now`.
    pub(crate) async fn record(&mut self, db: &Db, now: bool) {
        let head = &self.head;
        if head.seq == 0 || !self.compared {
            return;
        }
        let due = self
            .recorded
            .is_none_or(|(seq, at)| seq != head.seq && (now || at.elapsed() >= self.sealing.every));
        if !due {
            return;
        }
        self.recorded = Some((head.seq, Instant::now()));
        let at = db.clock().now();
        let record = HeadRecord::new(&self.sealing.key, &self.service, head.seq, &head.hash, at, false);
        if let Some(file) = self.sealing.file.clone() {
            let line = record.clone();
            let added = tokio::task::spawn_blocking(move || file.add(&line)).await;
            if let Ok(Err(error)) = added {
                tracing::warn!(
                    service = self.service,
                    error,
                    "the head of the audit log could not be kept"
                );
            }
        }
        let kept = tokio::spawn(keep(self.sealing.clone(), record));
        if now {
            let _ = tokio::time::timeout(LAST_PATIENCE, kept).await;
        }
    }
}

async fn keep(sealing: Sealing, record: HeadRecord) {
    for keeper in &sealing.keepers {
        let kept = tokio::time::timeout(PATIENCE, keeper(record.clone())).await;
        if let Err(error) = kept.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}"))) {
            tracing::warn!(
                service = record.service,
                error,
                "the head of the audit log could not be kept elsewhere"
            );
        }
    }
}

pub(crate) fn sign(key: &AuditKey, service: &str, seq: i64, hash: &[u8]) -> Signature {
    Signature {
        key_id: key.id(),
        mac: key.sign(Purpose::Head, service, seq, hash),
    }
}

/// What is wrong with the head by itself.
async fn forged(db: &Db, key: &AuditKey, head: Option<&Head>) -> Result<Option<String>, Error> {
    match head {
        Some(head) => Ok(unsigned(key, db.service(), head)),
        None => {
            let sealed = store::last_sealed(db).await?.is_some();
            Ok(sealed.then(|| "its head is missing".to_owned()))
        }
    }
}

/// Looks at the head alone, without walking the chain.
///
/// # Errors
/// In words for whoever operates the program.
pub async fn check_head(db: &Db, key: &AuditKey) -> Result<(), String> {
    let head = store::head(db).await.map_err(|e| e.to_string())?;
    let found = forged(db, key, head.as_ref()).await.map_err(|e| e.to_string())?;
    found.map_or(Ok(()), |why| {
        Err(format!(
            "the audit log was tampered with, so nothing is sealed: {why}; see `stoa audit verify`"
        ))
    })
}

/// What is wrong with a head's signature. Whoever writes to the tables can take it away: so one that has none is never trusted.
pub(crate) fn unsigned(key: &AuditKey, service: &str, head: &Head) -> Option<String> {
    let Some(mac) = head.mac.as_deref() else {
        return Some("its head is not signed".to_owned());
    };
    let (ours, theirs) = (key.id(), head.key_id.as_deref().unwrap_or("none"));
    if theirs != ours {
        return Some(format!(
            "its head is signed with another key ({theirs}) than audit.secret or keys/secrets.key make ({ours})"
        ));
    }
    let signed = key.signed(Purpose::Head, service, head.seq, &head.hash, mac);
    (!signed).then(|| "its head is not signed with the key".to_owned())
}

/// Takes the log as it is for the beginning of what the key proves: signs its head, and writes so into the log. Returns the
/// record to be kept.
///
/// # Errors
/// What the database says; [`Error::Conflict`] when somebody sealed at the same moment.
pub async fn anchor(db: &Db, key: &AuditKey) -> Result<HeadRecord, Error> {
    let mut head = store::head(db).await?.unwrap_or_else(Head::beginning);
    if head.seq == 0
        && let Some((seq, hash)) = store::last_sealed(db).await?
    {
        (head.seq, head.hash) = (seq, hash);
    }
    let mut tx = db.begin().await?;
    if head.seq > 0
        && !store::sign_head(&mut tx, &head, &sign(key, db.service(), head.seq, &head.hash)).await?
    {
        tx.rollback().await;
        return Err(Error::Conflict);
    }
    let detail = serde_json::json!({ "entries": head.seq, "head": hex::encode(&head.hash), "key": key.id() });
    tx.audit(&Entry::new(None, "audit.anchor", "audit_log", None).detail(detail))
        .await?;
    tx.commit().await?;
    tracing::warn!(
        service = db.service(),
        entries = head.seq,
        "the audit log is signed from here on; what was in it before is taken as it is"
    );
    Ok(HeadRecord::new(
        key,
        db.service(),
        head.seq,
        &head.hash,
        db.clock().now(),
        true,
    ))
}

/// Refuses a key that is not the one that the log is signed with.
///
/// # Errors
/// In words for whoever starts the program.
pub async fn check_key(db: &Db, key: &AuditKey) -> Result<(), String> {
    let head = store::head(db).await.map_err(|e| e.to_string())?;
    match head.and_then(|head| head.key_id) {
        Some(theirs) if theirs != key.id() => Err(format!(
            "audit.secret: the audit log of {} is signed with another key ({theirs}) than this process has ({}): set \
             audit.secret to the same in every process, or run `stoa audit anchor` if the key was changed on purpose",
            db.service(),
            key.id()
        )),
        _ => Ok(()),
    }
}
