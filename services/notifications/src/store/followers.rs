//! Topics, and who follows them.

use stoa_db::{Db, Direction, Error, FromRow, List, Tx};
use stoa_kernel::{Page, PageRequest, Timestamp, UserId};

/// A topic that somebody follows.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct FollowedRow {
    pub(crate) topic: String,
    pub(crate) created_at: Timestamp,
}

/// Topics of a person, by name.
pub(crate) async fn topics(db: &Db, user: UserId, page: &PageRequest) -> Result<Page<FollowedRow>, Error> {
    List::of("followers", "topic, created_at")
        .filter("user_id = $", user)
        .order(&["topic"], Direction::Ascending)
        .page(db, page, |row: &FollowedRow| row.topic.clone())
        .await
}

/// How many topics a person follows, counted up to `most`.
pub(crate) async fn count(tx: &mut Tx, user: UserId, most: u32) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM (SELECT topic FROM followers WHERE user_id = $1 LIMIT $2) AS theirs";
    tx.fetch_one(sql, &[&user, &most]).await
}

/// Has a person follow a topic; false if they do already.
pub(crate) async fn insert(tx: &mut Tx, topic: &str, user: UserId) -> Result<bool, Error> {
    let sql = "INSERT INTO followers (topic, user_id, created_at) VALUES ($1, $2, $3) ON CONFLICT (topic, user_id) DO NOTHING";
    let now = tx.clock().now();
    Ok(tx.execute(sql, &[&topic, &user, &now]).await? > 0)
}

/// Has a person follow a topic no longer.
pub(crate) async fn delete(tx: &mut Tx, topic: &str, user: UserId) -> Result<(), Error> {
    let sql = "DELETE FROM followers WHERE topic = $1 AND user_id = $2";
    tx.execute(sql, &[&topic, &user]).await.map(drop)
}

/// The next of those who follow a topic, in the order of their ids.
pub(crate) async fn next(
    tx: &mut Tx,
    topic: &str,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<UserId>, Error> {
    match after {
        Some(after) => {
            let sql =
                "SELECT user_id FROM followers WHERE topic = $1 AND user_id > $2 ORDER BY user_id LIMIT $3";
            tx.fetch_all(sql, &[&topic, &after, &limit]).await
        }
        None => {
            let sql = "SELECT user_id FROM followers WHERE topic = $1 ORDER BY user_id LIMIT $2";
            tx.fetch_all(sql, &[&topic, &limit]).await
        }
    }
}

/// Deletes at most so many of a person's.
pub(crate) async fn delete_of(tx: &mut Tx, user: UserId, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM followers WHERE user_id = $1 AND topic IN (SELECT topic FROM followers WHERE user_id = $1 LIMIT $2)";
    tx.execute(sql, &[&user, &limit]).await
}
