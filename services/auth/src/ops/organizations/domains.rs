//! E-mail domains whose people may join an organization.

use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_kernel::{Actor, OrganizationId, OrganizationRole, RequestFacts, codes};

use super::{Notice, Proof, hold, invitations::verified, mails, tell_owners};
use crate::{
    ctx::Ctx,
    email::Email,
    error::{DOMAIN_VERIFIED, Error, LINK_INVALID, Result, TOO_MANY_DOMAINS},
    notifications::MailKind,
    ops::origin::Origin,
    store::{
        accounts,
        domains::{self as store, Domain, DomainId},
        members,
        organizations::{self, Organization},
    },
    tokens::{LinkPurpose, link_id},
};

/// Domains of one organization.
const MOST: i64 = 20;

/// The mailboxes that a domain can be verified by: those that only its administrators are given (RFC 2142, and the baseline requirements
/// of the CA/Browser Forum, 3.2.2.4.4).
pub(crate) const MAILBOXES: [&str; 5] = ["admin", "administrator", "hostmaster", "postmaster", "webmaster"];

/// What an owner asks for.
pub(crate) struct Claim<'a> {
    pub(crate) domain: &'a str,
    /// One of [`MAILBOXES`].
    pub(crate) mailbox: &'a str,
    /// What people who join become.
    pub(crate) role: OrganizationRole,
}

/// Asks the administrators of a domain, for an owner who proves again who they are, by a mail to one of its [`MAILBOXES`], whether its people may join the organization.
pub(crate) async fn claim(
    ctx: &Ctx,
    actor: &Actor,
    id: OrganizationId,
    claim: Claim<'_>,
    proof: Proof<'_>,
) -> Result<Domain> {
    let Claim {
        domain,
        mailbox,
        role,
    } = claim;
    super::standing(ctx, actor, id)
        .await?
        .at_least(OrganizationRole::Owner)?;
    verified(ctx, actor.user_id).await?;
    let not_a_domain = || Error::Field("domain", "format", "Not a domain that receives mail".to_owned());
    let email = Email::parse(&format!("{mailbox}@{domain}")).ok_or_else(not_a_domain)?;
    let (_, domain) = email.key.rsplit_once('@').ok_or_else(not_a_domain)?;
    if crate::email::is_public(domain) {
        let message = "Anybody can have an address at this domain, so it belongs to no organization";
        return Err(Error::Field("domain", "public_domain", message.to_owned()));
    }
    let proven = proof.check(ctx, actor).await?;
    ctx.lockout
        .invitation(actor.user_id, actor.request.address, &email.key)
        .await?;
    let mut tx = ctx.db.begin().await?;
    hold(&mut tx, actor.user_id, id, OrganizationRole::Owner).await?;
    proven.hold(&mut tx).await?;
    let claimed = store::claim(&mut tx, id, domain, role, actor.user_id).await?;
    let claimed = claimed.ok_or(DOMAIN_VERIFIED)?;
    if store::count(&mut tx, id).await? > MOST {
        return Err(TOO_MANY_DOMAINS.into());
    }
    mails::claim(ctx, &mut tx, claimed.id, mailbox).await?;
    let entry = Entry::by(actor, "domain.claim", "domain", Some(claimed.id.uuid())).organization(id);
    tx.audit(&entry.detail(serde_json::json!({ "domain": domain, "role": role })))
        .await?;
    tx.commit().await?;
    Ok(claimed)
}

/// What the link of a mail to the administrators of a domain asks.
pub(crate) async fn asked(ctx: &Ctx, token: &str) -> Result<(Domain, Organization)> {
    let id = link_id(ctx, LinkPurpose::Domain, token)?.ok_or(LINK_INVALID)?;
    let waiting = store::find(&ctx.db, DomainId::from_uuid(id)).await?;
    let waiting = waiting.ok_or(LINK_INVALID)?;
    let waits_since = ctx.clock.now().saturating_sub(store::WAITS);
    let waits = waiting.verified_at.is_none();
    if waits && waits_since.is_ok_and(|since| waiting.created_at < since) {
        return Err(LINK_INVALID.into());
    }
    let organization = organizations::find(&ctx.db, waiting.organization_id).await?;
    let organization = organization.filter(|one| one.purge_at.is_none());
    Ok((waiting, organization.ok_or(LINK_INVALID)?))
}

/// Verifies a domain by the link of the mail to its administrators. They need no account.
pub(crate) async fn verify(ctx: &Ctx, token: &str, request: &RequestFacts) -> Result<Domain> {
    let (waiting, _) = asked(ctx, token).await?;
    let id = waiting.id;
    let mut tx = ctx.db.begin().await?;
    let held = organizations::hold(&mut tx, waiting.organization_id).await?;
    if held.is_none_or(|organization| organization.purge_at.is_some()) {
        return Err(LINK_INVALID.into());
    }
    let is_new = waiting.verified_at.is_none();
    if is_new && !claimer_is_owner(&mut tx, &waiting).await? {
        return Err(LINK_INVALID.into());
    }
    let verified = store::verify(&mut tx, id).await?.ok_or(LINK_INVALID)?;
    if is_new {
        let origin = Origin::of(request);
        let entry = origin.entry(None, "domain.verify", "domain", Some(id.uuid()));
        tx.audit(&entry.organization(verified.organization_id)).await?;
        let by = verified.claimed_by;
        let notice = Notice {
            domain: Some(verified.domain.clone()),
            ..Notice::new(MailKind::DomainVerified, by, by)
        };
        tell_owners(&mut tx, verified.organization_id, notice).await?;
    }
    tx.commit().await?;
    Ok(verified)
}

/// Refuses a domain by the link of the mail to its administrators, or takes back that they have allowed it. Those who have joined stay.
pub(crate) async fn refuse(ctx: &Ctx, token: &str, request: &RequestFacts) -> Result<()> {
    let id = link_id(ctx, LinkPurpose::Domain, token)?.ok_or(LINK_INVALID)?;
    let domain = store::find(&ctx.db, DomainId::from_uuid(id)).await?;
    let domain = domain.ok_or(LINK_INVALID)?;
    let mut tx = ctx.db.begin().await?;
    organizations::hold(&mut tx, domain.organization_id).await?;
    let removed = store::remove(&mut tx, domain.organization_id, domain.id).await?;
    removed.ok_or(LINK_INVALID)?;
    let (origin, id) = (Origin::of(request), Some(domain.id.uuid()));
    let entry = origin.entry(None, "domain.refuse", "domain", id);
    tx.audit(&entry.organization(domain.organization_id)).await?;
    Ok(tx.commit().await?)
}

/// Whether the person who claimed a domain could claim it now.
async fn claimer_is_owner(tx: &mut Tx, waiting: &Domain) -> Result<bool> {
    let role = members::role_in(tx, waiting.organization_id, waiting.claimed_by).await?;
    Ok(role == Some(OrganizationRole::Owner) && accounts::is_enabled(tx, waiting.claimed_by).await?)
}

/// Takes a domain from an organization. Those who have joined by it stay.
pub(crate) async fn remove(ctx: &Ctx, actor: &Actor, id: OrganizationId, domain: DomainId) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    hold(&mut tx, actor.user_id, id, OrganizationRole::Owner).await?;
    if store::remove(&mut tx, id, domain).await?.is_none() {
        return Err(codes::NOT_FOUND.into());
    }
    let entry = Entry::by(actor, "domain.remove", "domain", Some(domain.uuid()));
    tx.audit(&entry.organization(id)).await?;
    Ok(tx.commit().await?)
}
