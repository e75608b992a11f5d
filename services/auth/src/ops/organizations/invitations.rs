//! Invitations: sent by mail, accepted, declined, revoked; and colleagues who join by the domain of their address.

use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_kernel::{Actor, OrganizationId, OrganizationRole, Page, PageRequest, RequestFacts, UserId, codes};

use super::{Notice, Proof, Standing, hold, lifecycle::join, mails, tell_owners};
use crate::{
    ctx::Ctx,
    email::Email,
    error::{
        ALREADY_MEMBER, EMAIL_NOT_VERIFIED, INVITATION_FOR_ANOTHER, INVITATION_INVALID, INVITATION_NEEDED,
        Result, TOO_MANY_INVITATIONS,
    },
    notifications::MailKind,
    ops::{changes::Changes, origin::Origin, prove_again::ProvenAgain},
    store::{
        accounts::{self, Account},
        domains,
        invitations::{self as store, Invitation, InvitationId},
        members,
        organizations::{self, Organization},
    },
    tokens::{LinkPurpose, link_id},
};

/// Invites an address, whether it has an account or not. To invite an admin or an owner takes a proof. An invitation that it has already is replaced, and its link no longer works.
pub(crate) async fn create(
    ctx: &Ctx,
    actor: &Actor,
    id: OrganizationId,
    email: &Email,
    role: OrganizationRole,
    proof: Proof<'_>,
) -> Result<Invitation> {
    let least = least_to_invite(role);
    super::standing(ctx, actor, id).await?.at_least(least)?;
    verified(ctx, actor.user_id).await?;
    email.check(&ctx.config)?;
    let invited = accounts::by_email_key(&ctx.db, &email.key).await?;
    if let Some(account) = &invited
        && members::role_of(&ctx.db, id, account.id).await?.is_some()
    {
        return Err(ALREADY_MEMBER.into());
    }
    let proven = if super::needs_proof(role) {
        Some(proof.check(ctx, actor).await?)
    } else {
        None
    };
    // What is refused before uses nothing up.
    ctx.lockout
        .invitation(actor.user_id, actor.request.address, &email.key)
        .await?;
    let mut tx = ctx.db.begin().await?;
    let caller = hold(&mut tx, actor.user_id, id, least).await?;
    if let Some(proven) = proven {
        proven.hold(&mut tx).await?;
    }
    if let Some(account) = invited
        && members::role_in(&mut tx, id, account.id).await?.is_some()
    {
        return Err(ALREADY_MEMBER.into());
    }
    if let Some(former) = store::to_address(&mut tx, id, &email.key).await? {
        caller.at_least(former.role)?;
    }
    let expires_at = ctx.clock.after(ctx.config.organizations.invitation_lifetime.0);
    let invitation = store::replace(&mut tx, id, email, role, actor.user_id, expires_at).await?;
    if store::count(&mut tx, id).await? > i64::from(ctx.config.organizations.invitations_max) {
        return Err(TOO_MANY_INVITATIONS.into());
    }
    mails::invite(ctx, &mut tx, invitation.id).await?;
    note(&mut tx, actor, "invitation.create", &invitation).await?;
    tx.commit().await?;
    Ok(invitation)
}

/// Revokes an invitation: its link no longer works.
pub(crate) async fn revoke(
    ctx: &Ctx,
    actor: &Actor,
    id: OrganizationId,
    invitation: InvitationId,
) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    let caller = hold(&mut tx, actor.user_id, id, OrganizationRole::Admin).await?;
    let removed = store::remove(&mut tx, id, invitation).await?;
    caller.at_least(removed.ok_or(codes::NOT_FOUND)?)?;
    let kind = "invitation";
    let entry = Entry::by(actor, "invitation.revoke", kind, Some(invitation.uuid()));
    tx.audit(&entry.organization(id)).await?;
    Ok(tx.commit().await?)
}

/// An invitation and the organization that it is to.
pub(crate) struct Offer {
    pub(crate) invitation: Invitation,
    pub(crate) organization: Organization,
}

/// What the link of an invitation's mail offers, for anybody who has the link.
pub(crate) async fn offer(ctx: &Ctx, token: &str) -> Result<Offer> {
    let id = link_id(ctx, LinkPurpose::Invitation, token)?.ok_or(INVITATION_INVALID)?;
    open(ctx, InvitationId::from_uuid(id)).await
}

async fn open(ctx: &Ctx, id: InvitationId) -> Result<Offer> {
    let invitation = store::find(&ctx.db, id).await?.ok_or(INVITATION_INVALID)?;
    let organization = organizations::find(&ctx.db, invitation.organization_id).await?;
    let offer = Offer {
        organization: organization.ok_or(INVITATION_INVALID)?,
        invitation,
    };
    if offer.stands(ctx).await? {
        Ok(offer)
    } else {
        Err(INVITATION_INVALID.into())
    }
}

