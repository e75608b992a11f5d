//! API keys.

use stoa_db::{Db, Error, FromRow, Json, List, Tx};
use stoa_kernel::{Id, OrganizationId, OrganizationRole, Page, PageRequest, Timestamp, UserId};

/// Label of an API key's id.
pub(crate) enum ApiKeyTag {}
/// Names an API key.
pub(crate) type ApiKeyId = Id<ApiKeyTag>;

/// One key, without what only its owner knows.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct ApiKey {
    pub(crate) id: ApiKeyId,
    pub(crate) name: String,
    pub(crate) scopes: Json<Vec<String>>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) last_used_at: Option<Timestamp>,
}

/// What a key is checked with.
#[derive(FromRow)]
pub(crate) struct KeyCheck {
    pub(crate) user_id: UserId,
    pub(crate) hash: Vec<u8>,
    pub(crate) scopes: Json<Vec<String>>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) last_used_at: Option<Timestamp>,
    /// For an organization's key: the organization, and the role that the key has in it.
    pub(crate) organization_id: Option<OrganizationId>,
    pub(crate) organization_role: Option<OrganizationRole>,
}

/// Whose a new key is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyOwner {
    /// Who makes it.
    pub(crate) user: UserId,
    /// For an organization's key: the organization, and the role that the key has in it.
    pub(crate) organization: Option<(OrganizationId, OrganizationRole)>,
}

/// A new key.
pub(crate) async fn insert(tx: &mut Tx, owner: KeyOwner, key: &ApiKey, hash: &[u8; 32]) -> Result<(), Error> {
    let organization = owner.organization.map(|(id, _)| id);
    let role = owner.organization.map(|(_, role)| role);
    let scopes = Json::text(&key.scopes.0)?;
    tx.execute(
        "INSERT INTO api_keys \
         (id, user_id, name, hash, scopes, created_at, expires_at, organization_id, organization_role) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            &key.id,
            &owner.user,
            &key.name,
            hash,
            &scopes,
            &key.created_at,
            &key.expires_at,
            &organization,
            &role,
        ],
    )
    .await
    .map(drop)
}

/// How many keys an organization has.
pub(crate) async fn count_of_organization(tx: &mut Tx, organization: OrganizationId) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM api_keys WHERE organization_id = $1";
    tx.fetch_one(sql, &[&organization]).await
}

/// How many keys of their own `user` has.
pub(crate) async fn count(tx: &mut Tx, user: UserId) -> Result<i64, Error> {
    tx.fetch_one(
        "SELECT count(*) FROM api_keys WHERE user_id = $1 AND organization_id IS NULL",
        &[&user],
    )
    .await
}

/// An organization's key, and who made it.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct OrganizationKey {
    pub(crate) id: ApiKeyId,
    pub(crate) name: String,
    pub(crate) scopes: Json<Vec<String>>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) last_used_at: Option<Timestamp>,
    pub(crate) organization_role: OrganizationRole,
    pub(crate) user_id: UserId,
}

/// Keys of an organization, newest first.
pub(crate) async fn list_of_organization(
    db: &Db,
    organization: OrganizationId,
    page: &PageRequest,
) -> Result<Page<OrganizationKey>, Error> {
    let columns = "id, name, scopes, created_at, expires_at, last_used_at, organization_role, user_id";
    let rows = List::of("api_keys", columns).filter("organization_id = $", organization);
    rows.page(db, page, |key: &OrganizationKey| key.id).await
}

/// A page of the keys of `user`'s own, newest first.
pub(crate) async fn list(db: &Db, user: UserId, page: &PageRequest) -> Result<Page<ApiKey>, Error> {
    keys_of(user).page(db, page, |key: &ApiKey| key.id).await
}

/// At most `limit` keys of `user`'s own, newest first, before `before`.
pub(crate) async fn of(
    db: &Db,
    user: UserId,
    before: Option<ApiKeyId>,
    limit: u32,
) -> Result<Vec<ApiKey>, Error> {
    keys_of(user).rows(db, before.as_ref(), limit).await
}

fn keys_of(user: UserId) -> List<'static> {
    List::of(
        "api_keys",
        "id, name, scopes, created_at, expires_at, last_used_at",
    )
    .filter("user_id = $", user)
    .and("organization_id IS NULL")
    .by_index("api_keys_by_user")
}

/// The key with this id, if its owner's account is not disabled, nor its organization deleted.
pub(crate) async fn check(db: &Db, id: ApiKeyId) -> Result<Option<KeyCheck>, Error> {
    let sql = "SELECT k.user_id, k.hash, k.scopes, k.expires_at, k.last_used_at, k.organization_id, k.organization_role \
               FROM api_keys k JOIN accounts a ON a.id = k.user_id LEFT JOIN organizations o ON o.id = k.organization_id \
               WHERE k.id = $1 AND a.disabled_at IS NULL AND o.purge_at IS NULL";
    db.fetch_optional(sql, &[&id]).await
}

/// Notes that the key was used.
pub(crate) async fn touch(tx: &mut Tx, id: ApiKeyId) -> Result<(), Error> {
    let now = tx.clock().now();
    tx.execute(
        "UPDATE api_keys SET last_used_at = $2 WHERE id = $1",
        &[&id, &now],
    )
    .await
    .map(drop)
}

/// Removes a key of an organization, and returns its hash; none if there is none such.
pub(crate) async fn remove_of_organization(
    tx: &mut Tx,
    organization: OrganizationId,
    id: ApiKeyId,
) -> Result<Option<Vec<u8>>, Error> {
    let sql = "DELETE FROM api_keys WHERE id = $1 AND organization_id = $2 RETURNING hash";
    tx.fetch_optional(sql, &[&id, &organization]).await
}

/// The hashes of an organization's keys. They are few.
pub(crate) async fn hashes_of_organization(
    tx: &mut Tx,
    organization: OrganizationId,
) -> Result<Vec<Vec<u8>>, Error> {
    let sql = "SELECT hash FROM api_keys WHERE organization_id = $1";
    tx.fetch_all(sql, &[&organization]).await
}

/// Removes the keys of an organization that `user` has made.
pub(crate) async fn remove_made_by(
    tx: &mut Tx,
    organization: OrganizationId,
    user: UserId,
) -> Result<Vec<Removed>, Error> {
    let sql = "DELETE FROM api_keys WHERE user_id = $1 AND organization_id = $2 RETURNING id, hash, organization_id";
    tx.fetch_all(sql, &[&user, &organization]).await
}

/// Removes a key of `user`'s own, and returns its hash; none if there is none such.
pub(crate) async fn remove(tx: &mut Tx, user: UserId, id: ApiKeyId) -> Result<Option<Vec<u8>>, Error> {
    let sql =
        "DELETE FROM api_keys WHERE id = $1 AND user_id = $2 AND organization_id IS NULL RETURNING hash";
    tx.fetch_optional(sql, &[&id, &user]).await
}

/// A key that was removed.
#[derive(FromRow)]
pub(crate) struct Removed {
    pub(crate) id: ApiKeyId,
    pub(crate) hash: Vec<u8>,
    /// The organization that it acted for.
    pub(crate) organization_id: Option<OrganizationId>,
}

/// Removes every key that `user` has made, organizations' too: the maker of a key knows it.
pub(crate) async fn remove_all(tx: &mut Tx, user: UserId) -> Result<Vec<Removed>, Error> {
    tx.fetch_all(
        "DELETE FROM api_keys WHERE user_id = $1 RETURNING id, hash, organization_id",
        &[&user],
    )
    .await
}
