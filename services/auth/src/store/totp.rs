//! Second factors and recovery codes.

use stoa_db::{Db, Error, FromRow, Tx};
use stoa_kernel::{Timestamp, UserId};

/// A second factor, set up or about to be.
#[derive(Clone, FromRow)]
pub(crate) struct Factor {
    /// Sealed.
    pub(crate) secret: Vec<u8>,
    /// When it was begun to set it up.
    pub(crate) created_at: Timestamp,
    pub(crate) confirmed_at: Option<Timestamp>,
    pub(crate) last_step: i64,
}

/// The second factor of `user`.
pub(crate) async fn find(db: &Db, user: UserId) -> Result<Option<Factor>, Error> {
    db.fetch_optional(
        "SELECT secret, created_at, confirmed_at, last_step FROM totp WHERE user_id = $1",
        &[&user],
    )
    .await
}

/// Begins to set one up, anew if one was begun before; false if there is one already.
pub(crate) async fn begin(tx: &mut Tx, user: UserId, secret: &[u8]) -> Result<bool, Error> {
    let now = tx.clock().now();
    let sql = "INSERT INTO totp (user_id, secret, created_at, last_step) VALUES ($1, $2, $3, 0) \
               ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at \
               WHERE totp.confirmed_at IS NULL";
    Ok(tx.execute(sql, &[&user, &secret, &now]).await? == 1)
}

/// From now on the code is asked for. False if it was asked for already, or another was begun meanwhile.
pub(crate) async fn confirm(tx: &mut Tx, user: UserId, secret: &[u8], step: i64) -> Result<bool, Error> {
    let now = tx.clock().now();
    let sql = "UPDATE totp SET confirmed_at = $3, last_step = $4 \
               WHERE user_id = $1 AND secret = $2 AND confirmed_at IS NULL";
    Ok(tx.execute(sql, &[&user, &secret, &now, &step]).await? == 1)
}

/// Notes that the code of `step` was used; false if it, or a newer one, was used before.
pub(crate) async fn use_step(tx: &mut Tx, user: UserId, secret: &[u8], step: i64) -> Result<bool, Error> {
    let sql = "UPDATE totp SET last_step = $3 \
               WHERE user_id = $1 AND secret = $2 AND last_step < $3 AND confirmed_at IS NOT NULL";
    Ok(tx.execute(sql, &[&user, &secret, &step]).await? == 1)
}

/// Takes the second factor and its recovery codes away; false if there was none.
pub(crate) async fn remove(tx: &mut Tx, user: UserId) -> Result<bool, Error> {
    tx.execute("DELETE FROM recovery_codes WHERE user_id = $1", &[&user])
        .await?;
    Ok(tx
        .execute("DELETE FROM totp WHERE user_id = $1", &[&user])
        .await?
        == 1)
}

/// Takes away a second factor that is only being set up.
pub(crate) async fn remove_unconfirmed(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    tx.execute(
        "DELETE FROM totp WHERE user_id = $1 AND confirmed_at IS NULL",
        &[&user],
    )
    .await
    .map(drop)
}

/// Puts these recovery codes in the place of all others.
pub(crate) async fn set_recovery_codes(tx: &mut Tx, user: UserId, hashes: &[[u8; 32]]) -> Result<(), Error> {
    tx.execute("DELETE FROM recovery_codes WHERE user_id = $1", &[&user])
        .await?;
    for hash in hashes {
        tx.execute(
            "INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)",
            &[&user, hash],
        )
        .await?;
    }
    Ok(())
}

/// How many recovery codes are left.
pub(crate) async fn recovery_codes_left(db: &Db, user: UserId) -> Result<i64, Error> {
    db.fetch_one("SELECT count(*) FROM recovery_codes WHERE user_id = $1", &[&user])
        .await
}

/// Whether it is a recovery code that was not used yet.
pub(crate) async fn is_recovery_code(db: &Db, user: UserId, hash: &[u8; 32]) -> Result<bool, Error> {
    let sql = "SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND hash = $2";
    Ok(db.fetch_one::<i64>(sql, &[&user, hash]).await? == 1)
}

/// Uses a recovery code up; false if somebody was first.
pub(crate) async fn burn(tx: &mut Tx, user: UserId, hash: &[u8; 32]) -> Result<bool, Error> {
    let sql = "DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2";
    Ok(tx.execute(sql, &[&user, hash]).await? == 1)
}
