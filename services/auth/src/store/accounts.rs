//! Accounts.

use garde::Validate;
use serde::Deserialize;
use stoa_db::{Db, Error, FromRow, List, ToValue, Tx, containing};
use stoa_kernel::{Page, PageRequest, Timestamp, UserId};
use utoipa::IntoParams;

use crate::email::Email;

const COLUMNS: &str = "id, email, email_key, email_verified_at, password_hash, disabled_at, created_at";

/// One account.
#[derive(Clone, FromRow)]
pub(crate) struct Account {
    pub(crate) id: UserId,
    /// As given, for display and for mail.
    pub(crate) email: String,
    /// Lowercased: what makes an address one.
    pub(crate) email_key: String,
    pub(crate) email_verified_at: Option<Timestamp>,
    pub(crate) password_hash: String,
    /// When the account was disabled.
    pub(crate) disabled_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
}

/// The account with this id.
pub(crate) async fn by_id(db: &Db, id: UserId) -> Result<Option<Account>, Error> {
    db.fetch_optional(&format!("SELECT {COLUMNS} FROM accounts WHERE id = $1"), &[&id])
        .await
}

/// How somebody can be reached.
#[derive(FromRow)]
pub(crate) struct Reachable {
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) email_verified_at: Option<Timestamp>,
    pub(crate) disabled_at: Option<Timestamp>,
}

/// Of these people, those who have an account.
pub(crate) async fn contacts(db: &Db, users: &[UserId]) -> Result<Vec<Reachable>, Error> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<_> = (1..=users.len()).map(|at| format!("${at}")).collect();
    let sql = format!(
        "SELECT id, email, email_verified_at, disabled_at FROM accounts WHERE id IN ({})",
        places.join(", ")
    );
    let params: Vec<&dyn ToValue> = users.iter().map(|id| id as &dyn ToValue).collect();
    db.fetch_all(&sql, &params).await
}

/// The account with this address, lowercased.
pub(crate) async fn by_email_key(db: &Db, key: &str) -> Result<Option<Account>, Error> {
    db.fetch_optional(
        &format!("SELECT {COLUMNS} FROM accounts WHERE email_key = $1"),
        &[&key],
    )
    .await
}

/// An account that is new from now on; false if its address has one.
pub(crate) async fn insert(
    tx: &mut Tx,
    id: UserId,
    email: &Email,
    password_hash: &str,
    verified_at: Option<Timestamp>,
) -> Result<Option<Account>, Error> {
    let now = tx.clock().now();
    let sql = format!(
        "INSERT INTO accounts (id, email, email_key, email_verified_at, password_hash, access_version, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, 0, $6, $6) ON CONFLICT (email_key) DO NOTHING RETURNING {COLUMNS}"
    );
    tx.fetch_optional(
        &sql,
        &[
            &id,
            &email.display,
            &email.key,
            &verified_at,
            &password_hash,
            &now,
        ],
    )
    .await
}

/// The address of an account, lowercased.
pub(crate) async fn email_key_in(tx: &mut Tx, id: UserId) -> Result<Option<String>, Error> {
    tx.fetch_optional("SELECT email_key FROM accounts WHERE id = $1", &[&id])
        .await
}

/// Whether there is such an account, and it is not disabled.
pub(crate) async fn is_enabled(tx: &mut Tx, id: UserId) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM accounts WHERE id = $1 AND disabled_at IS NULL)";
    tx.fetch_one(sql, &[&id]).await
}

/// Locks the account until the end of the transaction, before rows of it are changed; false if there is no such account.
pub(crate) async fn hold(tx: &mut Tx, id: UserId) -> Result<bool, Error> {
    let sql = "UPDATE accounts SET access_version = access_version WHERE id = $1";
    Ok(tx.execute(sql, &[&id]).await? == 1)
}

/// Whether the account still has the password that was verified, and is not disabled. Holds it fast until the end of the
/// transaction.
pub(crate) async fn confirm_password(tx: &mut Tx, id: UserId, verified: &str) -> Result<bool, Error> {
    let now = tx.clock().now();
    let sql =
        "UPDATE accounts SET updated_at = $3 WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL";
    Ok(tx.execute(sql, &[&id, &verified, &now]).await? == 1)
}

/// Puts `new` in place of `old`; false if another was put there meanwhile, or the account was disabled.
pub(crate) async fn replace_password(tx: &mut Tx, id: UserId, old: &str, new: &str) -> Result<bool, Error> {
    let now = tx.clock().now();
    let sql = "UPDATE accounts SET password_hash = $3, updated_at = $4 \
               WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL";
    Ok(tx.execute(sql, &[&id, &old, &new, &now]).await? == 1)
}

/// Puts `new` in place of whatever is there.
pub(crate) async fn set_password(tx: &mut Tx, id: UserId, new: &str) -> Result<(), Error> {
    let now = tx.clock().now();
    tx.execute(
        "UPDATE accounts SET password_hash = $2, updated_at = $3 WHERE id = $1",
        &[&id, &new, &now],
    )
    .await
    .map(drop)
}

/// The address is theirs; false if that was known.
pub(crate) async fn set_verified(tx: &mut Tx, id: UserId) -> Result<bool, Error> {
    let now = tx.clock().now();
    let sql = "UPDATE accounts SET email_verified_at = $2, updated_at = $2 WHERE id = $1 AND email_verified_at IS NULL";
    Ok(tx.execute(sql, &[&id, &now]).await? == 1)
}

/// Which accounts [`list`] returns.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Part of the address, in upper or lower case.
    #[garde(inner(length(chars, max = 254)))]
    #[param(max_length = 254)]
    q: Option<String>,
}

/// A page of accounts, newest first.
pub(crate) async fn list(db: &Db, filter: &Filter, page: &PageRequest) -> Result<Page<Account>, Error> {
    let pattern = filter.q.as_deref().map(|q| containing(&q.to_lowercase()));
    List::of("accounts", COLUMNS)
        .filter_some(r"email_key LIKE $ ESCAPE '\'", pattern)
        .page(db, page, |account: &Account| account.id)
        .await
}

/// Nobody signs in any more; false if it was so, or there is no such account.
pub(crate) async fn disable(tx: &mut Tx, id: UserId) -> Result<bool, Error> {
    let now = tx.clock().now();
    let sql = "UPDATE accounts SET disabled_at = $2, updated_at = $2 WHERE id = $1 AND disabled_at IS NULL";
    Ok(tx.execute(sql, &[&id, &now]).await? == 1)
}

/// Its owner signs in again; false if it was so, or there is no such account.
pub(crate) async fn enable(tx: &mut Tx, id: UserId) -> Result<bool, Error> {
    let now = tx.clock().now();
    let sql =
        "UPDATE accounts SET disabled_at = NULL, updated_at = $2 WHERE id = $1 AND disabled_at IS NOT NULL";
    Ok(tx.execute(sql, &[&id, &now]).await? == 1)
}

/// Removes the account, and with it everything that is kept of it under its id but what was revoked and the audit log.
pub(crate) async fn remove(tx: &mut Tx, id: UserId) -> Result<(), Error> {
    tx.execute("DELETE FROM accounts WHERE id = $1", &[&id])
        .await
        .map(drop)
}
