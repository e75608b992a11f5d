//! Avatars between being stored and being named by a profile.

use stoa_db::{Db, Error, FromRow, Tx};
use stoa_kernel::{Timestamp, UserId};

/// A row of `pending_avatars`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct PendingAvatar {
    pub(crate) file: String,
    pub(crate) user_id: UserId,
}

/// Notes that the file is about to be stored. Committed before it is.
pub(crate) async fn announce(db: &Db, user: UserId, file: &str, now: Timestamp) -> Result<(), Error> {
    let sql = "INSERT INTO pending_avatars (file, user_id, started_at, swept) VALUES ($1, $2, $3, $4)";
    db.execute(sql, &[&file, &user, &now, &false]).await.map(drop)
}

/// Takes the note back, in the transaction by which the profile names the file; false when it was swept meanwhile.
pub(crate) async fn arrived(tx: &mut Tx, file: &str) -> Result<bool, Error> {
    Ok(tx
        .execute(
            "DELETE FROM pending_avatars WHERE file = $1 AND swept = $2",
            &[&file, &false],
        )
        .await?
        > 0)
}

/// Files announced before `time`, at most `limit`, the oldest first.
pub(crate) async fn stale(db: &Db, time: Timestamp, limit: u32) -> Result<Vec<PendingAvatar>, Error> {
    let sql = "SELECT file, user_id FROM pending_avatars WHERE started_at < $1 ORDER BY started_at LIMIT $2";
    db.fetch_all(sql, &[&time, &limit]).await
}

/// From now on no profile can come to name the file.
pub(crate) async fn give_up(db: &Db, file: &str) -> Result<(), Error> {
    db.execute(
        "UPDATE pending_avatars SET swept = $2 WHERE file = $1",
        &[&file, &true],
    )
    .await
    .map(drop)
}

/// Takes the note back after the file was deleted.
pub(crate) async fn forget(db: &Db, file: &str) -> Result<(), Error> {
    db.execute("DELETE FROM pending_avatars WHERE file = $1", &[&file])
        .await
        .map(drop)
}
