//! The SQL of the log and its head.

use std::fmt::Write;

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_kernel::{Id, Timestamp, UserId};
use uuid::Uuid;

use crate::{
    Entry, EntryTag,
    chain::{BEGINNING, Hash},
};

/// Entries of one UPDATE while sealing; few statements on PostgreSQL, and short ones on both.
const SEAL_ROWS: usize = 16;

/// An entry as it is kept.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Row {
    pub(crate) id: Id<EntryTag>,
    pub(crate) at: Timestamp,
    pub(crate) actor: Option<UserId>,
    pub(crate) action: String,
    pub(crate) resource_kind: String,
    pub(crate) resource_id: Option<Uuid>,
    pub(crate) detail: String,
    pub(crate) request_id: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) seq: Option<i64>,
    pub(crate) hash: Option<Vec<u8>>,
}

/// The columns of [`Row`].
pub(crate) const COLUMNS: &str =
    "id, at, actor, action, resource_kind, resource_id, detail, request_id, address, seq, hash";

/// The end of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) hash: Vec<u8>,
}

/// A place in the chain for an entry.
pub(crate) struct Seal {
    pub(crate) id: Id<EntryTag>,
    pub(crate) seq: i64,
    pub(crate) hash: Hash,
}

pub(crate) async fn insert(
    tx: &mut Tx,
    id: Id<EntryTag>,
    at: Timestamp,
    entry: &Entry<'_>,
    detail: &str,
) -> Result<(), Error> {
    let sql = "INSERT INTO audit (id, at, actor, action, resource_kind, resource_id, detail, request_id, address) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let params: [&dyn ToValue; 9] = [
        &id,
        &at,
        &entry.actor,
        &entry.action,
        &entry.resource_kind,
        &entry.resource_id,
        &detail,
        &entry.request_id,
        &entry.address,
    ];
    tx.execute(sql, &params).await.map(drop)
}

/// The oldest entries that are not sealed.
pub(crate) async fn unsealed(db: &Db, most: u32) -> Result<Vec<Row>, Error> {
    db.fetch_all(
        &format!("SELECT {COLUMNS} FROM audit WHERE seq IS NULL ORDER BY id LIMIT $1"),
        &[&most],
    )
    .await
}

/// How many entries are not sealed, and how many of them were written before `time`.
pub(crate) async fn count_unsealed(db: &Db, time: Timestamp) -> Result<(i64, i64), Error> {
    let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN at < $1 THEN 1 ELSE 0 END), 0) AS BIGINT) FROM audit WHERE seq IS NULL";
    db.fetch_one(sql, &[&time]).await
}

/// Sealed entries from number `from` on.
pub(crate) async fn sealed(db: &Db, from: i64, most: u32) -> Result<Vec<Row>, Error> {
    db.fetch_all(
        &format!("SELECT {COLUMNS} FROM audit WHERE seq >= $1 ORDER BY seq LIMIT $2"),
        &[&from, &most],
    )
    .await
}

/// The head; the beginning while nothing was sealed.
pub(crate) async fn head(db: &Db) -> Result<Head, Error> {
    let row: Option<(i64, Vec<u8>)> = db
        .fetch_optional("SELECT seq, hash FROM audit_head WHERE id = 1", &[])
        .await?;
    Ok(row.map_or(
        Head {
            seq: 0,
            hash: BEGINNING.to_vec(),
        },
        |(seq, hash)| Head { seq, hash },
    ))
}

/// Moves the head from `from` to `to`; false if it stands elsewhere by now.
pub(crate) async fn move_head(tx: &mut Tx, from: &Head, to: &Seal) -> Result<bool, Error> {
    let changed = if from.seq == 0 {
        let sql = "INSERT INTO audit_head (id, seq, hash) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING";
        tx.execute(sql, &[&to.seq, &to.hash]).await?
    } else {
        let sql = "UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1 AND seq = $3 AND hash = $4";
        tx.execute(sql, &[&to.seq, &to.hash, &from.seq, &from.hash])
            .await?
    };
    Ok(changed == 1)
}

/// Gives entries their places; false if one of them is gone or has a place.
pub(crate) async fn seal(tx: &mut Tx, seals: &[Seal]) -> Result<bool, Error> {
    for chunk in seals.chunks(SEAL_ROWS) {
        let params: Vec<&dyn ToValue> = chunk
            .iter()
            .flat_map(|one| [&one.id as &dyn ToValue, &one.seq, &one.hash])
            .collect();
        if tx.execute(&seal_sql(chunk.len()), &params).await? != chunk.len() as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One UPDATE for so many entries. The ELSE, never taken, tells PostgreSQL the type of the parameters.
fn seal_sql(rows: usize) -> String {
    let (mut seqs, mut hashes, mut ids) = (String::new(), String::new(), String::new());
    for row in 0..rows {
        let (id, seq, hash) = (row * 3 + 1, row * 3 + 2, row * 3 + 3);
        let comma = if row == 0 { "" } else { ", " };
        let _ = write!(seqs, " WHEN ${id} THEN ${seq}");
        let _ = write!(hashes, " WHEN ${id} THEN ${hash}");
        let _ = write!(ids, "{comma}${id}");
    }
    format!(
        "UPDATE audit SET seq = CASE id{seqs} ELSE seq END, hash = CASE id{hashes} ELSE hash END \
         WHERE id IN ({ids}) AND seq IS NULL"
    )
}
