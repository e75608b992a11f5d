//! Roles, and who has them.

use stoa_audit::TxExt as _;
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Permissions, Principal, UserId, codes};

use crate::{
    ctx::Ctx,
    error::{LAST_ADMIN, NOT_HELD, ROLE_BUILT_IN, ROLE_EXISTS, Result},
    jobs::ClearRole,
    ops::{changes::Changes, origin::Origin},
    store::{
        accounts,
        roles::{self as store, ADMIN, Role},
    },
};

/// Holders that a removed role is taken from in one transaction.
const BATCH: u32 = 1000;
/// Such transactions in one job.
const BATCHES: u32 = 100;

/// What a role is to be.
pub(crate) struct RoleTerms {
    pub(crate) description: String,
    pub(crate) permissions: Permissions,
}

/// Nobody gives, takes or changes what they do not hold themselves.
pub(crate) fn must_hold(by: &Principal, permissions: &Permissions) -> Result<()> {
    if permissions.iter().all(|name| by.permissions.permits(name)) {
        Ok(())
    } else {
        Err(NOT_HELD.into())
    }
}

/// Makes a role.
pub(crate) async fn create(
    ctx: &Ctx,
    by: &Principal,
    name: &str,
    terms: &RoleTerms,
    origin: &Origin,
) -> Result<Role> {
    must_hold(by, &terms.permissions)?;
    let mut tx = ctx.db.begin().await?;
    let Some(version) = store::insert(&mut tx, name, &terms.description, &terms.permissions).await? else {
        tx.rollback().await;
        return Err(ROLE_EXISTS.into());
    };
    note(&mut tx, by, "role.create", None, name, origin).await?;
    tx.commit().await?;
    Ok(Role {
        name: name.to_owned(),
        description: terms.description.clone(),
        built_in: false,
        version,
        permissions: terms.permissions.clone(),
    })
}

/// Changes a role, as it was read, for all who have it.
pub(crate) async fn replace(
    ctx: &Ctx,
    by: &Principal,
    role: Role,
    terms: RoleTerms,
    origin: &Origin,
) -> Result<Role> {
    if role.built_in {
        return Err(ROLE_BUILT_IN.into());
    }
    must_hold(by, &role.permissions)?;
    must_hold(by, &terms.permissions)?;
    let mut tx = ctx.db.begin().await?;
    let version = (role.name.as_str(), role.version);
    if !store::update(&mut tx, version, &terms.description, &terms.permissions).await? {
        tx.rollback().await;
        return Err(codes::CONFLICT.into());
    }
    let version = role.version + 1;
    let mut changes = Changes::default();
    if role.permissions != terms.permissions {
        changes.role(&mut tx, &role.name, version).await?;
    }
    note(&mut tx, by, "role.update", None, &role.name, origin).await?;
    changes.commit(ctx, tx).await?;
    Ok(Role {
        description: terms.description,
        permissions: terms.permissions,
        version,
        ..role
    })
}

/// Removes a role, as it was read, and takes it from all who have it.
pub(crate) async fn remove(ctx: &Ctx, by: &Principal, role: &Role, origin: &Origin) -> Result<()> {
    if role.built_in {
        return Err(ROLE_BUILT_IN.into());
    }
    must_hold(by, &role.permissions)?;
    let mut tx = ctx.db.begin().await?;
    if !store::remove(&mut tx, &role.name, role.version).await? {
        tx.rollback().await;
        return Err(codes::CONFLICT.into());
    }
    let mut changes = Changes::default();
    changes.role(&mut tx, &role.name, role.version + 1).await?;
    note(&mut tx, by, "role.remove", None, &role.name, origin).await?;
    if !store::clear(&mut tx, &role.name, BATCH).await? {
        tx.enqueue(&ClearRole {
            role: role.name.clone(),
        })
        .await?;
    }
    changes.commit(ctx, tx).await
}

/// Takes a role that was removed from those who had it, batch after batch. False if there is more to do.
pub(crate) async fn clear(ctx: &Ctx, role: &str) -> Result<bool> {
    for _ in 0..BATCHES {
        let mut tx = ctx.db.begin().await?;
        let done = store::clear(&mut tx, role, BATCH).await?;
        tx.commit().await?;
        if done {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives somebody a role; nothing happens if they have it. Whoever may do more than `by` is out of `by`'s reach: each change makes
/// their access tokens stale.
pub(crate) async fn assign(
    ctx: &Ctx,
    by: &Principal,
    user: UserId,
    role: &str,
    origin: &Origin,
) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    let role = store::hold(&mut tx, role).await?.ok_or(codes::NOT_FOUND)?;
    must_hold(by, &role.permissions)?;
    if !accounts::hold(&mut tx, user).await? {
        return Err(codes::NOT_FOUND.into());
    }
    let access = store::access_in(&mut tx, user).await?.ok_or(codes::NOT_FOUND)?;
    must_hold(by, &access.permissions)?;
    if !store::assign(&mut tx, user, &role.name).await? {
        tx.rollback().await;
        return Ok(());
    }
    let mut changes = Changes::default();
    changes.account(&mut tx, user).await?;
    note(&mut tx, by, "role.assign", Some(user), &role.name, origin).await?;
    changes.commit(ctx, tx).await
}

/// Takes a role from somebody who may do no more than `by`; but not the last administrator's.
pub(crate) async fn unassign(
    ctx: &Ctx,
    by: &Principal,
    user: UserId,
    role: &str,
    origin: &Origin,
) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    let role = store::hold(&mut tx, role).await?.ok_or(codes::NOT_FOUND)?;
    must_hold(by, &role.permissions)?;
    if !accounts::hold(&mut tx, user).await? {
        return Err(codes::NOT_FOUND.into());
    }
    let access = store::access_in(&mut tx, user).await?.ok_or(codes::NOT_FOUND)?;
    must_hold(by, &access.permissions)?;
    if !store::unassign(&mut tx, user, &role.name).await? {
        return Err(codes::NOT_FOUND.into());
    }
    if role.name == ADMIN && !store::another_admin(&mut tx, user).await? {
        return Err(LAST_ADMIN.into());
    }
    let mut changes = Changes::default();
    changes.account(&mut tx, user).await?;
    note(&mut tx, by, "role.unassign", Some(user), &role.name, origin).await?;
    changes.commit(ctx, tx).await
}

/// Refuses if `user` is the last administrator who can sign in. It waits for others that ask: so it is asked before anything is
/// written.
pub(crate) async fn keep_an_admin(tx: &mut Tx, user: UserId) -> Result<()> {
    let others = store::another_admin(tx, user).await?;
    let access = store::access_in(tx, user).await?;
    let is_admin = access.is_some_and(|access| access.roles.iter().any(|role| role == ADMIN));
    if is_admin && !others {
        return Err(LAST_ADMIN.into());
    }
    Ok(())
}

async fn note(
    tx: &mut Tx,
    by: &Principal,
    action: &str,
    user: Option<UserId>,
    role: &str,
    origin: &Origin,
) -> Result<()> {
    let kind = if user.is_some() { "account" } else { "role" };
    let entry = origin.entry(Some(by.user_id), action, kind, user.map(UserId::uuid));
    Ok(tx
        .audit(&entry.detail(serde_json::json!({ "role": role })))
        .await?)
}
