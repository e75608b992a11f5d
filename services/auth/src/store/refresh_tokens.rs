//! Refresh tokens.

use std::time::Duration;

use stoa_db::{Db, Error, FromRow, Tx};
use stoa_kernel::{SessionId, Timestamp, UserId};

/// Tokens of one session that are known again when they come a second time.
const KEPT: i64 = 200;
/// How often a token is answered again within the leeway.
const MOST_REPEATS: i64 = 10;

/// What became of a token that was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is to be answered.
    Good,
    /// It was used within the leeway, but was answered often enough, or its answer has been used already.
    Answered,
    /// It was used before the leeway.
    Reused,
}

/// A refresh token, and what is to be known of its session.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct RefreshToken {
    pub(crate) session_id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) used_at: Option<Timestamp>,
    /// Hash of the token that it was given for.
    pub(crate) parent: Option<Vec<u8>>,
    /// None: the session was ended.
    pub(crate) live_session: Option<uuid::Uuid>,
    /// Of a session that is kept in cookies.
    pub(crate) csrf_hash: Option<Vec<u8>>,
}

/// The token with this hash.
pub(crate) async fn find(db: &Db, hash: &[u8; 32]) -> Result<Option<RefreshToken>, Error> {
    // No join: while there are few sessions PostgreSQL would plan to read all of them.
    let sql = "SELECT r.session_id, r.user_id, r.created_at, r.expires_at, r.used_at, r.parent, \
               (SELECT s.id FROM sessions s WHERE s.id = r.session_id) AS live_session, \
               (SELECT s.csrf_hash FROM sessions s WHERE s.id = r.session_id) AS csrf_hash \
               FROM refresh_tokens r WHERE r.hash = $1";
    db.fetch_optional(sql, &[hash]).await
}

/// A new token, given for `parent` if it is not the first of its session.
pub(crate) async fn insert(
    tx: &mut Tx,
    hash: &[u8; 32],
    session: SessionId,
    user: UserId,
    expires_at: Timestamp,
    parent: Option<&[u8; 32]>,
) -> Result<(), Error> {
    let now = tx.clock().now();
    let sql = "INSERT INTO refresh_tokens (hash, session_id, user_id, created_at, expires_at, parent) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    tx.execute(sql, &[hash, &session, &user, &now, &expires_at, &parent])
        .await
        .map(drop)
}

/// Uses a token up. One that was used less than `leeway` ago is good again a few times, unless it is closed.
pub(crate) async fn take(tx: &mut Tx, hash: &[u8; 32], leeway: Duration) -> Result<Taken, Error> {
    let now = tx.clock().now();
    let first =
        "UPDATE refresh_tokens SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2";
    if tx.execute(first, &[hash, &now]).await? == 1 {
        return Ok(Taken::Good);
    }
    let since = now.saturating_sub(leeway).unwrap_or(Timestamp::MIN);
    let again = "UPDATE refresh_tokens SET repeats = repeats + 1 \
                 WHERE hash = $1 AND used_at > $2 AND closed_at IS NULL AND repeats < $3";
    if tx.execute(again, &[hash, &since, &MOST_REPEATS]).await? == 1 {
        return Ok(Taken::Good);
    }
    let recent = "SELECT count(*) FROM refresh_tokens WHERE hash = $1 AND used_at > $2";
    let is_recent = tx.fetch_one::<i64>(recent, &[hash, &since]).await? == 1;
    Ok(if is_recent { Taken::Answered } else { Taken::Reused })
}

/// From now on the token is not answered again.
pub(crate) async fn close(tx: &mut Tx, hash: &[u8]) -> Result<(), Error> {
    let now = tx.clock().now();
    let sql = "UPDATE refresh_tokens SET closed_at = $2 WHERE hash = $1 AND closed_at IS NULL";
    tx.execute(sql, &[&hash, &now]).await.map(drop)
}

/// Forgets the oldest tokens of a session beyond those that are kept, a few at a time.
pub(crate) async fn keep_newest(tx: &mut Tx, session: SessionId) -> Result<(), Error> {
    let sql = "DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens WHERE session_id = $1 \
               ORDER BY created_at DESC, used_at IS NOT NULL LIMIT 20 OFFSET $2)";
    tx.execute(sql, &[&session, &KEPT]).await.map(drop)
}
