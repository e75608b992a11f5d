//! What the mails about organizations say.

use stoa_kernel::UserId;

use crate::{
    ctx::Ctx,
    error::Result,
    mails::{Content, in_words},
    store::{
        accounts,
        domains::{self, DomainId},
        invitations::{self, InvitationId},
        organizations::{self, Organization},
    },
    tokens::{LinkPurpose, link_token},
};

/// The mail of an invitation; none if it is no longer pending.
pub(crate) async fn invitation(ctx: &Ctx, id: InvitationId) -> Result<Option<Content>> {
    let Some(invitation) = invitations::find(&ctx.db, id).await? else {
        return Ok(None);
    };
    let Some(organization) = active(ctx, invitation.organization_id).await? else {
        return Ok(None);
    };
    let Some(inviter) = address(ctx, invitation.invited_by).await? else {
        return Ok(None);
    };
    let token = link_token(ctx, LinkPurpose::Invitation, id.uuid())?;
    Ok(Some(Content {
        product: ctx.config.totp_issuer.clone(),
        email: invitation.email,
        link: format!("{}/auth/invitation?token={token}", ctx.public_url),
        works_for: in_words(ctx.config.organizations.invitation_lifetime.0),
        organization: organization.name,
        inviter,
        role: invitation.role.name(),
        domain: String::new(),
    }))
}

/// The mail to a mailbox of a domain that is to be verified; none if it is no longer pending.
pub(crate) async fn domain(ctx: &Ctx, id: DomainId, mailbox: &str) -> Result<Option<Content>> {
    let waiting = domains::find(&ctx.db, id).await?;
    let Some(waiting) = waiting.filter(|domain| domain.verified_at.is_none()) else {
        return Ok(None);
    };
    let Some(organization) = active(ctx, waiting.organization_id).await? else {
        return Ok(None);
    };
    let Some(inviter) = address(ctx, waiting.claimed_by).await? else {
        return Ok(None);
    };
    let token = link_token(ctx, LinkPurpose::Domain, id.uuid())?;
    Ok(Some(Content {
        product: ctx.config.totp_issuer.clone(),
        email: format!("{mailbox}@{}", waiting.domain),
        link: format!("{}/auth/domain?token={token}", ctx.public_url),
        works_for: in_words(domains::WAITS.unsigned_abs()),
        organization: organization.name,
        inviter,
        role: waiting.role.name(),
        domain: waiting.domain,
    }))
}

async fn active(ctx: &Ctx, id: stoa_kernel::OrganizationId) -> Result<Option<Organization>> {
    let organization = organizations::find(&ctx.db, id).await?;
    Ok(organization.filter(|organization| organization.purge_at.is_none()))
}

/// The address of an account that is not disabled.
async fn address(ctx: &Ctx, user: UserId) -> Result<Option<String>> {
    let account = accounts::by_id(&ctx.db, user).await?;
    let enabled = account.filter(|account| account.disabled_at.is_none());
    Ok(enabled.map(|account| account.email))
}
