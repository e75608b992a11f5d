//! What the mails about organizations say.

use stoa_kernel::{OrganizationId, UserId};

use super::Notice;
use crate::{
    ctx::Ctx,
    error::Result,
    mails::{Content, MailKind, in_words, with_article},
    store::{
        accounts::{self, Account},
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
    let Some(by) = address(ctx, invitation.invited_by).await? else {
        return Ok(None);
    };
    let token = link_token(ctx, LinkPurpose::Invitation, id.uuid())?;
    Ok(Some(Content {
        link: format!("{}/auth/invitation?token={token}", ctx.public_url),
        works_for: in_words(ctx.config.organizations.invitation_lifetime.0),
        organization: organization.name,
        by,
        role: with_article(invitation.role),
        ..Content::to(ctx, invitation.email)
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
    let Some(by) = address(ctx, waiting.claimed_by).await? else {
        return Ok(None);
    };
    let token = link_token(ctx, LinkPurpose::Domain, id.uuid())?;
    let email = format!("{mailbox}@{}", waiting.domain);
    Ok(Some(Content {
        link: format!("{}/auth/domain?token={token}", ctx.public_url),
        works_for: in_words(domains::WAITS.unsigned_abs()),
        organization: organization.name,
        by,
        role: with_article(waiting.role),
        domain: waiting.domain,
        ..Content::to(ctx, email)
    }))
}

/// The mail that tells somebody what was done to an organization; none if it is gone. Somebody who is erased by now is named "somebody".
pub(crate) async fn notice(
    ctx: &Ctx,
    account: Account,
    organization: OrganizationId,
    notice: &Notice,
) -> Result<Option<Content>> {
    let Some(organization) = organizations::find(&ctx.db, organization).await? else {
        return Ok(None);
    };
    let name_of = async |user| -> Result<String> {
        let account = accounts::by_id(&ctx.db, user).await?;
        Ok(account.map_or_else(|| "somebody".to_owned(), |account| account.email))
    };
    let purge_at = organization
        .purge_at
        .filter(|_| notice.kind == MailKind::OrganizationDeleted);
    Ok(Some(Content {
        organization: organization.name,
        by: name_of(notice.by).await?,
        about: name_of(notice.about).await?,
        domain: notice.domain.clone().unwrap_or_default(),
        purge_at: purge_at
            .map(|at| at.strftime("%-d %B %Y, %H:%M UTC").to_string())
            .unwrap_or_default(),
        ..Content::to(ctx, account.email)
    }))
}

async fn active(ctx: &Ctx, id: OrganizationId) -> Result<Option<Organization>> {
    let organization = organizations::find(&ctx.db, id).await?;
    Ok(organization.filter(|organization| organization.purge_at.is_none()))
}

/// The address of an account that is not disabled.
async fn address(ctx: &Ctx, user: UserId) -> Result<Option<String>> {
    let account = accounts::by_id(&ctx.db, user).await?;
    let enabled = account.filter(|account| account.disabled_at.is_none());
    Ok(enabled.map(|account| account.email))
}
