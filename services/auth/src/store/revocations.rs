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

/// The number of what is taken back in `tx`. Whoever has a number holds the counter until the commit, so that a reader who
/// sees a number has seen all smaller ones. To be taken before the rows of accounts that are changed along with it.
async fn next_seq(tx: &mut Tx) -> Result<i64, Error> {
    tx.fetch_one(
        "UPDATE revocation_counter SET seq = seq + 1 WHERE id = 1 RETURNING seq",
        &[],
    )
    .await
}

/// Notes that `session` was ended.
pub(crate) async fn revoke_session(
    tx: &mut Tx,
    session: SessionId,
    user: UserId,
    until: Timestamp,
) -> Result<(), Error> {
    let seq = next_seq(tx).await?;
    tx.execute(
        "INSERT INTO revoked_sessions (session_id, user_id, until, seq) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (session_id) DO NOTHING",
        &[&session, &user, &until, &seq],
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
    let (seq, now) = (next_seq(tx).await?, tx.clock().now());
    let version: Option<i64> = tx
        .fetch_optional(
            "UPDATE accounts SET access_version = access_version + 1, updated_at = $2 WHERE id = $1 RETURNING access_version",
            &[&user, &now],
        )
        .await?;
    let Some(version) = version else { return Ok(None) };
    tx.execute(
        "INSERT INTO raised_versions (user_id, version, until, seq) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, until = excluded.until, seq = excluded.seq",
        &[&user, &version, &until, &seq],
    )
    .await?;
    Ok(Some(RaisedVersion {
        user_id: user,
        version,
        until,
    }))
}

/// The number of what was taken back last.
pub(crate) async fn seq(db: &Db) -> Result<i64, Error> {
    db.fetch_one("SELECT seq FROM revocation_counter WHERE id = 1", &[])
        .await
}

/// Ended sessions whose access tokens may still live, of those numbered above `seq`.
pub(crate) async fn sessions(db: &Db, seq: i64) -> Result<Vec<RevokedSession>, Error> {
    db.fetch_all(
        "SELECT session_id, until FROM revoked_sessions WHERE seq > $1 AND until > $2",
        &[&seq, &db.clock().now()],
    )
    .await
}

/// Raised versions below which access tokens may still live, of those numbered above `seq`.
pub(crate) async fn versions(db: &Db, seq: i64) -> Result<Vec<RaisedVersion>, Error> {
    db.fetch_all(
        "SELECT user_id, version, until FROM raised_versions WHERE seq > $1 AND until > $2",
        &[&seq, &db.clock().now()],
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
