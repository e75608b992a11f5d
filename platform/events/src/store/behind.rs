//! Jobs that are put behind another of their key, so that no claim reads them while they may not run, and put back.
//!
//! The end of a job is followed, after its commit, by a look for what stands behind it. Putting a job behind is followed, after its
//! commit, by a look whether the one before it is still there. One of the two sees what the other has done. What both have missed because a process died is found by
//! [`keys_behind`].

use std::{collections::BTreeSet, fmt::Write};

use stoa_db::{Db, Error, ToValue, Tx};

use super::claim::{IDS, among, none_of_key, pairs, prepare};
use crate::EventId;

/// Jobs of one queue that one transaction puts behind.
const MOST_PUT_BEHIND: i64 = 512;
/// Jobs of one key that are put back at once: as many as a claim takes.
const MOST_PUT_BACK: i64 = 32;
/// Keys of one statement; fewer are filled up with the last one, so that there is one statement.
const KEYS: usize = 16;

/// A queue, and a key of it.
pub(crate) type Key = (String, String);

/// Puts behind what may not run of the next jobs of this queue: a bounded number. Returns their keys.
pub(crate) async fn put_behind(db: &Db, queue: &str) -> Result<BTreeSet<Key>, Error> {
    let sql = format!(
        "SELECT id FROM (SELECT j.id, ({}) AS free FROM jobs j WHERE j.queue = $1 AND j.state = 'ready' \
         ORDER BY j.priority DESC, j.id LIMIT $2) AS q WHERE NOT free",
        none_before()
    );
    let mut tx = db.begin().await?;
    prepare(&mut tx).await?;
    let ids: Vec<EventId> = tx.fetch_all(&sql, &[&queue, &MOST_PUT_BEHIND]).await?;
    let keys = put(&mut tx, queue, &ids).await?;
    tx.commit().await?;
    Ok(keys)
}

/// Puts these jobs of a queue behind. Returns their keys.
pub(super) async fn put(tx: &mut Tx, queue: &str, ids: &[EventId]) -> Result<BTreeSet<Key>, Error> {
    let mut keys = BTreeSet::new();
    for ids in ids.chunks(IDS) {
        let sql = format!(
            "UPDATE jobs SET state = 'waiting', behind = TRUE WHERE {} RETURNING queue, key",
            among(ids.len(), 1)
        );
        let params: Vec<_> = pairs(&queue, ids).collect();
        keys.extend(tx.fetch_all::<Key>(&sql, &params).await?);
    }
    Ok(keys)
}

/// That the job `j` may run: of its key none runs, and none before it waits.
pub(super) fn none_before() -> String {
    format!(
        "{} AND {} AND {}",
        none_of_key("running", ""),
        none_of_key("waiting", "AND e.id < j.id"),
        none_of_key("suspect", "AND e.id < j.id"),
    )
}

/// Puts the next jobs of these keys back in their queues, of each a bounded number, in order, if nothing is before them any more.
pub(crate) async fn put_back(db: &Db, keys: &BTreeSet<Key>) -> Result<(), Error> {
    let keys = with_jobs_behind(db, keys).await?;
    if keys.is_empty() {
        return Ok(());
    }
    let next = format!(
        "SELECT id FROM (SELECT queue, id, key FROM jobs WHERE queue = $1 AND key = $2 AND state = 'waiting' AND behind \
         ORDER BY id LIMIT $3) AS j WHERE {} AND {} AND {}",
        none_of_key("running", ""),
        none_of_key("waiting", "AND NOT e.behind AND e.id < j.id"),
        none_of_key("suspect", "AND e.id < j.id"),
    );
    let mut tx = db.begin().await?;
    prepare(&mut tx).await?;
    for (queue, key) in &keys {
        let ids: Vec<EventId> = tx.fetch_all(&next, &[queue, key, &MOST_PUT_BACK]).await?;
        for ids in ids.chunks(IDS) {
            let sql = format!(
                "UPDATE jobs SET state = 'ready', behind = FALSE WHERE {}",
                among(ids.len(), 1)
            );
            let queue = queue.as_str();
            let params: Vec<_> = pairs(&queue, ids).collect();
            tx.execute(&sql, &params).await?;
        }
    }
    tx.commit().await
}

/// Those of the keys that have jobs behind others, and of which none runs.
async fn with_jobs_behind(db: &Db, keys: &BTreeSet<Key>) -> Result<Vec<Key>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = String::new();
    for at in 0..KEYS {
        let comma = if at == 0 { "" } else { ", " };
        let (queue, key) = (2 * at + 1, 2 * at + 2);
        let _ = write!(values, "{comma}(CAST(${queue} AS TEXT), CAST(${key} AS TEXT))");
    }
    let sql = format!(
        "SELECT j.queue, j.key FROM (SELECT column1 AS queue, column2 AS key FROM (VALUES {values}) AS v) AS j \
         WHERE (SELECT e.id FROM jobs e WHERE e.queue = j.queue AND e.key = j.key AND e.state = 'waiting' AND e.behind \
         ORDER BY e.id LIMIT 1) IS NOT NULL AND {}",
        none_of_key("running", "")
    );
    let keys: Vec<_> = keys.iter().collect();
    let mut found = BTreeSet::new();
    for chunk in keys.chunks(KEYS) {
        let padded = (0..KEYS).filter_map(|at| chunk.get(at).or(chunk.last()));
        let params: Vec<&dyn ToValue> = padded
            .flat_map(|(queue, key)| [queue as &dyn ToValue, key])
            .collect();
        found.extend(db.fetch_all::<Key>(&sql, &params).await?);
    }
    Ok(found.into_iter().collect())
}

/// Up to `most` keys that have jobs behind others, from behind `after` on: from one key to the next, however many jobs each has.
pub(crate) async fn keys_behind(db: &Db, after: Option<Key>, most: usize) -> Result<Vec<Key>, Error> {
    let (mut keys, mut after) = (Vec::new(), after);
    while keys.len() < most
        && let Some(next) = next_key(db, after.as_ref()).await?
    {
        after = Some(next.clone());
        keys.push(next);
    }
    Ok(keys)
}

async fn next_key(db: &Db, after: Option<&Key>) -> Result<Option<Key>, Error> {
    let jobs = db.engine().by_index("jobs", "jobs_behind");
    let first = |behind: &str| {
        format!(
            "SELECT queue, key FROM {jobs} WHERE state = 'waiting' AND behind {behind} ORDER BY queue, key, id LIMIT 1"
        )
    };
    let Some((queue, key)) = after else {
        return db.fetch_optional(&first(""), &[]).await;
    };
    let of_queue = first("AND queue = $1 AND key > $2");
    match db.fetch_optional(&of_queue, &[queue, key]).await? {
        None => db.fetch_optional(&first("AND queue > $1"), &[queue]).await,
        found => Ok(found),
    }
}
