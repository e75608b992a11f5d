//! What the mails about organizations say beside the data of their notifications.

use serde::{Deserialize, Serialize};
use serde_json::json;
use stoa_db::Tx;
use stoa_kernel::{OrganizationId, UserId};
use stoa_notifications_api::{Recipients, Reference};

use super::Notice;
use crate::{
    ctx::Ctx,
    error::Result,
    notifications::MailKind,
    ops::mails::{Prepared, ask, ask_for_reference},
    store::{
        accounts,
        domains::{self, DomainId},
        invitations::{self, InvitationId},
        organizations::{self, Organization},
    },
    tokens::{LinkPurpose, link_token},
};

const WITHDRAWN: Prepared = Prepared::NotNeeded("it was withdrawn or answered");

/// The data of an invitation's mail.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invitation {
    invitation_id: InvitationId,
}

/// The data of a mail to the administrators of a domain.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claim {
    domain_id: DomainId,
    /// What stands before the `@`.
    mailbox: String,
}

/// The data of what owners are told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    organization_id: OrganizationId,
    /// Its name.
    organization: String,
    about_id: UserId,
    by_id: UserId,
    domain: String,
    /// Until when it can be restored; empty where that is not so.
    purge_at: String,
}

/// Asks for the mail of an invitation.
pub(crate) async fn invite(ctx: &Ctx, tx: &mut Tx, invitation_id: InvitationId) -> Result<()> {
    let reference = Reference {
        kind: "invitation".to_owned(),
        id: invitation_id.uuid(),
    };
    let data = json!(Invitation { invitation_id });
    ask_for_reference(ctx, tx, MailKind::Invitation, reference, data).await
}

/// Asks for the mail to a mailbox of a domain that is to be verified.
pub(crate) async fn claim(ctx: &Ctx, tx: &mut Tx, domain_id: DomainId, mailbox: &str) -> Result<()> {
    let reference = Reference {
        kind: "domain".to_owned(),
        id: domain_id.uuid(),
    };
    let mailbox = mailbox.to_owned();
    let data = json!(Claim { domain_id, mailbox });
    ask_for_reference(ctx, tx, MailKind::Domain, reference, data).await
}

/// Asks for the mails that tell people what was done to an organization.
pub(crate) async fn tell(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: &Organization,
    notice: &Notice,
    people: Vec<UserId>,
) -> Result<()> {
    let deleted = notice.kind == MailKind::OrganizationDeleted;
    let purge_at = organization.purge_at.filter(|_| deleted);
    let data = json!(Told {
        organization_id: organization.id,
        organization: organization.name.clone(),
        about_id: notice.about,
        by_id: notice.by,
        domain: notice.domain.clone().unwrap_or_default(),
        purge_at: purge_at.map_or_else(String::new, |at| at.to_string()),
    });
    ask(ctx, tx, notice.kind, Recipients::Users(people), data).await
}

/// The mail of an invitation, if it is still pending.
pub(crate) async fn invitation(ctx: &Ctx, asked: Invitation) -> Result<Prepared> {
    let Some(invitation) = invitations::find(&ctx.db, asked.invitation_id).await? else {
        return Ok(WITHDRAWN);
    };
    let Some(organization) = active(ctx, invitation.organization_id).await? else {
        return Ok(WITHDRAWN);
    };
    let Some(by) = address(ctx, invitation.invited_by).await? else {
        return Ok(WITHDRAWN);
    };
    let token = link_token(ctx, LinkPurpose::Invitation, invitation.id.uuid())?;
    let details = json!({
        "link": format!("{}/auth/invitation?token={token}", ctx.public_url),
        "works_for": ctx.config.organizations.invitation_lifetime.0.as_secs(),
        "organization": organization.name,
        "by": by,
        "role": invitation.role,
    });
    Ok(Prepared::to(Some(invitation.email), details))
}

/// The mail to a mailbox of a domain that is to be verified, if it is still pending.
pub(crate) async fn domain(ctx: &Ctx, asked: Claim) -> Result<Prepared> {
    let waiting = domains::find(&ctx.db, asked.domain_id).await?;
    let Some(waiting) = waiting.filter(|domain| domain.verified_at.is_none()) else {
        return Ok(WITHDRAWN);
    };
    let Some(organization) = active(ctx, waiting.organization_id).await? else {
        return Ok(WITHDRAWN);
    };
    let Some(by) = address(ctx, waiting.claimed_by).await? else {
        return Ok(WITHDRAWN);
    };
    let token = link_token(ctx, LinkPurpose::Domain, waiting.id.uuid())?;
    let email = format!("{}@{}", asked.mailbox, waiting.domain);
    let details = json!({
        "link": format!("{}/auth/domain?token={token}", ctx.public_url),
        "works_for": domains::WAITS.unsigned_abs().as_secs(),
        "organization": organization.name,
        "by": by,
        "role": waiting.role,
        "domain": waiting.domain,
    });
    Ok(Prepared::to(Some(email), details))
}

/// The mail that tells somebody what was done to an organization, unless it is gone. The address of who is erased by now is empty.
pub(crate) async fn notice(ctx: &Ctx, told: Told) -> Result<Prepared> {
    if organizations::find(&ctx.db, told.organization_id)
        .await?
        .is_none()
    {
        return Ok(Prepared::NotNeeded("the organization is gone"));
    }
    let name_of = async |user| -> Result<String> {
        let account = accounts::by_id(&ctx.db, user).await?;
        Ok(account.map_or_else(String::new, |account| account.email))
    };
    Ok(Prepared::details(json!({
        "by": name_of(told.by_id).await?,
        "about": name_of(told.about_id).await?,
    })))
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
