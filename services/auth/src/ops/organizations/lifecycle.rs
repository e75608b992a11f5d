//! Organizations: created, renamed, deleted, restored, purged.

use std::time::Duration;

use stoa_audit::{Entry, TxExt as _};
use stoa_auth_api::events::{
    MemberAdded, OrganizationCreated, OrganizationDeleted, OrganizationPurged, OrganizationRestored,
    OrganizationUpdated,
};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, Expected, OrganizationId, OrganizationRole, Timestamp, UserId, codes};
use tokio::time::Instant;

use super::{Notice, Proof, Standing, hold, hold_any, tell_owners};
use crate::{
    ctx::Ctx,
    error::{ALREADY_MEMBER, Result, TOO_MANY_ORGANIZATIONS},
    jobs::ForgetPictures,
    notifications::MailKind,
    ops::changes::Changes,
    store::{
        accounts, api_keys, members,
        organizations::{self as store, Organization},
    },
};

/// What audit entries call an organization.
pub(crate) const ORGANIZATION: &str = "organization";

/// Rows of each table that are deleted in one transaction.
const BATCH: u32 = 500;
const BREATH: Duration = Duration::from_millis(5);
/// How long one job purges. What is left then is for the next.
const DEADLINE: Duration = Duration::from_secs(10);

/// Makes an organization of which the caller is the owner.
pub(crate) async fn create(ctx: &Ctx, actor: &Actor, name: &str) -> Result<Standing> {
    let user = actor.user_id;
    let mut tx = ctx.db.begin().await?;
    if !accounts::hold(&mut tx, user).await? {
        return Err(codes::UNAUTHENTICATED.into());
    }
    let organization = store::insert(&mut tx, name).await?;
    tx.emit(&OrganizationCreated {
        organization_id: organization.id,
        name: organization.name.clone(),
    })
    .await?;
    let mut changes = Changes::default();
    let standing = Standing {
        organization,
        role: OrganizationRole::Owner,
    };
    join(ctx, &mut tx, user, &standing, &mut changes).await?;
    note(&mut tx, actor, "organization.create", standing.organization.id).await?;
    changes.commit(ctx, tx).await?;
    Ok(standing)
}

/// Makes an account that is held a member of an organization that is held, or new. Nobody is a member of more organizations than the
/// settings say.
pub(super) async fn join(
    ctx: &Ctx,
    tx: &mut Tx,
    user: UserId,
    standing: &Standing,
    changes: &mut Changes,
) -> Result<()> {
    let (id, role) = (standing.organization.id, standing.role);
    if !members::insert(tx, id, user, role).await? {
        return Err(ALREADY_MEMBER.into());
    }
    let most = i64::from(ctx.config.organizations.joined_max);
    let (active, deleted) = members::count_of(tx, user).await?;
    if active > most || deleted > most {
        return Err(TOO_MANY_ORGANIZATIONS.into());
    }
    changes.account(tx, user).await?;
    tx.emit(&MemberAdded {
        organization_id: id,
        user_id: user,
        role,
    })
    .await?;
    Ok(())
}

/// Renames an organization, if it is still of the version that is expected.
pub(crate) async fn rename(
    ctx: &Ctx,
    actor: &Actor,
    id: OrganizationId,
    name: &str,
    expected: &Expected,
) -> Result<Standing> {
    let mut tx = ctx.db.begin().await?;
    let Standing { organization, role } = hold(&mut tx, actor.user_id, id, OrganizationRole::Admin).await?;
    if !expected.allows(organization.version) {
        return Err(codes::PRECONDITION_FAILED.into());
    }
    if organization.name == name {
        return Ok(Standing { organization, role });
    }
    let organization = store::rename(&mut tx, id, name).await?;
    updated(&mut tx, actor, "organization.update", &organization).await?;
    tx.commit().await?;
    Ok(Standing { organization, role })
}

/// Deletes an organization for an owner who proves again who they are. It can be restored until the time of grace is over.
pub(crate) async fn delete(
    ctx: &Ctx,
    actor: &Actor,
    id: OrganizationId,
    proof: Proof<'_>,
) -> Result<Standing> {
    super::standing(ctx, actor, id)
        .await?
        .at_least(OrganizationRole::Owner)?;
    let proven = proof.check(ctx, actor).await?;
    let mut tx = ctx.db.begin().await?;
    let Standing { role, .. } = hold(&mut tx, actor.user_id, id, OrganizationRole::Owner).await?;
    proven.hold(&mut tx).await?;
    let mut changes = Changes::default();
    let organization = end(&mut tx, id, ctx.config.organizations.grace.0, &mut changes).await?;
    note(&mut tx, actor, "organization.delete", id).await?;
    let by = actor.user_id;
    tell_owners(&mut tx, id, Notice::new(MailKind::OrganizationDeleted, by, by)).await?;
    changes.commit(ctx, tx).await?;
    Ok(Standing { organization, role })
}

