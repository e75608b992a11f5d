//! Who is on a channel, and which process says so.

use stoa_db::{Db, Error, FromRow, List, Tx};
use stoa_events::Channel;
use stoa_kernel::{Page, PageRequest, Timestamp, UserId};
use uuid::Uuid;

/// Somebody who is on a channel.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct PresentRow {
    pub(crate) user_id: UserId,
    pub(crate) since: Timestamp,
}

/// One of their connections.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct PresenceRow {
    pub(crate) channel: String,
    pub(crate) connection_id: Uuid,
    pub(crate) user_id: UserId,
}

/// A process.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct NodeRow {
    pub(crate) id: Uuid,
    pub(crate) beat: i64,
}

/// Adds a connection; false if it is there already.
pub(crate) async fn insert(
    tx: &mut Tx,
    channel: &Channel,
    connection: Uuid,
    user: UserId,
    node: Uuid,
) -> Result<bool, Error> {
    let sql = "INSERT INTO presences (channel, connection_id, user_id, node_id) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (channel, connection_id) DO NOTHING";
    let params: [&dyn stoa_db::ToValue; 4] = [&channel.as_str(), &connection, &user, &node];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Removes a connection; false if it is not there.
pub(crate) async fn delete(tx: &mut Tx, channel: &Channel, connection: Uuid) -> Result<bool, Error> {
    let sql = "DELETE FROM presences WHERE channel = $1 AND connection_id = $2";
    Ok(tx.execute(sql, &[&channel.as_str(), &connection]).await? > 0)
}

/// Counts one more connection of a person; returns how many there are.
pub(crate) async fn count_in(
    tx: &mut Tx,
    channel: &Channel,
    user: UserId,
    now: Timestamp,
) -> Result<i64, Error> {
    let sql = "INSERT INTO present (channel, user_id, connections, since) VALUES ($1, $2, 1, $3) \
               ON CONFLICT (channel, user_id) DO UPDATE SET connections = present.connections + 1 RETURNING connections";
    tx.fetch_one(sql, &[&channel.as_str(), &user, &now]).await
}

/// Counts one connection less; returns how many are left. Without any the person is not there any more.
pub(crate) async fn count_out(tx: &mut Tx, channel: &Channel, user: UserId) -> Result<Option<i64>, Error> {
    let sql = "UPDATE present SET connections = connections - 1 WHERE channel = $1 AND user_id = $2 RETURNING connections";
    let left: Option<i64> = tx.fetch_optional(sql, &[&channel.as_str(), &user]).await?;
    if left == Some(0) {
        let sql = "DELETE FROM present WHERE channel = $1 AND user_id = $2";
        tx.execute(sql, &[&channel.as_str(), &user]).await?;
    }
    Ok(left)
}

/// Whether more than `most` people are on a channel.
pub(crate) async fn is_crowded(tx: &mut Tx, channel: &Channel, most: u32) -> Result<bool, Error> {
    let sql = "SELECT COUNT(*) FROM (SELECT user_id FROM present WHERE channel = $1 LIMIT $2) AS counted";
    let count: i64 = tx.fetch_one(sql, &[&channel.as_str(), &(most + 1)]).await?;
    Ok(count > i64::from(most))
}

/// By user.
pub(crate) async fn list(db: &Db, channel: &Channel, page: &PageRequest) -> Result<Page<PresentRow>, Error> {
    List::of("present", "user_id, since")
        .filter("channel = $", channel.as_str())
        .order(&["user_id"], stoa_db::Direction::Ascending)
        .page(db, page, |row: &PresentRow| row.user_id)
        .await
}

/// Connections of a process, `limit` at most.
pub(crate) async fn of_node(tx: &mut Tx, node: Uuid, limit: u32) -> Result<Vec<PresenceRow>, Error> {
    let sql = "SELECT channel, connection_id, user_id FROM presences WHERE node_id = $1 LIMIT $2";
    tx.fetch_all(sql, &[&node, &limit]).await
}

/// Says that a process runs; false if nobody knows of it.
pub(crate) async fn beat(db: &Db, node: Uuid) -> Result<bool, Error> {
    let sql = "UPDATE nodes SET beat = beat + 1 WHERE id = $1";
    Ok(db.execute(sql, &[&node]).await? > 0)
}

pub(crate) async fn insert_node(db: &Db, node: Uuid) -> Result<(), Error> {
    let sql = "INSERT INTO nodes (id, beat) VALUES ($1, 1) ON CONFLICT (id) DO NOTHING";
    db.execute(sql, &[&node]).await.map(drop)
}

/// Processes; there are few.
pub(crate) async fn nodes(db: &Db) -> Result<Vec<NodeRow>, Error> {
    db.fetch_all("SELECT id, beat FROM nodes ORDER BY id LIMIT 1000", &[])
        .await
}

/// Forgets a process that has not run since it had this beat.
pub(crate) async fn delete_node(tx: &mut Tx, node: &NodeRow) -> Result<bool, Error> {
    let sql = "DELETE FROM nodes WHERE id = $1 AND beat = $2";
    Ok(tx.execute(sql, &[&node.id, &node.beat]).await? > 0)
}

pub(crate) async fn delete_of(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    tx.execute("DELETE FROM presences WHERE user_id = $1", &[&user])
        .await?;
    tx.execute("DELETE FROM present WHERE user_id = $1", &[&user])
        .await
        .map(drop)
}
