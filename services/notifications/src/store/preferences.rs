//! How people want to be told.

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_kernel::UserId;

/// A row of `preferences`.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct PreferenceRow {
    pub(crate) category: String,
    pub(crate) channel: String,
    pub(crate) delivery: String,
}

const SQL: &str = "SELECT category, channel, delivery FROM preferences WHERE user_id = $1";

/// All that a person has chosen: at most one for each category and channel.
pub(crate) async fn list(db: &Db, user: UserId) -> Result<Vec<PreferenceRow>, Error> {
    db.fetch_all(SQL, &[&user]).await
}

/// The same, as the transaction sees it.
pub(crate) async fn list_in(tx: &mut Tx, user: UserId) -> Result<Vec<PreferenceRow>, Error> {
    tx.fetch_all(SQL, &[&user]).await
}

/// Chooses for one category and channel.
pub(crate) async fn set(tx: &mut Tx, user: UserId, row: &PreferenceRow) -> Result<(), Error> {
    let sql = "INSERT INTO preferences (user_id, category, channel, delivery, updated_at) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (user_id, category, channel) DO UPDATE SET delivery = excluded.delivery, updated_at = excluded.updated_at";
    let now = tx.clock().now();
    let params: [&dyn ToValue; 5] = [&user, &row.category, &row.channel, &row.delivery, &now];
    tx.execute(sql, &params).await.map(drop)
}

/// Drops all that a person has chosen.
pub(crate) async fn delete_all(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    let sql = "DELETE FROM preferences WHERE user_id = $1";
    tx.execute(sql, &[&user]).await.map(drop)
}
