//! The SQL of the log and its head.

use std::fmt::Write;

use stoa_db::{Db, Engine, Error, FromRow, ToValue, Tx};
use stoa_kernel::{Id, OrganizationId, Timestamp, UserId};
use uuid::Uuid;

use crate::{
    Entry, EntryTag,
    chain::{BEGINNING, Hash},
};

/// Entries of one UPDATE while sealing on PostgreSQL, where each statement is a journey. On SQLite one by one is quickest.
const SEAL_ROWS: usize = 32;

/// An entry as it is kept.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Row {
    pub(crate) id: Id<EntryTag>,
    pub(crate) at: Timestamp,
    pub(crate) actor: Option<UserId>,
    pub(crate) action: String,
    pub(crate) resource_kind: String,
    pub(crate) resource_id: Option<Uuid>,
    pub(crate) organization_id: Option<OrganizationId>,
    pub(crate) detail: String,
    pub(crate) request_id: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) seq: Option<i64>,
    pub(crate) hash: Option<Vec<u8>>,
}

/// The columns of [`Row`].
pub(crate) const COLUMNS: &str = "id, at, actor, action, resource_kind, resource_id, organization_id, detail, request_id, address, seq, hash";

/// The same in tables from before entries named organizations.
pub(crate) const COLUMNS_WITHOUT_ORGANIZATION: &str = "id, at, actor, action, resource_kind, resource_id, \
    CAST(NULL AS UUID) AS organization_id, detail, request_id, address, seq, hash";

/// The end of the chain.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) hash: Vec<u8>,
    /// Which key it is signed with; none in a log from before there was a key, and before anything was sealed.
    pub(crate) key_id: Option<String>,
    pub(crate) mac: Option<Vec<u8>>,
}

/// Where a trimmed chain begins: behind the entry with this number and hash.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Cut {
    pub(crate) seq: i64,
    pub(crate) hash: Vec<u8>,
    pub(crate) mac: Vec<u8>,
}

/// Who signed, and what.
pub(crate) struct Signature {
    pub(crate) key_id: String,
    pub(crate) mac: Vec<u8>,
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
    let sql = "INSERT INTO audit (id, at, actor, action, resource_kind, resource_id, organization_id, detail, request_id, address) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let params: [&dyn ToValue; 10] = [
        &id,
        &at,
        &entry.actor,
        &entry.action,
        &entry.resource_kind,
        &entry.resource_id,
        &entry.organization_id,
        &detail,
        &entry.request_id,
        &entry.address,
    ];
    tx.execute(sql, &params).await.map(drop)
}

/// The log, by the index of what is not sealed. That of `seq`, which SQLite would take, has those entries in no order.
fn unsealed_of(engine: Engine) -> String {
    engine.by_index("audit", "audit_unsealed")
}

/// The oldest entries that are not sealed.
pub(crate) async fn unsealed(db: &Db, most: u32) -> Result<Vec<Row>, Error> {
    let audit = unsealed_of(db.engine());
    let sql = format!("SELECT {COLUMNS} FROM {audit} WHERE seq IS NULL ORDER BY id LIMIT $1");
    if db.engine() == Engine::Sqlite {
        return db.fetch_all(&sql, &[&most]).await;
    }
    let mut tx = db.begin().await?;
    by_index(&mut tx).await?;
    let rows = tx.fetch_all(&sql, &[&most]).await?;
    tx.commit().await?;
    Ok(rows)
}

/// Has PostgreSQL read by the index in this transaction, whatever the table was like when a plan was first made: it may have been
/// empty.
async fn by_index(tx: &mut Tx) -> Result<(), Error> {
    let sql = "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), \
        set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true)";
    tx.fetch_optional::<(String, String, String)>(sql, &[])
        .await
        .map(drop)
}

