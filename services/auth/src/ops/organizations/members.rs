//! Members: their roles, their end, and who owns an organization.

use std::time::Duration;

use serde_json::json;
use stoa_audit::{Entry, TxExt as _};
use stoa_auth_api::events::{MemberRemoved, MemberUpdated};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, OrganizationId, OrganizationRole, UserId, codes};
use stoa_notifications_api::NotificationRequested;

use super::{Notice, Proof, hold, hold_accounts, hold_any, lifecycle, tell_owners};
use crate::{
    ctx::Ctx,
    error::{LAST_OWNER, MEMBER_IS_OWNER, Result},
    notifications::{MailKind, ROLE_CHANGED},
    ops::changes::Changes,
    store::{
        accounts::{self, Account},
        api_keys, domains, invitations,
        members::{self as store, Standing},
        organizations::{self, Organization},
    },
};

/// Gives a member another role. Admins give and take roles up to admin; only owners make and unmake owners. Who makes an admin or an
/// owner, or unmakes an owner, proves again who they are.
pub(crate) async fn set_role(
    ctx: &Ctx,
    actor: &Actor,
    id: OrganizationId,
    user: UserId,
    role: OrganizationRole,
    proof: Proof<'_>,
) -> Result<()> {
    let caller = super::standing(ctx, actor, id)
        .await?
        .at_least(OrganizationRole::Admin)?;
    let seen = store::role_of(&ctx.db, id, user).await?.ok_or(codes::NOT_FOUND)?;
    caller.at_least(seen)?.at_least(role)?;
    let of_owner = |before: OrganizationRole| before != role && before.max(role) == OrganizationRole::Owner;
    let needs_proof =
        |before: OrganizationRole| of_owner(before) || (before < role && super::needs_proof(role));
    let proven = if needs_proof(seen) {
        Some(proof.check(ctx, actor).await?)
    } else {
        None
    };
    let mut tx = ctx.db.begin().await?;
    let caller = hold(&mut tx, actor.user_id, id, OrganizationRole::Admin).await?;
    let before = store::role_in(&mut tx, id, user).await?.ok_or(codes::NOT_FOUND)?;
    let caller = caller.at_least(before)?.at_least(role)?;
    if before == role {
        tx.rollback().await;
        return Ok(());
    }
    if before == OrganizationRole::Owner {
        keep_an_owner(&mut tx, id, user).await?;
    }
    match proven {
        Some(proven) => {
            hold_accounts(&mut tx, actor.user_id, user).await?;
            proven.hold(&mut tx).await?;
        }
        // Their role has changed meanwhile.
        None if needs_proof(before) => return Err(codes::CONFLICT.into()),
        None => {}
    }
    let mut changes = Changes::default();
    if of_owner(before) {
        tell_of_owner(&mut tx, actor, id, user, role).await?;
    }
    change(&mut tx, actor, &caller.organization, (user, role), &mut changes).await?;
    changes.commit(ctx, tx).await
}

/// Gives a member another role in an organization that is held, and ends what the new one could not have made.
async fn change(
    tx: &mut Tx,
    actor: &Actor,
    organization: &Organization,
    (user, role): (UserId, OrganizationRole),
    changes: &mut Changes,
) -> Result<()> {
    let id = organization.id;
    accounts::hold(tx, user).await?;
    store::set_role(tx, id, user, role).await?;
    if role < OrganizationRole::Admin {
        end_what_was_made(tx, actor, id, user, changes).await?;
    } else if role < OrganizationRole::Owner {
        domains::remove_waiting_of(tx, id, user).await?;
        invitations::remove_of_owners_sent_by(tx, id, user).await?;
    }
    changes.account(tx, user).await?;
    tx.emit(&MemberUpdated {
        organization_id: id,
        user_id: user,
        role,
    })
    .await?;
    if user != actor.user_id {
        let data = json!({ "organization_id": id, "organization": organization.name, "role": role });
        tx.emit(&NotificationRequested::to(ROLE_CHANGED.name, user, data))
            .await?;
    }
    let entry = Entry::by(actor, "member.update", "account", Some(user.uuid())).organization(id);
    tx.audit(&entry.detail(json!({ "role": role }))).await?;
    Ok(())
}

