//! Refresh tokens.

use stoa_db::{Db, Error, FromRow, Tx};
use stoa_kernel::{SessionId, Timestamp, UserId};

/// A refresh token, and what is to be known of its session.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct RefreshToken {
    pub(crate) session_id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) expires_at: Timestamp,
    pub(crate) used_at: Option<Timestamp>,
    /// None: the session was ended.
    pub(crate) live_session: Option<uuid::Uuid>,
    /// Of a session that is kept in cookies.
    pub(crate) csrf_hash: Option<Vec<u8>>,
}

/// The token with this hash.
pub(crate) async fn find(db: &Db, hash: &[u8; 32]) -> Result<Option<RefreshToken>, Error> {
    let sql = "SELECT r.session_id, r.user_id, r.expires_at, r.used_at, s.id AS live_session, s.csrf_hash \
               FROM refresh_tokens r LEFT JOIN sessions s ON s.id = r.session_id WHERE r.hash = $1";
    db.fetch_optional(sql, &[hash]).await
}

/// A new token.
pub(crate) async fn insert(
    tx: &mut Tx,
    hash: &[u8; 32],
    session: SessionId,
    user: UserId,
    expires_at: Timestamp,
) -> Result<(), Error> {
    let now = tx.clock().now();
    tx.execute(
        "INSERT INTO refresh_tokens (hash, session_id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        &[hash, &session, &user, &now, &expires_at],
    )
    .await
    .map(drop)
}

/// Uses a token up; false if somebody was first.
pub(crate) async fn take(tx: &mut Tx, hash: &[u8; 32]) -> Result<bool, Error> {
    let now = tx.clock().now();
    let sql =
        "UPDATE refresh_tokens SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2";
    Ok(tx.execute(sql, &[hash, &now]).await? == 1)
}
