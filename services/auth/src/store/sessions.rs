//! Sessions that live.

use stoa_db::{Db, Error, FromRow, List, Tx};
use stoa_kernel::{Page, PageRequest, SessionId, Timestamp, UserId};

/// One session, as its owner sees it.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) created_at: Timestamp,
    pub(crate) last_used_at: Timestamp,
    pub(crate) address: String,
    pub(crate) user_agent: Option<String>,
}

/// A session to be begun.
pub(crate) struct NewSession<'a> {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
    pub(crate) now: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) access_until: Timestamp,
    pub(crate) address: &'a str,
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) csrf_hash: Option<&'a [u8; 32]>,
}

/// One that was ended, and when the last of its access tokens expires.
#[derive(Clone, Copy, Debug, FromRow)]
pub(crate) struct Ended {
    pub(crate) id: SessionId,
    pub(crate) access_until: Timestamp,
}

/// Begins a session.
pub(crate) async fn insert(tx: &mut Tx, new: &NewSession<'_>) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO sessions \
         (id, user_id, created_at, last_used_at, expires_at, access_until, address, user_agent, csrf_hash) \
         VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8)",
        &[
            &new.id,
            &new.user,
            &new.now,
            &new.expires_at,
            &new.access_until,
            &new.address,
            &new.user_agent,
            &new.csrf_hash,
        ],
    )
    .await
    .map(drop)
}

/// Goes on with a session; false if it was ended.
pub(crate) async fn touch(tx: &mut Tx, seen: &NewSession<'_>) -> Result<bool, Error> {
    let changed = tx
        .execute(
            "UPDATE sessions SET last_used_at = $2, expires_at = $3, access_until = $4, address = $5, user_agent = $6 \
             WHERE id = $1",
            &[&seen.id, &seen.now, &seen.expires_at, &seen.access_until, &seen.address, &seen.user_agent],
        )
        .await?;
    Ok(changed == 1)
}

/// A page of the sessions of `user`, newest first.
pub(crate) async fn list(db: &Db, user: UserId, page: &PageRequest) -> Result<Page<Session>, Error> {
    let sessions = sessions_of(user, db.clock().now());
    sessions.page(db, page, |row: &Session| row.id).await
}

/// At most `limit` sessions of `user`, newest first, before `before`.
pub(crate) async fn of(
    db: &Db,
    user: UserId,
    before: Option<SessionId>,
    limit: u32,
) -> Result<Vec<Session>, Error> {
    let sessions = sessions_of(user, db.clock().now());
    sessions.rows(db, before.as_ref(), limit).await
}

/// Those that live at this time.
fn sessions_of(user: UserId, now: Timestamp) -> List<'static> {
    List::of("sessions", "id, created_at, last_used_at, address, user_agent")
        .filter("user_id = $", user)
        .filter("expires_at > $", now)
        .by_index("sessions_by_user")
}

/// Ends one session of `user`.
pub(crate) async fn end(tx: &mut Tx, user: UserId, session: SessionId) -> Result<Option<Ended>, Error> {
    let sql = "DELETE FROM sessions WHERE id = $1 AND user_id = $2 RETURNING id, access_until";
    tx.fetch_optional(sql, &[&session, &user]).await
}

/// Ends all sessions of `user` but `spared`.
pub(crate) async fn end_all(
    tx: &mut Tx,
    user: UserId,
    spared: Option<SessionId>,
) -> Result<Vec<Ended>, Error> {
    let Some(spared) = spared else {
        let sql = "DELETE FROM sessions WHERE user_id = $1 RETURNING id, access_until";
        return tx.fetch_all(sql, &[&user]).await;
    };
    let sql = "DELETE FROM sessions WHERE user_id = $1 AND id <> $2 RETURNING id, access_until";
    tx.fetch_all(sql, &[&user, &spared]).await
}

/// Ends the sessions of `user` that were unused for longest, so that `most` are left, a few at a time; never `newest`.
pub(crate) async fn end_oldest(
    tx: &mut Tx,
    user: UserId,
    newest: SessionId,
    most: u32,
) -> Result<Vec<Ended>, Error> {
    let sql = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user_id = $1 AND id <> $2 \
               ORDER BY last_used_at DESC, id DESC LIMIT 20 OFFSET $3) RETURNING id, access_until";
    tx.fetch_all(sql, &[&user, &newest, &most.saturating_sub(1)])
        .await
}