/// Deletes an organization that is held: from the commit on nobody acts for it. Its rows stay for this long.
pub(crate) async fn end(
    tx: &mut Tx,
    id: OrganizationId,
    grace: Duration,
    changes: &mut Changes,
) -> Result<Organization> {
    let purge_at = tx.clock().after(grace);
    let organization = store::set_purge(tx, id, Some(purge_at)).await?;
    changes.organization(tx, &organization).await?;
    changes.key_hashes(api_keys::hashes_of_organization(tx, id).await?);
    tx.emit(&OrganizationDeleted {
        organization_id: id,
        purge_at,
    })
    .await?;
    Ok(organization)
}

/// Restores a deleted organization for one of its owners. Members act for it again once they have a new access token.
pub(crate) async fn restore(ctx: &Ctx, actor: &Actor, id: OrganizationId) -> Result<Standing> {
    let mut tx = ctx.db.begin().await?;
    let standing = hold_any(&mut tx, actor.user_id, id).await?;
    let purge_at = standing.organization.purge_at.ok_or(codes::NOT_FOUND)?;
    let role = standing.at_least(OrganizationRole::Owner)?.role;
    if purge_at <= ctx.clock.now() {
        return Err(codes::NOT_FOUND.into());
    }
    let organization = store::set_purge(&mut tx, id, None).await?;
    let mut changes = Changes::default();
    changes.account(&mut tx, actor.user_id).await?;
    changes.organization(&mut tx, &organization).await?;
    tx.emit(&OrganizationRestored { organization_id: id }).await?;
    note(&mut tx, actor, "organization.restore", id).await?;
    changes.commit(ctx, tx).await?;
    Ok(Standing { organization, role })
}

/// Deletes the rows of organizations whose time of grace is over; false if there is more than one job's time is enough for.
pub(crate) async fn purge(ctx: &Ctx) -> Result<bool, stoa_db::Error> {
    let until = Instant::now() + DEADLINE;
    let now = ctx.db.steady_now().await;
    loop {
        let due = store::to_purge(&ctx.db, now, BATCH).await?;
        if due.is_empty() {
            return Ok(true);
        }
        for id in due {
            loop {
                let gone = purge_some(ctx, id, now).await?;
                if Instant::now() >= until {
                    return Ok(false);
                }
                tokio::time::sleep(BREATH).await;
                if gone {
                    break;
                }
            }
        }
    }
}

/// One transaction's share of an organization that is due at `now`; true when it is gone, or was restored.
async fn purge_some(ctx: &Ctx, id: OrganizationId, now: Timestamp) -> Result<bool, stoa_db::Error> {
    let mut tx = ctx.db.begin().await?;
    let held = store::hold(&mut tx, id).await?;
    let is_due = |one: &Organization| one.purge_at.is_some_and(|at| at <= now);
    if !held.as_ref().is_some_and(is_due) {
        tx.rollback().await;
        return Ok(true);
    }
    store::begin_purge(&mut tx, id).await?;
    let gone = store::purge(&mut tx, id, BATCH).await?;
    if gone {
        tx.shred();
        tx.enqueue(&ForgetPictures { organization_id: id }).await?;
        tx.emit(&OrganizationPurged { organization_id: id }).await?;
        let entry = Entry::new(None, "organization.purge", ORGANIZATION, Some(id.uuid()));
        tx.audit(&entry.organization(id)).await?;
    }
    tx.commit().await?;
    Ok(gone)
}

/// What follows when a member has changed what is shown of an organization.
pub(super) async fn updated(
    tx: &mut Tx,
    actor: &Actor,
    action: &str,
    organization: &Organization,
) -> Result<()> {
    tx.emit(&OrganizationUpdated {
        organization_id: organization.id,
        name: organization.name.clone(),
        picture_url: organization.picture_url(),
    })
    .await?;
    note(tx, actor, action, organization.id).await
}

/// An audit entry of what a member did to the organization.
pub(crate) async fn note(tx: &mut Tx, actor: &Actor, action: &str, id: OrganizationId) -> Result<()> {
    let entry = Entry::by(actor, action, ORGANIZATION, Some(id.uuid()));
    Ok(tx.audit(&entry.organization(id)).await?)
}
