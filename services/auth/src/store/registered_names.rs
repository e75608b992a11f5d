//! The names that somebody registered with, kept until the service that keeps profiles has heard of them.

use stoa_db::{Db, Error, FromRow, Tx};
use stoa_kernel::UserId;

/// A row of `registered_names`, without whose it is.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct RegisteredNames {
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
}

/// Keeps the names of a new account.
pub(crate) async fn insert(tx: &mut Tx, user: UserId, names: &RegisteredNames) -> Result<(), Error> {
    let now = tx.clock().now();
    tx.execute(
        "INSERT INTO registered_names (user_id, first_name, last_name, created_at) VALUES ($1, $2, $3, $4)",
        &[&user, &names.first_name, &names.last_name, &now],
    )
    .await
    .map(drop)
}

/// The names of `user`, if any are kept.
pub(crate) async fn find(db: &Db, user: UserId) -> Result<Option<RegisteredNames>, Error> {
    let sql = "SELECT first_name, last_name FROM registered_names WHERE user_id = $1";
    db.fetch_optional(sql, &[&user]).await
}