/// How many entries are not sealed, and how many of them were written before `time`.
pub(crate) async fn count_unsealed(db: &Db, time: Timestamp) -> Result<(i64, i64), Error> {
    let audit = unsealed_of(db.engine());
    let sql = format!(
        "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN at < $1 THEN 1 ELSE 0 END), 0) AS BIGINT) FROM {audit} WHERE seq IS NULL"
    );
    db.fetch_one(&sql, &[&time]).await
}

/// Sealed entries from number `from` on.
pub(crate) async fn sealed(db: &Db, from: i64, most: u32) -> Result<Vec<Row>, Error> {
    sealed_from(db, COLUMNS, from, false, most).await
}

/// Sealed entries from number `from` on, or `behind` it: SQLite keeps numbers that are not whole, too.
pub(crate) async fn sealed_from(
    db: &Db,
    columns: &str,
    from: i64,
    behind: bool,
    most: u32,
) -> Result<Vec<Row>, Error> {
    let than = if behind { ">" } else { ">=" };
    let sql = format!("SELECT {columns} FROM audit WHERE seq {than} $1 ORDER BY seq LIMIT $2");
    db.fetch_all(&sql, &[&from, &most]).await
}

/// The head; none while nothing was sealed.
pub(crate) async fn head(db: &Db) -> Result<Option<Head>, Error> {
    db.fetch_optional("SELECT seq, hash, key_id, mac FROM audit_head WHERE id = 1", &[])
        .await
}

/// The head in tables from before heads were signed.
pub(crate) async fn unsigned_head(db: &Db) -> Result<Option<Head>, Error> {
    let row: Option<(i64, Vec<u8>)> = db
        .fetch_optional("SELECT seq, hash FROM audit_head WHERE id = 1", &[])
        .await?;
    Ok(row.map(|(seq, hash)| Head {
        seq,
        hash,
        ..Head::beginning()
    }))
}

/// The number and hash of the last sealed entry.
pub(crate) async fn last_sealed(db: &Db) -> Result<Option<(i64, Vec<u8>)>, Error> {
    let sql =
        "SELECT seq, hash FROM audit WHERE seq IS NOT NULL AND hash IS NOT NULL ORDER BY seq DESC LIMIT 1";
    db.fetch_optional(sql, &[]).await
}

impl Head {
    pub(crate) fn beginning() -> Self {
        Self {
            seq: 0,
            hash: BEGINNING.to_vec(),
            key_id: None,
            mac: None,
        }
    }
}

/// Moves the head from `from` to `to`; false if it stands elsewhere by now.
pub(crate) async fn move_head(tx: &mut Tx, from: &Head, to: &Seal, by: &Signature) -> Result<bool, Error> {
    let changed = if from.seq == 0 {
        let sql = "INSERT INTO audit_head (id, seq, hash, key_id, mac) VALUES (1, $1, $2, $3, $4) ON CONFLICT (id) DO NOTHING";
        tx.execute(sql, &[&to.seq, &to.hash, &by.key_id, &by.mac]).await?
    } else {
        let sql = "UPDATE audit_head SET seq = $1, hash = $2, key_id = $3, mac = $4 WHERE id = 1 AND seq = $5 AND hash = $6";
        let params: [&dyn ToValue; 6] = [&to.seq, &to.hash, &by.key_id, &by.mac, &from.seq, &from.hash];
        tx.execute(sql, &params).await?
    };
    Ok(changed == 1)
}

/// Signs the head where it stands, or puts one that is gone there; false if it stands elsewhere by now.
pub(crate) async fn sign_head(tx: &mut Tx, head: &Head, by: &Signature) -> Result<bool, Error> {
    let sql = "INSERT INTO audit_head (id, seq, hash, key_id, mac) VALUES (1, $1, $2, $3, $4) \
        ON CONFLICT (id) DO UPDATE SET key_id = excluded.key_id, mac = excluded.mac \
        WHERE audit_head.seq = excluded.seq AND audit_head.hash = excluded.hash";
    let params: [&dyn ToValue; 4] = [&head.seq, &head.hash, &by.key_id, &by.mac];
    Ok(tx.execute(sql, &params).await? == 1)
}

