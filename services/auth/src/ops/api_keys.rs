//! API keys: made, listed, removed, and told whose they are.

use jiff::SignedDuration;
use stoa_audit::TxExt as _;
use stoa_auth_api::tell_key_changed;
use stoa_db::{Json, Tx};
use stoa_kernel::{
    API_KEY_PREFIX, Membership, Memberships, OrganizationId, OrganizationRole, Permissions, Timestamp,
    UserId, codes, random,
};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{
    ctx::Ctx,
    error::{Error, NOT_HELD, Result, TOO_MANY_KEYS},
    notifications::MailKind,
    ops::{commit::commit_then, notices::Notices, origin::Origin, prove_again::prove_again},
    password::Password,
    permissions,
    store::{
        accounts,
        api_keys::{self as store, ApiKey, ApiKeyId, KeyOwner},
        members, roles,
    },
    tokens::hash_of,
};

/// Keys of one account, at most.
const MOST: i64 = 100;
/// How exactly it is kept when a key was last used.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A new key.
pub(crate) struct NewKey {
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_at: Option<Timestamp>,
}

impl NewKey {
    /// The key as it is kept, and its text, which is not.
    pub(crate) fn make(self, tx: &Tx) -> (ApiKey, String) {
        let id: ApiKeyId = tx.new_id();
        let key = ApiKey {
            id,
            name: self.name,
            scopes: Json(Permissions::new(self.scopes).iter().map(str::to_owned).collect()),
            created_at: tx.clock().now(),
            expires_at: self.expires_at,
            last_used_at: None,
        };
        let text = format!("{API_KEY_PREFIX}{}_{}", id.uuid().simple(), random::token::<32>());
        (key, text)
    }
}

/// Makes a key for somebody who proves again who they are, for it may outlive their session. Its text is returned, and never
/// known again.
pub(crate) async fn create(
    ctx: &Ctx,
    user: UserId,
    new: NewKey,
    password: &Password,
    code: Option<&str>,
    origin: &Origin,
) -> Result<(ApiKey, String)> {
    in_future(ctx, new.expires_at)?;
    let access = roles::access_of(&ctx.db, user).await?;
    // Other services' names may well concern what is somebody's own; ours concern everybody.
    let not_held = |scope: &String| permissions::is_ours(scope) && !access.permissions.permits(scope);
    if new.scopes.iter().any(not_held) {
        return Err(NOT_HELD.into());
    }
    let proven = prove_again(ctx, user, password, code, "totp", origin).await?;
    let notices = Notices::to(ctx, &proven.account).await;
    let mut tx = ctx.db.begin().await?;
    proven.hold(&mut tx).await?;
    let (key, text) = new.make(&tx);
    let owner = KeyOwner {
        user,
        organization: None,
    };
    store::insert(&mut tx, owner, &key, &hash_of(&text)).await?;
    if store::count(&mut tx, user).await? > MOST {
        return Err(TOO_MANY_KEYS.into());
    }
    let entry = origin.entry(Some(user), "api_key.create", "api_key", Some(key.id.uuid()));
    tx.audit(&entry.detail(serde_json::json!({ "scopes": key.scopes.0 })))
        .await?;
    notices.tell(&mut tx, MailKind::ApiKeyCreated).await?;
    tx.commit().await?;
    Ok((key, text))
}

/// Refuses a key that would have expired already.
pub(crate) fn in_future(ctx: &Ctx, expires_at: Option<Timestamp>) -> Result<()> {
    if expires_at.is_some_and(|at| at <= ctx.clock.now()) {
        let message = "It must be in the future".to_owned();
        return Err(Error::Field("expires_at", "range", message));
    }
    Ok(())
}

/// Removes a key of `user`. It stops working at once wherever that is heard, and everywhere within a second.
pub(crate) async fn remove(ctx: &Ctx, user: UserId, id: ApiKeyId, origin: &Origin) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    let Some(hash) = store::remove(&mut tx, user, id).await? else {
        tx.rollback().await;
        return Err(codes::NOT_FOUND.into());
    };
    tx.audit(&origin.entry(Some(user), "api_key.remove", "api_key", Some(id.uuid())))
        .await?;
    let cache = ctx.cache.clone();
    let told = async move { tell_key_changed(&cache, &hash).await };
    Ok(commit_then(tx, told).await?)
}

