//! Preferences.

use stoa_db::{Db, Error, FromRow, Tx};
use stoa_kernel::{Timestamp, UserId};

/// A row of `preferences`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct PreferenceRow {
    pub(crate) key: String,
    /// JSON.
    pub(crate) value: String,
    #[row(rename = "type")]
    pub(crate) kind: String,
    pub(crate) updated_at: Timestamp,
}

/// All that the person has set, by key. There are at most `preferences_max`.
pub(crate) async fn list(db: &Db, user: UserId) -> Result<Vec<PreferenceRow>, Error> {
    let sql = "SELECT key, value, type, updated_at FROM preferences WHERE user_id = $1";
    let mut rows: Vec<PreferenceRow> = db.fetch_all(sql, &[&user]).await?;
    // Here and not there, for the engines order text differently.
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(rows)
}

pub(crate) async fn get(db: &Db, user: UserId, key: &str) -> Result<Option<PreferenceRow>, Error> {
    let sql = "SELECT key, value, type, updated_at FROM preferences WHERE user_id = $1 AND key = $2";
    db.fetch_optional(sql, &[&user, &key]).await
}

/// Writes one that is there already; says whether it was.
pub(crate) async fn update(tx: &mut Tx, user: UserId, row: &PreferenceRow) -> Result<bool, Error> {
    let sql = "UPDATE preferences SET value = $3, type = $4, updated_at = $5 WHERE user_id = $1 AND key = $2";
    Ok(tx
        .execute(sql, &[&user, &row.key, &row.value, &row.kind, &row.updated_at])
        .await?
        > 0)
}

/// Writes a new one; false if there is one by now.
pub(crate) async fn insert(tx: &mut Tx, user: UserId, row: &PreferenceRow) -> Result<bool, Error> {
    let sql = "INSERT INTO preferences (user_id, key, value, type, updated_at) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (user_id, key) DO NOTHING";
    Ok(tx
        .execute(sql, &[&user, &row.key, &row.value, &row.kind, &row.updated_at])
        .await?
        > 0)
}

/// Deletes one; says whether it was there.
pub(crate) async fn delete(tx: &mut Tx, user: UserId, key: &str) -> Result<bool, Error> {
    Ok(tx
        .execute(
            "DELETE FROM preferences WHERE user_id = $1 AND key = $2",
            &[&user, &key],
        )
        .await?
        > 0)
}

/// Deletes all.
pub(crate) async fn delete_all(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    tx.execute("DELETE FROM preferences WHERE user_id = $1", &[&user])
        .await
        .map(drop)
}
