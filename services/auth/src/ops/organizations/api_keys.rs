//! API keys that act for an organization.

use stoa_audit::{Entry, TxExt as _};
use stoa_kernel::{Actor, OrganizationId, OrganizationRole, codes};

use super::{Proof, hold};
use crate::{
    ctx::Ctx,
    error::{Result, TOO_MANY_ORGANIZATION_KEYS},
    notifications::MailKind,
    ops::{
        api_keys::{NewKey, in_future},
        changes::Changes,
        notices::Notices,
    },
    store::api_keys::{self as store, ApiKey, ApiKeyId, KeyOwner, Removed},
    tokens::hash_of,
};

/// Keys of one organization.
const MOST: i64 = 100;

/// Makes a key for an admin who proves again who they are. Its role is no greater than admin, and its text is returned only now.
pub(crate) async fn create(
    ctx: &Ctx,
    actor: &Actor,
    id: OrganizationId,
    new: NewKey,
    role: OrganizationRole,
    proof: Proof<'_>,
) -> Result<(ApiKey, String)> {
    in_future(ctx, new.expires_at)?;
    super::standing(ctx, actor, id)
        .await?
        .at_least(OrganizationRole::Admin)?;
    let proven = proof.check(ctx, actor).await?;
    let notices = Notices::to(ctx, &proven.account).await;
    let mut tx = ctx.db.begin().await?;
    hold(&mut tx, actor.user_id, id, OrganizationRole::Admin).await?;
    proven.hold(&mut tx).await?;
    let (key, text) = new.make(&tx);
    let owner = KeyOwner {
        user: actor.user_id,
        organization: Some((id, role)),
    };
    store::insert(&mut tx, owner, &key, &hash_of(&text)).await?;
    if store::count_of_organization(&mut tx, id).await? > MOST {
        return Err(TOO_MANY_ORGANIZATION_KEYS.into());
    }
    let entry = Entry::by(actor, "api_key.create", "api_key", Some(key.id.uuid())).organization(id);
    let detail = serde_json::json!({ "scopes": key.scopes.0, "role": role });
    tx.audit(&entry.detail(detail)).await?;
    notices.tell(&mut tx, MailKind::ApiKeyCreated).await?;
    tx.commit().await?;
    Ok((key, text))
}

/// Removes a key of an organization.
pub(crate) async fn remove(ctx: &Ctx, actor: &Actor, id: OrganizationId, key: ApiKeyId) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    hold(&mut tx, actor.user_id, id, OrganizationRole::Admin).await?;
    let hash = store::remove_of_organization(&mut tx, id, key)
        .await?
        .ok_or(codes::NOT_FOUND)?;
    let entry = Entry::by(actor, "api_key.remove", "api_key", Some(key.uuid()));
    tx.audit(&entry.organization(id)).await?;
    let mut changes = Changes::default();
    changes.keys(vec![Removed {
        id: key,
        hash,
        organization_id: Some(id),
    }]);
    changes.commit(ctx, tx).await
}
