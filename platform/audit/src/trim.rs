//! Deleting entries that are older than they are kept. What is left still verifies: the chain begins behind a signed cut.

use std::time::Duration;

use jiff::SignedDuration;
use stoa_db::{Db, Error};
use stoa_kernel::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    AuditKey, Entry, TxExt,
    chain::{self, BEGINNING, Hash},
    key::Purpose,
    settings::Sealing,
    store::{self, Cut},
    suspension::Suspension,
};

/// Entries of one transaction, at most.
const BATCH: u32 = 500;
/// Between two transactions: others write in between.
const BREATH: Duration = Duration::from_millis(10);
/// Between two looks for what has grown too old.
const EVERY: Duration = Duration::from_secs(600);

/// Trims the log of `db`, until `stop`.
pub(crate) async fn run(db: Db, sealing: Sealing, suspension: Suspension, stop: CancellationToken) {
    loop {
        if let Err(error) = trim(&db, &sealing, &suspension, &stop).await {
            tracing::warn!(service = db.service(), %error, "the audit log could not be trimmed; trying again later");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn trim(
    db: &Db,
    sealing: &Sealing,
    suspension: &Suspension,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let Some(keep) = sealing.keep else { return Ok(()) };
    let keep = SignedDuration::try_from(keep).unwrap_or(SignedDuration::MAX);
    let before = db
        .steady_now()
        .await
        .saturating_sub(keep)
        .unwrap_or(Timestamp::MIN);
    let mut told = false;
    // What somebody tampered with is evidence.
    while !stop.is_cancelled() && suspension.is_fine() && batch(db, &sealing.key, before, told).await? {
        told = true;
        tokio::time::sleep(BREATH).await;
    }
    Ok(())
}

/// Deletes the oldest entries, and moves the cut behind them; false if there was nothing to delete. Entries that are not what
/// the chain says stay: they are evidence. Of the run's first batch an entry tells, unless one was `told` already.
async fn batch(db: &Db, key: &AuditKey, before: Timestamp, told: bool) -> Result<bool, Error> {
    let damaged = |what: &str| Error::Engine(format!("{what}; see what `stoa audit verify` says"));
    let cut = store::cut(db).await?;
    let (from, mut hash) = match &cut {
        None => (0, BEGINNING),
        Some(cut) if key.signed(Purpose::Cut, db.service(), cut.seq, &cut.hash, &cut.mac) => {
            let hash = Hash::try_from(cut.hash.as_slice());
            (cut.seq, hash.map_err(|_| damaged("the cut is damaged"))?)
        }
        Some(_) => return Err(damaged("the cut is not signed with the key")),
    };
    // The last entry stays, whatever its age: the head is its hash.
    let end = store::head(db).await?.map_or(0, |head| head.seq) - 1;
    let mut through = from;
    for row in store::sealed(db, from + 1, BATCH).await? {
        let next = through + 1;
        if row.at >= before || next > end {
            break;
        }
        let expected = chain::hash(&hash, next, &row);
        if row.seq != Some(next) || row.hash.as_deref() != Some(expected.as_slice()) {
            return Err(damaged("an old entry is not what the chain says"));
        }
        (through, hash) = (next, expected);
    }
    if through == from {
        return Ok(false);
    }
    let to = Cut {
        seq: through,
        hash: hash.to_vec(),
        mac: key.sign(Purpose::Cut, db.service(), through, &hash),
    };
    let mut tx = db.begin().await?;
    if !store::move_cut(&mut tx, from, &to).await? {
        // Another process has just done it.
        tx.rollback().await;
        return Ok(false);
    }
    if !told {
        let detail = serde_json::json!({ "older_than": before.to_string(), "from": from + 1 });
        tx.audit(&Entry::new(None, "audit.trim", "audit_log", None).detail(detail))
            .await?;
    }
    store::delete_through(&mut tx, through).await?;
    tx.commit().await?;
    Ok(true)
}
