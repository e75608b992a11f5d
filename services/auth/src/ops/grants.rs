//! Permissions on one thing: given and taken back. They hold at once, for no token says them.

use stoa_audit::TxExt as _;
use stoa_db::Tx;
use stoa_kernel::{Permissions, Principal, UserId, codes};
use uuid::Uuid;

use crate::{
    ctx::Ctx,
    error::{Error, GRANT_EXISTS, Result, TOO_MANY_GRANTS},
    ops::{origin::Origin, roles::must_hold},
    store::grants::{self as store, GrantId, GrantRow},
};

/// Grants of one account, at most.
const MOST: i64 = 1000;

/// What is to be granted.
pub(crate) struct NewGrant {
    pub(crate) user: UserId,
    pub(crate) action: String,
    pub(crate) resource_kind: String,
    pub(crate) resource_id: Uuid,
}

/// Grants what `by` may do on every such thing.
pub(crate) async fn create(ctx: &Ctx, by: &Principal, new: NewGrant, origin: &Origin) -> Result<GrantRow> {
    must_hold(by, &Permissions::new([new.action.as_str()]))?;
    let mut tx = ctx.db.begin().await?;
    let grant = GrantRow {
        id: tx.new_id(),
        user_id: new.user,
        action: new.action,
        resource_kind: new.resource_kind,
        resource_id: new.resource_id,
        granted_by: by.user_id,
        created_at: ctx.clock.now(),
    };
    match store::insert(&mut tx, &grant).await {
        Ok(true) => {}
        Ok(false) => return Err(GRANT_EXISTS.into()),
        Err(stoa_db::Error::ForeignKey) => {
            let message = "Account not found".to_owned();
            return Err(Error::Field("user_id", "unknown_user", message));
        }
        Err(error) => return Err(error.into()),
    }
    if store::count(&mut tx, grant.user_id).await? > MOST {
        return Err(TOO_MANY_GRANTS.into());
    }
    note(&mut tx, by, "grant.create", &grant, origin).await?;
    tx.commit().await?;
    Ok(grant)
}

/// Takes a grant back. Whoever may not give it may not take it either.
pub(crate) async fn remove(ctx: &Ctx, by: &Principal, id: GrantId, origin: &Origin) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    let grant = store::remove(&mut tx, id).await?.ok_or(codes::NOT_FOUND)?;
    must_hold(by, &Permissions::new([grant.action.as_str()]))?;
    note(&mut tx, by, "grant.remove", &grant, origin).await?;
    Ok(tx.commit().await?)
}

async fn note(tx: &mut Tx, by: &Principal, action: &str, grant: &GrantRow, origin: &Origin) -> Result<()> {
    let entry = origin.entry(Some(by.user_id), action, "grant", Some(grant.id.uuid()));
    let detail = serde_json::json!({
        "user_id": grant.user_id,
        "action": grant.action,
        "resource_kind": grant.resource_kind,
        "resource_id": grant.resource_id,
    });
    Ok(tx.audit(&entry.detail(detail)).await?)
}
