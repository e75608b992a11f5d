//! Channels: how far each has come, and those that are closed.

use stoa_db::{Db, Error, FromRow, Tx};
use stoa_events::Channel;
use stoa_kernel::Timestamp;

/// How far a channel has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromRow)]
pub(crate) struct Head {
    /// Empty before anything was published.
    pub(crate) epoch: String,
    /// Offset of the newest message; 0 before the first.
    pub(crate) last_offset: i64,
}

pub(crate) async fn head(db: &Db, channel: &Channel) -> Result<Head, Error> {
    let sql = "SELECT epoch, last_offset FROM channels WHERE name = $1";
    Ok(db
        .fetch_optional(sql, &[&channel.as_str()])
        .await?
        .unwrap_or_default())
}

/// Takes the next `count` offsets; the head is the last of them. Others who publish to the channel wait for the end of this transaction. `epoch` is
/// for a channel that is new.
pub(crate) async fn advance(
    tx: &mut Tx,
    channel: &Channel,
    epoch: &str,
    count: i64,
    now: Timestamp,
) -> Result<Head, Error> {
    let sql = "INSERT INTO channels (name, epoch, last_offset, updated_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (name) DO UPDATE SET last_offset = channels.last_offset + $3, updated_at = $4 \
               RETURNING epoch, last_offset";
    tx.fetch_one(sql, &[&channel.as_str(), &epoch, &count, &now])
        .await
}

pub(crate) async fn is_closed(tx: &mut Tx, channel: &Channel) -> Result<bool, Error> {
    let sql = "SELECT name FROM closed_channels WHERE name = $1";
    let found: Option<String> = tx.fetch_optional(sql, &[&channel.as_str()]).await?;
    Ok(found.is_some())
}

/// Nothing is published there again. The channel's row is taken first, and made if there is none: a transaction that publishes right now has taken it
/// before, and is waited for, or will find the channel closed.
pub(crate) async fn close(tx: &mut Tx, channel: &Channel, now: Timestamp) -> Result<(), Error> {
    advance(tx, channel, "", 1, now).await?;
    let name = channel.as_str();
    let sql = "INSERT INTO closed_channels (name, closed_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    tx.execute(sql, &[&name, &now]).await?;
    tx.execute("DELETE FROM channels WHERE name = $1", &[&name])
        .await
        .map(drop)
}

/// Deletes at most `limit` channels that nothing was published to since `time`; returns how many.
pub(crate) async fn purge(db: &Db, time: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM channels WHERE name IN \
               (SELECT name FROM channels WHERE updated_at < $1 ORDER BY updated_at LIMIT $2) AND updated_at < $1";
    db.execute(sql, &[&time, &limit]).await
}