/// Tells all owners of one who was made or unmade.
async fn tell_of_owner(
    tx: &mut Tx,
    actor: &Actor,
    id: OrganizationId,
    user: UserId,
    role: OrganizationRole,
) -> Result<()> {
    let kind = match role {
        OrganizationRole::Owner => MailKind::OwnerAdded,
        _ => MailKind::OwnerRemoved,
    };
    tell_owners(tx, id, Notice::new(kind, user, actor.user_id)).await
}

/// Hands an organization over: a member becomes its owner, and the caller, who proves again who they are, an admin.
pub(crate) async fn transfer(
    ctx: &Ctx,
    actor: &Actor,
    id: OrganizationId,
    to: UserId,
    proof: Proof<'_>,
) -> Result<()> {
    super::standing(ctx, actor, id)
        .await?
        .at_least(OrganizationRole::Owner)?;
    let proven = proof.check(ctx, actor).await?;
    let mut tx = ctx.db.begin().await?;
    let Standing { organization, .. } = hold(&mut tx, actor.user_id, id, OrganizationRole::Owner).await?;
    let is_member = store::role_in(&mut tx, id, to).await?.is_some();
    if !is_member || to == actor.user_id {
        return Err(codes::NOT_FOUND.into());
    }
    hold_accounts(&mut tx, actor.user_id, to).await?;
    proven.hold(&mut tx).await?;
    let mut changes = Changes::default();
    let mut both = [
        (to, OrganizationRole::Owner),
        (actor.user_id, OrganizationRole::Admin),
    ];
    both.sort_unstable_by_key(|(user, _)| *user);
    for (user, role) in both {
        change(&mut tx, actor, &organization, (user, role), &mut changes).await?;
        tell_of_owner(&mut tx, actor, id, user, role).await?;
    }
    keep_an_owner(&mut tx, id, actor.user_id).await?;
    changes.commit(ctx, tx).await
}

/// Ends a membership: one's own, or that of somebody whose role is no greater. An owner is first given another role, which takes a proof.
pub(crate) async fn remove(ctx: &Ctx, actor: &Actor, id: OrganizationId, user: UserId) -> Result<()> {
    let own = user == actor.user_id;
    let mut tx = ctx.db.begin().await?;
    let caller = if own {
        // One leaves a deleted organization as well.
        hold_any(&mut tx, actor.user_id, id).await?
    } else {
        hold(&mut tx, actor.user_id, id, OrganizationRole::Admin).await?
    };
    let role = store::role_in(&mut tx, id, user).await?.ok_or(codes::NOT_FOUND)?;
    caller.at_least(role)?;
    if role == OrganizationRole::Owner {
        keep_an_owner(&mut tx, id, user).await?;
        return Err(MEMBER_IS_OWNER.into());
    }
    accounts::hold(&mut tx, user).await?;
    let mut changes = Changes::default();
    store::remove(&mut tx, id, user).await?;
    if let Some(email_key) = accounts::email_key_in(&mut tx, user).await? {
        invitations::remove_to_address(&mut tx, id, &email_key).await?;
    }
    end_what_was_made(&mut tx, actor, id, user, &mut changes).await?;
    changes.account(&mut tx, user).await?;
    tx.emit(&MemberRemoved {
        organization_id: id,
        user_id: user,
    })
    .await?;
    let action = if own { "member.leave" } else { "member.remove" };
    let entry = Entry::by(actor, action, "account", Some(user.uuid()));
    tx.audit(&entry.organization(id)).await?;
    changes.commit(ctx, tx).await
}

