//! Links in mails.

use stoa_db::{Db, Error, Tx};
use stoa_kernel::{Timestamp, UserId};

/// Links of one purpose that work for one account: more than it gets in mails, for a mail that fails is made anew.
const MOST: i64 = 20;

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To show that the address is theirs.
    Verify,
    /// To choose a new password.
    Reset,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
        }
    }
}

/// A new link. Beyond [`MOST`] the oldest no longer work.
pub(crate) async fn insert(
    tx: &mut Tx,
    hash: &[u8; 32],
    user: UserId,
    purpose: Purpose,
    expires_at: Timestamp,
) -> Result<(), Error> {
    let now = tx.clock().now();
    let sql = "INSERT INTO mail_tokens (hash, user_id, purpose, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
    tx.execute(sql, &[hash, &user, &purpose.name(), &now, &expires_at])
        .await?;
    let oldest = "DELETE FROM mail_tokens WHERE hash IN (SELECT hash FROM mail_tokens WHERE user_id = $1 AND purpose = $2 \
                  AND hash <> $3 ORDER BY created_at DESC LIMIT 20 OFFSET $4)";
    tx.execute(oldest, &[&user, &purpose.name(), hash, &(MOST - 1)])
        .await
        .map(drop)
}

/// Whose link it is, if it is good.
pub(crate) async fn owner(db: &Db, hash: &[u8; 32], purpose: Purpose) -> Result<Option<UserId>, Error> {
    let now = db.clock().now();
    let sql = "SELECT user_id FROM mail_tokens WHERE hash = $1 AND purpose = $2 AND expires_at > $3";
    db.fetch_optional(sql, &[hash, &purpose.name(), &now]).await
}

/// Uses a link up; says whose it was, if it was good.
pub(crate) async fn take(tx: &mut Tx, hash: &[u8; 32], purpose: Purpose) -> Result<Option<UserId>, Error> {
    let now = tx.clock().now();
    let sql =
        "DELETE FROM mail_tokens WHERE hash = $1 AND purpose = $2 AND expires_at > $3 RETURNING user_id";
    tx.fetch_optional(sql, &[hash, &purpose.name(), &now]).await
}

/// Takes an account's links of one purpose away.
pub(crate) async fn remove_all(tx: &mut Tx, user: UserId, purpose: Purpose) -> Result<(), Error> {
    tx.execute(
        "DELETE FROM mail_tokens WHERE user_id = $1 AND purpose = $2",
        &[&user, &purpose.name()],
    )
    .await
    .map(drop)
}

/// What an account's links are for, and until when they work.
pub(crate) async fn list(db: &Db, user: UserId) -> Result<Vec<(String, Timestamp)>, Error> {
    let sql = "SELECT purpose, expires_at FROM mail_tokens WHERE user_id = $1 AND expires_at > $2 ORDER BY expires_at";
    db.fetch_all(sql, &[&user, &db.clock().now()]).await
}
