//! What each owner uses. Whatever makes or deletes something of theirs takes this row first, so one waits for the other.

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_kernel::Owner;

/// What an owner uses.
#[derive(Clone, Copy, Debug, Default, FromRow)]
pub(crate) struct Usage {
    pub(crate) buckets: i64,
    pub(crate) objects: i64,
    pub(crate) bytes: i64,
}

/// What the owner uses; nothing for one who never had anything.
pub(crate) async fn usage(db: &Db, owner: Owner) -> Result<Usage, Error> {
    let sql = "SELECT buckets, objects, bytes FROM owners WHERE kind = $1 AND id = $2";
    let found = db.fetch_optional(sql, &[&owner.kind(), &owner.uuid()]).await?;
    Ok(found.unwrap_or_default())
}

/// Locks the owner until the transaction ends. False if they were erased.
pub(crate) async fn lock(tx: &mut Tx, owner: Owner) -> Result<bool, Error> {
    let sql = "INSERT INTO owners (kind, id, bytes, objects, buckets, is_suspended, is_erased) \
               VALUES ($1, $2, 0, 0, 0, FALSE, FALSE) \
               ON CONFLICT (kind, id) DO UPDATE SET is_erased = FALSE WHERE NOT owners.is_erased";
    Ok(tx.execute(sql, &[&owner.kind(), &owner.uuid()]).await? > 0)
}

/// Takes room for so many more objects and bytes, of which there may be so many in all; false if there is not as much.
pub(crate) async fn take(
    tx: &mut Tx,
    owner: Owner,
    (objects, bytes): (i64, i64),
    (objects_max, bytes_max): (i64, i64),
) -> Result<bool, Error> {
    let sql = "UPDATE owners SET objects = objects + $3, bytes = bytes + $4 \
               WHERE kind = $1 AND id = $2 AND NOT is_erased AND objects + $3 <= $5 AND bytes + $4 <= $6";
    let params: [&dyn ToValue; 6] = [
        &owner.kind(),
        &owner.uuid(),
        &objects,
        &bytes,
        &objects_max,
        &bytes_max,
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Gives back room of objects and bytes.
pub(crate) async fn give(tx: &mut Tx, owner: Owner, objects: i64, bytes: i64) -> Result<(), Error> {
    let sql = "UPDATE owners SET objects = objects - $3, bytes = bytes - $4 WHERE kind = $1 AND id = $2";
    tx.execute(sql, &[&owner.kind(), &owner.uuid(), &objects, &bytes])
        .await
        .map(drop)
}

/// Takes room for a further bucket; false if there is none.
pub(crate) async fn take_bucket(tx: &mut Tx, owner: Owner, max: i64) -> Result<bool, Error> {
    let sql = "UPDATE owners SET buckets = buckets + 1 WHERE kind = $1 AND id = $2 AND buckets < $3";
    Ok(tx.execute(sql, &[&owner.kind(), &owner.uuid(), &max]).await? > 0)
}

/// Gives back the room of a bucket.
pub(crate) async fn give_bucket(tx: &mut Tx, owner: Owner) -> Result<(), Error> {
    let sql = "UPDATE owners SET buckets = buckets - 1 WHERE kind = $1 AND id = $2";
    tx.execute(sql, &[&owner.kind(), &owner.uuid()]).await.map(drop)
}

/// Takes room for a further upload in parts; false if there is none.
pub(crate) async fn take_upload(tx: &mut Tx, owner: Owner, max: i64) -> Result<bool, Error> {
    let sql = "UPDATE owners SET uploads = uploads + 1 WHERE kind = $1 AND id = $2 AND uploads < $3";
    Ok(tx.execute(sql, &[&owner.kind(), &owner.uuid(), &max]).await? > 0)
}

/// Gives back the room of an upload in parts.
pub(crate) async fn give_upload(tx: &mut Tx, owner: Owner) -> Result<(), Error> {
    let sql = "UPDATE owners SET uploads = uploads - 1 WHERE kind = $1 AND id = $2";
    tx.execute(sql, &[&owner.kind(), &owner.uuid()]).await.map(drop)
}

/// Counts so many bytes of renditions more, or less; how many there are then.
pub(crate) async fn add_renditions(tx: &mut Tx, owner: Owner, bytes: i64) -> Result<i64, Error> {
    let sql =
        "UPDATE owners SET renditions = renditions + $3 WHERE kind = $1 AND id = $2 RETURNING renditions";
    let all = tx
        .fetch_optional(sql, &[&owner.kind(), &owner.uuid(), &bytes])
        .await?;
    Ok(all.unwrap_or(0))
}

/// Locks the owner, and notes that they were erased.
pub(crate) async fn erase(tx: &mut Tx, owner: Owner) -> Result<(), Error> {
    let sql = "INSERT INTO owners (kind, id, bytes, objects, buckets, is_suspended, is_erased) \
               VALUES ($1, $2, 0, 0, 0, FALSE, TRUE) ON CONFLICT (kind, id) DO UPDATE SET is_erased = TRUE";
    tx.execute(sql, &[&owner.kind(), &owner.uuid()]).await.map(drop)
}

/// Notes whether the owner's buckets are shown to anybody.
pub(crate) async fn suspend(tx: &mut Tx, owner: Owner, is_suspended: bool) -> Result<(), Error> {
    let sql = "INSERT INTO owners (kind, id, bytes, objects, buckets, is_suspended, is_erased) \
               VALUES ($1, $2, 0, 0, 0, $3, FALSE) ON CONFLICT (kind, id) DO UPDATE SET is_suspended = $3";
    tx.execute(sql, &[&owner.kind(), &owner.uuid(), &is_suspended])
        .await
        .map(drop)
}
