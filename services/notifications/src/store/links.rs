//! Links of mails by which somebody unsubscribes without signing in.

use stoa_db::{Db, Error, FromRow, Tx};
use stoa_kernel::{Timestamp, UserId};

/// What a link is for.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct LinkRow {
    pub(crate) user_id: UserId,
    /// Empty: all of them.
    pub(crate) category: String,
}

/// Keeps a link, by the hash of its token.
pub(crate) async fn insert(tx: &mut Tx, hash: &[u8], user: UserId, category: &str) -> Result<(), Error> {
    let sql =
        "INSERT INTO unsubscribe_links (token_hash, user_id, category, created_at) VALUES ($1, $2, $3, $4)";
    let now = tx.clock().now();
    tx.execute(sql, &[&hash, &user, &category, &now]).await.map(drop)
}

/// The link with this hash.
pub(crate) async fn find(db: &Db, hash: &[u8]) -> Result<Option<LinkRow>, Error> {
    let sql = "SELECT user_id, category FROM unsubscribe_links WHERE token_hash = $1";
    db.fetch_optional(sql, &[&hash]).await
}

/// Deletes at most so many of a person's.
pub(crate) async fn delete_of(tx: &mut Tx, user: UserId, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM unsubscribe_links WHERE token_hash IN \
               (SELECT token_hash FROM unsubscribe_links WHERE user_id = $1 LIMIT $2)";
    tx.execute(sql, &[&user, &limit]).await
}

/// Deletes at most so many of before a time.
pub(crate) async fn delete_before(tx: &mut Tx, time: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM unsubscribe_links WHERE token_hash IN \
               (SELECT token_hash FROM unsubscribe_links WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
    tx.execute(sql, &[&time, &limit]).await
}
