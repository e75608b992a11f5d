//! The activity log.

use stoa_db::{Db, Error, FromRow, Json, List, Tx};
use stoa_kernel::{Id, Page, PageRequest, Timestamp, UserId};

/// Label of an entry's id.
pub(crate) enum ActivityTag {}
/// Names an entry; later ones are greater.
pub(crate) type ActivityId = Id<ActivityTag>;

/// A row of `activity`, without whose it is.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct ActivityRow {
    pub(crate) id: ActivityId,
    pub(crate) action: String,
    pub(crate) actor_id: Option<UserId>,
    pub(crate) detail: Json<serde_json::Value>,
    pub(crate) created_at: Timestamp,
}

/// Notes that `actor` did something to `user`'s data.
pub(crate) async fn insert(
    tx: &mut Tx,
    user: UserId,
    actor: Option<UserId>,
    action: &str,
    detail: &serde_json::Value,
) -> Result<(), Error> {
    let sql = "INSERT INTO activity (user_id, id, action, actor_id, detail, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let (id, now): (ActivityId, _) = (tx.new_id(), tx.clock().now());
    tx.execute(sql, &[&user, &id, &action, &actor, &Json::text(detail)?, &now])
        .await
        .map(drop)
}

/// Entries of the person, newest first.
pub(crate) async fn list(db: &Db, user: UserId, page: &PageRequest) -> Result<Page<ActivityRow>, Error> {
    of(user).page(db, page, |row: &ActivityRow| row.id).await
}

/// At most `limit` entries of the person before `before`, newest first.
pub(crate) async fn before(
    db: &Db,
    user: UserId,
    before: Option<ActivityId>,
    limit: u32,
) -> Result<Vec<ActivityRow>, Error> {
    of(user).rows(db, before.as_ref(), limit).await
}

fn of(user: UserId) -> List<'static> {
    List::of("activity", "id, action, actor_id, detail, created_at").filter("user_id = $", user)
}

/// Deletes at most `limit` entries of before `time`; returns how many.
pub(crate) async fn purge(db: &Db, time: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM activity WHERE (user_id, id) IN \
               (SELECT user_id, id FROM activity WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
    db.execute(sql, &[&time, &limit]).await
}

/// Deletes all of the person.
pub(crate) async fn delete_all(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    tx.execute("DELETE FROM activity WHERE user_id = $1", &[&user])
        .await
        .map(drop)
}

/// Deletes what was noted while a person was being erased.
pub(crate) async fn delete_of_erased(db: &Db) -> Result<u64, Error> {
    db.execute(
        "DELETE FROM activity WHERE user_id IN (SELECT user_id FROM erased_users)",
        &[],
    )
    .await
}
