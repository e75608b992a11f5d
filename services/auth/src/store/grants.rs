//! Permissions on one thing.

use garde::Validate;
use serde::Deserialize;
use stoa_db::{Db, Error, FromRow, List, Tx};
use stoa_kernel::{Id, Page, PageRequest, Timestamp, UserId};
use utoipa::IntoParams;
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
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Given to this account.
    #[garde(skip)]
    #[param(value_type = Option<Uuid>)]
    user_id: Option<UserId>,
    /// On things of this kind.
    #[garde(inner(length(bytes, max = 64)))]
    #[param(max_length = 64)]
    resource_kind: Option<String>,
    /// On this thing.
    #[garde(skip)]
    resource_id: Option<Uuid>,
}

impl Filter {
    /// By the index that leaves fewest of them: an account has a thousand at most, and a thing fewer than its whole kind.
    fn index(&self) -> Option<&'static str> {
        match self {
            Self { user_id: Some(_), .. } => Some("grants_by_user"),
            Self {
                resource_id: Some(_), ..
            } => Some("grants_by_resource"),
            Self {
                resource_kind: Some(_),
                ..
            } => Some("grants_by_kind"),
            _ => None,
        }
    }
}

/// A page of grants, newest first.
pub(crate) async fn list(db: &Db, filter: &Filter, page: &PageRequest) -> Result<Page<GrantRow>, Error> {
    let list = List::of("grants", COLUMNS)
        .filter_some("user_id = $", filter.user_id)
        .filter_some("resource_kind = $", filter.resource_kind.as_deref())
        .filter_some("resource_id = $", filter.resource_id);
    let list = match filter.index() {
        Some(index) => list.by_index(index),
        None => list,
    };
    list.page(db, page, |row: &GrantRow| row.id).await
}

/// At most `limit` grants of `user`, newest first, before `before`.
pub(crate) async fn of(
    db: &Db,
    user: UserId,
    before: Option<GrantId>,
    limit: u32,
) -> Result<Vec<GrantRow>, Error> {
    List::of("grants", COLUMNS)
        .filter("user_id = $", user)
        .by_index("grants_by_user")
        .rows(db, before.as_ref(), limit)
        .await
}

/// What `user` was granted on one thing.
pub(crate) async fn on(db: &Db, user: UserId, kind: &str, id: Uuid) -> Result<Vec<GrantRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM grants WHERE user_id = $1 AND resource_kind = $2 AND resource_id = $3 ORDER BY id"
    );
    db.fetch_all(&sql, &[&user, &kind, &id]).await
}