impl Offer {
    /// Whether the organization is not deleted, and the person who sent the invitation could send it now.
    async fn stands(&self, ctx: &Ctx) -> Result<bool> {
        let (id, inviter) = (self.organization.id, self.invitation.invited_by);
        let role = members::role_of(&ctx.db, id, inviter).await?;
        let account = accounts::by_id(&ctx.db, inviter).await?;
        let enabled = account.is_some_and(|account| account.disabled_at.is_none());
        Ok(enabled && role >= Some(least_to_invite(self.invitation.role)))
    }
}

/// The invitations to the caller's address, newest first; none while it is not verified.
pub(crate) async fn list_to(ctx: &Ctx, user: UserId, page: &PageRequest) -> Result<Page<Offer>> {
    let account = account(ctx, user).await?;
    if account.email_verified_at.is_none() {
        return Ok(Page {
            items: Vec::new(),
            next_cursor: None,
        });
    }
    let found = store::list_to(&ctx.db, &account.email_key, page).await?;
    let mut items = Vec::with_capacity(found.items.len());
    for invitation in found.items {
        let organization = organizations::find(&ctx.db, invitation.organization_id).await?;
        let Some(organization) = organization else {
            continue;
        };
        let offer = Offer {
            invitation,
            organization,
        };
        if offer.stands(ctx).await? {
            items.push(offer);
        }
    }
    Ok(Page {
        items,
        next_cursor: found.next_cursor,
    })
}

/// The invitation that a person may answer: by its link, or by its id where their address is verified. The second value is whether they
/// have shown by the link that the address is theirs.
async fn addressed(ctx: &Ctx, account: &Account, token: &str) -> Result<(Offer, bool)> {
    let by_link = link_id(ctx, LinkPurpose::Invitation, token)?;
    let by_id = account.email_verified_at.and_then(|_| token.parse().ok());
    let id = by_link
        .map(InvitationId::from_uuid)
        .or(by_id)
        .ok_or(INVITATION_INVALID)?;
    let offer = open(ctx, id).await?;
    if offer.invitation.email_key == account.email_key {
        Ok((offer, by_link.is_some()))
    } else if by_link.is_some() {
        Err(INVITATION_FOR_ANOTHER.into())
    } else {
        Err(INVITATION_INVALID.into())
    }
}

/// Accepts an invitation to the caller's address: they are a member from now on. Its link shows that the address is theirs. `proven`: what
/// they have proven in place of a session.
pub(crate) async fn accept(
    ctx: &Ctx,
    actor: &Actor,
    token: &str,
    proven: Option<ProvenAgain>,
) -> Result<Standing> {
    let account = account(ctx, actor.user_id).await?;
    let (offer, by_link) = addressed(ctx, &account, token).await?;
    let (id, role) = (offer.organization.id, offer.invitation.role);
    let mut tx = ctx.db.begin().await?;
    let organization = organizations::hold(&mut tx, id)
        .await?
        .ok_or(INVITATION_INVALID)?;
    if organization.purge_at.is_some() {
        return Err(INVITATION_INVALID.into());
    }
    let inviter = offer.invitation.invited_by;
    if !may_still_invite(&mut tx, id, inviter, role).await? {
        return Err(INVITATION_INVALID.into());
    }
    if !accounts::hold(&mut tx, account.id).await? || !accounts::is_enabled(&mut tx, account.id).await? {
        return Err(codes::UNAUTHENTICATED.into());
    }
    if let Some(proven) = proven {
        proven.hold(&mut tx).await?;
    }
    let invitation = store::take(&mut tx, offer.invitation.id)
        .await?
        .ok_or(INVITATION_INVALID)?;
    if by_link && accounts::set_verified(&mut tx, account.id).await? {
        let kind = "account";
        tx.audit(&Entry::by(actor, "email.verify", kind, Some(account.id.uuid())))
            .await?;
    }
    let (standing, mut changes) = (Standing { organization, role }, Changes::default());
    join(ctx, &mut tx, account.id, &standing, &mut changes).await?;
    note(&mut tx, actor, "invitation.accept", &invitation).await?;
    if role == OrganizationRole::Owner {
        let notice = Notice::new(MailKind::OwnerAdded, account.id, inviter);
        tell_owners(&mut tx, id, notice).await?;
    }
    changes.commit(ctx, tx).await?;
    Ok(standing)
}

/// Declines an invitation to the caller's address.
pub(crate) async fn decline(ctx: &Ctx, actor: &Actor, token: &str) -> Result<()> {
    let account = account(ctx, actor.user_id).await?;
    let (offer, _) = addressed(ctx, &account, token).await?;
    end_declined(ctx, offer, Some(account.id), &actor.request).await
}