/// Whom a key stands for, and what it may do.
pub(crate) struct KeyHolder {
    pub(crate) user: UserId,
    pub(crate) roles: Vec<String>,
    /// What roles and scopes permit together.
    pub(crate) permissions: Permissions,
    pub(crate) scopes: Permissions,
    pub(crate) memberships: Memberships,
    /// For an organization's key: the organization.
    pub(crate) organization: Option<OrganizationId>,
}

/// Whom the key stands for; none if it is no key of ours, is over, or its owner's account is disabled.
pub(crate) async fn authenticate(ctx: &Ctx, key: &str) -> Result<Option<KeyHolder>> {
    let Some(id) = id_of(key) else { return Ok(None) };
    let Some(kept) = store::check(&ctx.db, id).await? else {
        return Ok(None);
    };
    let now = ctx.clock.now();
    let right = bool::from(hash_of(key).as_slice().ct_eq(&kept.hash));
    if !right || kept.expires_at.is_some_and(|at| at <= now) {
        return Ok(None);
    }
    if kept
        .last_used_at
        .is_none_or(|at| now.duration_since(at) >= MINUTE)
        && let Err(error) = touch(ctx, id).await
    {
        // The key is good all the same.
        tracing::warn!(%error, "it could not be kept when an API key was last used");
    }
    let scopes = Permissions::new(kept.scopes.0);
    if let (Some(organization), Some(role)) = (kept.organization_id, kept.organization_role) {
        return Ok(Some(of_organization(kept.user_id, (organization, role), scopes)));
    }
    of_person(ctx, kept.user_id, scopes).await
}

/// Who acts by a credential that another service keeps for `user`, for themselves or for an organization: as by an API key with these
/// scopes, but for an organization with the role that they have in it now. None if their account is disabled or gone, the organization
/// is deleted, or they are not a member of it.
pub(crate) async fn standing(
    ctx: &Ctx,
    user: UserId,
    organization: Option<OrganizationId>,
    scopes: Permissions,
) -> Result<Option<KeyHolder>> {
    let account = accounts::by_id(&ctx.db, user).await?;
    if account.is_none_or(|account| account.disabled_at.is_some()) {
        return Ok(None);
    }
    let Some(organization) = organization else {
        return of_person(ctx, user, scopes).await;
    };
    let role = members::role_of(&ctx.db, organization, user).await?;
    Ok(role.map(|role| of_organization(user, (organization, role), scopes)))
}

fn of_organization(
    user: UserId,
    (organization_id, role): (OrganizationId, OrganizationRole),
    scopes: Permissions,
) -> KeyHolder {
    let membership = Membership {
        organization_id,
        role,
    };
    KeyHolder {
        user,
        roles: Vec::new(),
        permissions: Permissions::default(),
        scopes,
        memberships: Memberships::all(vec![membership]),
        organization: Some(organization_id),
    }
}

async fn of_person(ctx: &Ctx, user: UserId, scopes: Permissions) -> Result<Option<KeyHolder>> {
    let access = match roles::access_of(&ctx.db, user).await {
        Err(stoa_db::Error::NotFound) => return Ok(None),
        access => access?,
    };
    Ok(Some(KeyHolder {
        user,
        memberships: members::listed(&ctx.db, user).await?.memberships(),
        organization: None,
        roles: access.roles,
        permissions: access.permissions.and(&scopes),
        scopes,
    }))
}

async fn touch(ctx: &Ctx, id: ApiKeyId) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    store::touch(&mut tx, id).await?;
    Ok(tx.commit().await?)
}

/// The id that a key names: `stoa_key_<id>_<secret>`.
fn id_of(key: &str) -> Option<ApiKeyId> {
    let (id, secret) = key.strip_prefix(API_KEY_PREFIX)?.split_once('_')?;
    if id.len() != 32 || secret.is_empty() {
        return None;
    }
    Uuid::try_parse(id).ok().map(ApiKeyId::from_uuid)
}
