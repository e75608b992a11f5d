//! Permissions on one thing.

use stoa_db::{Db, Error, FromRow, Tx};
use stoa_kernel::{Id, Timestamp, UserId};
use uuid::Uuid;

/// Label of a grant's id.
pub(crate) enum GrantTag {}
/// Names a grant.
pub(crate) type GrantId = Id<GrantTag>;

const COLUMNS: &str = "id, user_id, action, resource_kind, resource_id, granted_by, created_at";

/// One grant.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct GrantRow {
    pub(crate) id: GrantId,
    pub(crate) user_id: UserId,
    pub(crate) action: String,
    pub(crate) resource_kind: String,
    pub(crate) resource_id: Uuid,
    pub(crate) granted_by: UserId,
    pub(crate) created_at: Timestamp,
}

/// A new grant; false if the same was granted before. [`Error::ForeignKey`]: there is no such account.
pub(crate) async fn insert(tx: &mut Tx, grant: &GrantRow) -> Result<bool, Error> {
    let sql = format!(
        "INSERT INTO grants ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (user_id, resource_kind, resource_id, action) DO NOTHING"
    );
    let inserted = tx
        .execute(
            &sql,
            &[
                &grant.id,
                &grant.user_id,
                &grant.action,
                &grant.resource_kind,
                &grant.resource_id,
                &grant.granted_by,
                &grant.created_at,
            ],
        )
        .await?;
    Ok(inserted == 1)
}

/// How much `user` was granted.
pub(crate) async fn count(tx: &mut Tx, user: UserId) -> Result<i64, Error> {
    tx.fetch_one("SELECT count(*) FROM grants WHERE user_id = $1", &[&user])
        .await
}

/// Takes a grant back; it is returned if there was one.
pub(crate) async fn remove(tx: &mut Tx, id: GrantId) -> Result<Option<GrantRow>, Error> {
    tx.fetch_optional(
        &format!("DELETE FROM grants WHERE id = $1 RETURNING {COLUMNS}"),
        &[&id],
    )
    .await
}

/// Takes back everything that `user` has granted.
pub(crate) async fn remove_given_by(tx: &mut Tx, user: UserId) -> Result<Vec<GrantId>, Error> {
    tx.fetch_all("DELETE FROM grants WHERE granted_by = $1 RETURNING id", &[&user])
        .await
}

/// Which grants [`list`] returns: those that fit all that is set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) user_id: Option<UserId>,
    pub(crate) resource_kind: Option<String>,
    pub(crate) resource_id: Option<Uuid>,
}

/// Grants, newest first, before `before`.
pub(crate) async fn list(
    db: &Db,
    filter: &Filter,
    before: Option<GrantId>,
    limit: u32,
) -> Result<Vec<GrantRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM grants WHERE (CAST($1 AS UUID) IS NULL OR user_id = $1) \
         AND (CAST($2 AS TEXT) IS NULL OR resource_kind = $2) AND (CAST($3 AS UUID) IS NULL OR resource_id = $3) \
         AND (CAST($4 AS UUID) IS NULL OR id < $4) ORDER BY id DESC LIMIT $5"
    );
    let Filter {
        user_id,
        resource_kind,
        resource_id,
    } = filter;
    db.fetch_all(&sql, &[user_id, resource_kind, resource_id, &before, &limit])
        .await
}

/// What `user` was granted on one thing.
pub(crate) async fn on(db: &Db, user: UserId, kind: &str, id: Uuid) -> Result<Vec<GrantRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM grants WHERE user_id = $1 AND resource_kind = $2 AND resource_id = $3 ORDER BY id"
    );
    db.fetch_all(&sql, &[&user, &kind, &id]).await
}