/// Ends what a former member or admin has made in an organization: their pending invitations and claims of domains, and API keys that they
/// know.
async fn end_what_was_made(
    tx: &mut Tx,
    actor: &Actor,
    id: OrganizationId,
    user: UserId,
    changes: &mut Changes,
) -> Result<()> {
    invitations::remove_sent_by(tx, id, user).await?;
    domains::remove_waiting_of(tx, id, user).await?;
    let keys = api_keys::remove_made_by(tx, id, user).await?;
    for key in &keys {
        let entry = Entry::by(actor, "api_key.remove", "api_key", Some(key.id.uuid()));
        tx.audit(&entry.organization(id)).await?;
    }
    changes.keys(keys);
    Ok(())
}

/// Refuses where `user` is the last owner who can sign in.
async fn keep_an_owner(tx: &mut Tx, id: OrganizationId, user: UserId) -> Result<()> {
    if store::another_owner(tx, id, user).await? {
        Ok(())
    } else {
        Err(LAST_OWNER.into())
    }
}

/// The organizations of an account that is to be erased, held before the account is.
pub(crate) struct Leaving {
    user: UserId,
    all: Vec<OrganizationId>,
    /// Those that it owns with others.
    owned: Vec<OrganizationId>,
    /// Those that it is the only member of.
    alone: Vec<OrganizationId>,
}

/// Holds the organizations of an account that is to be erased. It must not be the last owner of one with other members.
pub(crate) async fn prepare_to_leave(tx: &mut Tx, user: UserId) -> Result<Leaving> {
    let all = store::all_of(tx, user).await?;
    let (mut owned, mut alone) = (Vec::new(), Vec::new());
    for &id in &all {
        let held = organizations::hold(tx, id).await?;
        let active = held.is_some_and(|organization| organization.purge_at.is_none());
        let owns = store::role_in(tx, id, user).await? == Some(OrganizationRole::Owner);
        if !active || !owns {
            continue;
        }
        if store::another_owner(tx, id, user).await? {
            owned.push(id);
        } else if store::another_member(tx, id, user).await? {
            return Err(LAST_OWNER.into());
        } else {
            alone.push(id);
        }
    }
    Ok(Leaving {
        user,
        all,
        owned,
        alone,
    })
}

/// Holds the organizations that an account whose address was never verified is the only member of: somebody may have made them who does
/// not own the address. To be called before the account is held.
pub(crate) async fn hold_alone(tx: &mut Tx, account: &Account) -> Result<Vec<OrganizationId>> {
    let mut alone = Vec::new();
    if account.email_verified_at.is_some() {
        return Ok(alone);
    }
    for id in store::all_of(tx, account.id).await? {
        let held = organizations::hold(tx, id).await?;
        let active = held.is_some_and(|organization| organization.purge_at.is_none());
        if active && !store::another_member(tx, id, account.id).await? {
            alone.push(id);
        }
    }
    Ok(alone)
}

impl Leaving {
    /// Ends the memberships once the account is held, and deletes the organizations that it is the only member of.
    ///
    /// # Errors
    /// `conflict` if it has joined another one meanwhile.
    pub(crate) async fn leave(self, tx: &mut Tx, actor: &Actor, changes: &mut Changes) -> Result<()> {
        if store::all_of(tx, self.user).await? != self.all {
            return Err(codes::CONFLICT.into());
        }
        for id in self.all {
            if self.alone.contains(&id) {
                lifecycle::end(tx, id, Duration::ZERO, changes).await?;
            }
            if self.owned.contains(&id) {
                let notice = Notice::new(MailKind::OwnerRemoved, self.user, actor.user_id);
                tell_owners(tx, id, notice).await?;
            }
            end_what_was_made(tx, actor, id, self.user, changes).await?;
            tx.emit(&MemberRemoved {
                organization_id: id,
                user_id: self.user,
            })
            .await?;
            let entry = Entry::by(actor, "member.leave", "account", Some(self.user.uuid()));
            tx.audit(&entry.organization(id)).await?;
        }
        Ok(())
    }
}