/// Declines an invitation by the link of its mail; no account is needed.
pub(crate) async fn decline_by_link(ctx: &Ctx, token: &str, request: &RequestFacts) -> Result<()> {
    end_declined(ctx, offer(ctx, token).await?, None, request).await
}

async fn end_declined(ctx: &Ctx, offer: Offer, by: Option<UserId>, request: &RequestFacts) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    let invitation = store::take(&mut tx, offer.invitation.id)
        .await?
        .ok_or(INVITATION_INVALID)?;
    let (origin, id) = (Origin::of(request), Some(invitation.id.uuid()));
    let entry = origin.entry(by, "invitation.decline", "invitation", id);
    tx.audit(&described(entry, &invitation)).await?;
    Ok(tx.commit().await?)
}

/// Makes the caller a member of an organization that has verified the domain of their address.
pub(crate) async fn join_by_domain(ctx: &Ctx, actor: &Actor, id: OrganizationId) -> Result<Standing> {
    let account = verified(ctx, actor.user_id).await?;
    let domain = domain_of(&account);
    if domains::role_for(&ctx.db, id, domain).await?.is_none() {
        return Err(codes::NOT_FOUND.into());
    }
    let mut tx = ctx.db.begin().await?;
    let organization = organizations::hold(&mut tx, id).await?.ok_or(codes::NOT_FOUND)?;
    let role = domains::role_in(&mut tx, id, domain)
        .await?
        .ok_or(codes::NOT_FOUND)?;
    if organization.purge_at.is_some() || !accounts::hold(&mut tx, account.id).await? {
        return Err(codes::NOT_FOUND.into());
    }
    if !accounts::is_enabled(&mut tx, account.id).await? {
        return Err(codes::UNAUTHENTICATED.into());
    }
    if members::has_left(&mut tx, id, account.id).await? {
        return Err(INVITATION_NEEDED.into());
    }
    store::remove_to_address(&mut tx, id, &account.email_key).await?;
    let (standing, mut changes) = (Standing { organization, role }, Changes::default());
    join(ctx, &mut tx, account.id, &standing, &mut changes).await?;
    let entry = Entry::by(actor, "member.join", "account", Some(account.id.uuid())).organization(id);
    tx.audit(&entry.detail(serde_json::json!({ "role": role })))
        .await?;
    changes.commit(ctx, tx).await?;
    Ok(standing)
}

/// The organizations that the caller may join by the domain of their address, `limit` of them at most; none while it is not verified.
pub(crate) async fn joinable(ctx: &Ctx, user: UserId, limit: u32) -> Result<Vec<domains::Joinable>> {
    let account = account(ctx, user).await?;
    if account.email_verified_at.is_none() {
        return Ok(Vec::new());
    }
    Ok(domains::joinable(&ctx.db, domain_of(&account), user, limit).await?)
}

/// Whether the person who sent an invitation could send it now.
async fn may_still_invite(
    tx: &mut Tx,
    id: OrganizationId,
    inviter: UserId,
    role: OrganizationRole,
) -> Result<bool> {
    let standing = members::role_in(tx, id, inviter).await?;
    Ok(standing >= Some(least_to_invite(role)) && accounts::is_enabled(tx, inviter).await?)
}

/// The least role that may offer this one.
fn least_to_invite(role: OrganizationRole) -> OrganizationRole {
    OrganizationRole::Admin.max(role)
}

pub(crate) async fn account(ctx: &Ctx, user: UserId) -> Result<Account> {
    let account = accounts::by_id(&ctx.db, user).await?;
    account.ok_or_else(|| codes::UNAUTHENTICATED.into())
}

/// The account of somebody who has shown that the address is theirs.
pub(crate) async fn verified(ctx: &Ctx, user: UserId) -> Result<Account> {
    let account = account(ctx, user).await?;
    if account.email_verified_at.is_some() {
        Ok(account)
    } else {
        Err(EMAIL_NOT_VERIFIED.into())
    }
}

fn domain_of(account: &Account) -> &str {
    account
        .email_key
        .rsplit_once('@')
        .map_or("", |(_, domain)| domain)
}

async fn note(tx: &mut Tx, actor: &Actor, action: &str, invitation: &Invitation) -> Result<()> {
    let entry = Entry::by(actor, action, "invitation", Some(invitation.id.uuid()));
    Ok(tx.audit(&described(entry, invitation)).await?)
}

fn described<'a>(entry: Entry<'a>, invitation: &Invitation) -> Entry<'a> {
    let entry = entry.organization(invitation.organization_id);
    entry.detail(serde_json::json!({ "role": invitation.role }))
}