/// The hash of the sealed entry with this number.
pub(crate) async fn hash_at(db: &Db, seq: i64) -> Result<Option<Vec<u8>>, Error> {
    db.fetch_optional(
        "SELECT hash FROM audit WHERE seq = $1 AND hash IS NOT NULL",
        &[&seq],
    )
    .await
}

/// Where the chain begins, if its oldest entries were deleted.
pub(crate) async fn cut(db: &Db) -> Result<Option<Cut>, Error> {
    db.fetch_optional("SELECT seq, hash, mac FROM audit_cut WHERE id = 1", &[])
        .await
}

/// Moves the cut from number `from`; false if it stands elsewhere by now.
pub(crate) async fn move_cut(tx: &mut Tx, from: i64, to: &Cut) -> Result<bool, Error> {
    let sql = "INSERT INTO audit_cut (id, seq, hash, mac) VALUES (1, $1, $2, $3) \
        ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, mac = excluded.mac WHERE audit_cut.seq = $4";
    let params: [&dyn ToValue; 4] = [&to.seq, &to.hash, &to.mac, &from];
    Ok(tx.execute(sql, &params).await? == 1)
}

/// Deletes the sealed entries up to number `seq`.
pub(crate) async fn delete_through(tx: &mut Tx, seq: i64) -> Result<u64, Error> {
    tx.execute("DELETE FROM audit WHERE seq <= $1", &[&seq]).await
}

/// How many entries are not sealed, counted up to `most`, and when the oldest of them was written.
pub(crate) async fn waiting(db: &Db, most: i64) -> Result<(i64, Option<Timestamp>), Error> {
    let audit = unsealed_of(db.engine());
    let count = format!(
        "SELECT COUNT(*) FROM (SELECT id FROM {audit} WHERE seq IS NULL ORDER BY id LIMIT $1) AS waiting"
    );
    let oldest = format!("SELECT at FROM {audit} WHERE seq IS NULL ORDER BY id LIMIT 1");
    Ok((
        db.fetch_one(&count, &[&most]).await?,
        db.fetch_optional(&oldest, &[]).await?,
    ))
}

/// Gives entries their places; false if one of them is gone or has a place.
pub(crate) async fn seal(tx: &mut Tx, seals: &[Seal]) -> Result<bool, Error> {
    let rows = match tx.engine() {
        Engine::Sqlite => 1,
        Engine::Postgres => SEAL_ROWS,
    };
    if tx.engine() == Engine::Postgres {
        by_index(tx).await?;
    }
    let engine = tx.engine();
    let whole = seal_sql(engine, rows);
    for chunk in seals.chunks(rows) {
        let params: Vec<&dyn ToValue> = chunk
            .iter()
            .flat_map(|one| [&one.id as &dyn ToValue, &one.seq, &one.hash])
            .collect();
        let shorter = (chunk.len() < rows).then(|| seal_sql(engine, chunk.len()));
        let sql = shorter.as_ref().unwrap_or(&whole);
        if tx.execute(sql, &params).await? != chunk.len() as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One UPDATE for so many entries. The ELSE, never taken, tells PostgreSQL the type of the parameters.
fn seal_sql(engine: Engine, rows: usize) -> String {
    let (mut seqs, mut hashes, mut ids) = (String::new(), String::new(), String::new());
    for row in 0..rows {
        let (id, seq, hash) = (row * 3 + 1, row * 3 + 2, row * 3 + 3);
        let comma = if row == 0 { "" } else { ", " };
        let _ = write!(seqs, " WHEN ${id} THEN ${seq}");
        let _ = write!(hashes, " WHEN ${id} THEN ${hash}");
        let _ = write!(ids, "{comma}${id}");
    }
    let audit = unsealed_of(engine);
    format!(
        "UPDATE {audit} SET seq = CASE id{seqs} ELSE seq END, hash = CASE id{hashes} ELSE hash END \
         WHERE id IN ({ids}) AND seq IS NULL"
    )
}
