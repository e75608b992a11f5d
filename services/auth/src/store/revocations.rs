//! What was taken back before it expired: ended sessions, and access versions that were raised.

use stoa_db::{Db, Error, FromRow, Tx};
use stoa_kernel::{SessionId, Timestamp, UserId};

/// A session that was ended while access tokens of it live.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct RevokedSession {
    pub(crate) session_id: SessionId,
    pub(crate) until: Timestamp,
}

/// An account whose access tokens of a smaller version are stale.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct RaisedVersion {
    pub(crate) user_id: UserId,
    pub(crate) version: i64,
    pub(crate) until: Timestamp,
}

/// Notes that `session` was ended.
pub(crate) async fn revoke_session(
    tx: &mut Tx,
    session: SessionId,
    user: UserId,
    until: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO revoked_sessions (session_id, user_id, until) VALUES ($1, $2, $3) ON CONFLICT (session_id) DO NOTHING",
        &[&session, &user, &until],
    )
    .await
    .map(drop)
}

/// Raises the access version of `user`, whose roles have changed. After the commit, tell the verifier:
/// `ctx.verifier.raise_version(user, version, until)`. `until`: when the last access token of today expires. None: there is no
/// such account.
pub(crate) async fn raise_version(
    tx: &mut Tx,
    user: UserId,
    until: Timestamp,
) -> Result<Option<RaisedVersion>, Error> {
    let now = tx.clock().now();
    let version: Option<i64> = tx
        .fetch_optional(
            "UPDATE accounts SET access_version = access_version + 1, updated_at = $2 WHERE id = $1 RETURNING access_version",
            &[&user, &now],
        )
        .await?;
    let Some(version) = version else { return Ok(None) };
    tx.execute(
        "INSERT INTO raised_versions (user_id, version, until) VALUES ($1, $2, $3) \
         ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, until = excluded.until",
        &[&user, &version, &until],
    )
    .await?;
    Ok(Some(RaisedVersion {
        user_id: user,
        version,
        until,
    }))
}

/// Ended sessions whose access tokens may still live.
pub(crate) async fn sessions(db: &Db) -> Result<Vec<RevokedSession>, Error> {
    db.fetch_all(
        "SELECT session_id, until FROM revoked_sessions WHERE until > $1",
        &[&db.clock().now()],
    )
    .await
}

/// Raised versions below which access tokens may still live.
pub(crate) async fn versions(db: &Db) -> Result<Vec<RaisedVersion>, Error> {
    db.fetch_all(
        "SELECT user_id, version, until FROM raised_versions WHERE until > $1",
        &[&db.clock().now()],
    )
    .await
}

/// Forgets what no token can be refused by any more.
pub(crate) async fn purge(tx: &mut Tx, now: Timestamp) -> Result<(), Error> {
    tx.execute("DELETE FROM revoked_sessions WHERE until <= $1", &[&now])
        .await?;
    tx.execute("DELETE FROM raised_versions WHERE until <= $1", &[&now])
        .await
        .map(drop)
}
