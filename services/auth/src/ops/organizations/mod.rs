//! Organizations: people who own things together.

pub(crate) mod api_keys;
pub(crate) mod domains;
pub(crate) mod invitations;
pub(crate) mod lifecycle;
pub(crate) mod mails;
pub(crate) mod members;
pub(crate) mod picture;

use serde::{Deserialize, Serialize};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, OrganizationId, OrganizationRole, Page, PageRequest, Principal, UserId, codes};

use crate::{
    ctx::Ctx,
    error::{Error, Result},
    jobs::TellOwners,
    notifications::MailKind,
    ops::{
        origin::Origin,
        prove_again::{ProvenAgain, prove_again},
    },
    password::Password,
    store::{accounts, members as store, organizations},
};

pub(crate) use store::Standing;

impl Standing {
    /// # Errors
    /// Where the role is less than `least`.
    pub(crate) fn at_least(self, least: OrganizationRole) -> Result<Self> {
        if self.role >= least {
            Ok(self)
        } else {
            Err(codes::ORGANIZATION_ROLE_REQUIRED.into())
        }
    }
}

/// A password, and a code where the account asks for one: given once more, for a stolen session must not do everything.
#[derive(Clone, Copy)]
pub(crate) struct Proof<'a> {
    /// None where most requests need no proof; those that do are refused without one.
    pub(crate) password: Option<&'a Password>,
    pub(crate) code: Option<&'a str>,
}

impl Proof<'_> {
    async fn check(self, ctx: &Ctx, actor: &Actor) -> Result<ProvenAgain> {
        let password = self.password.ok_or_else(|| {
            let message = "Send your password along: this needs it once more".to_owned();
            Error::Field("password", "required", message)
        })?;
        let (code, origin) = (self.code, Origin::of(&actor.request));
        prove_again(ctx, actor.user_id, password, code, "totp", &origin).await
    }
}

/// What the caller is in an organization that is not deleted, read as it is now. An organization that they are not a member of is not found.
pub(crate) async fn standing(ctx: &Ctx, caller: &Principal, id: OrganizationId) -> Result<Standing> {
    let role = match caller.organization_id {
        // A key's role is its own. That the organization is not deleted was seen when the key was checked.
        Some(_) => caller.memberships.role_in(id),
        None => store::role_of(&ctx.db, id, caller.user_id).await?,
    };
    let role = role.ok_or(codes::NOT_FOUND)?;
    let organization = organizations::find(&ctx.db, id).await?.ok_or(codes::NOT_FOUND)?;
    Ok(Standing { organization, role })
}

/// The organizations of the caller, the oldest first; for an organization's key that one.
pub(crate) async fn list(ctx: &Ctx, caller: &Principal, page: &PageRequest) -> Result<Page<Standing>> {
    if let Some(id) = caller.organization_id {
        let only = standing(ctx, caller, id).await?;
        return Ok(Page {
            items: vec![only],
            next_cursor: None,
        });
    }
    Ok(store::joined(&ctx.db, caller.user_id, page).await?)
}

/// [`standing`] within a transaction, with the organization held until its end. Only members hold it.
pub(crate) async fn hold(
    tx: &mut Tx,
    user: UserId,
    id: OrganizationId,
    least: OrganizationRole,
) -> Result<Standing> {
    let standing = hold_any(tx, user, id).await?;
    if standing.organization.purge_at.is_some() {
        return Err(codes::NOT_FOUND.into());
    }
    standing.at_least(least)
}

/// The same in any role, also of an organization that is deleted.
async fn hold_any(tx: &mut Tx, user: UserId, id: OrganizationId) -> Result<Standing> {
    if store::role_in(tx, id, user).await?.is_none() {
        return Err(codes::NOT_FOUND.into());
    }
    let organization = organizations::hold(tx, id).await?.ok_or(codes::NOT_FOUND)?;
    // Read again: it may have changed before the organization was held.
    let role = store::role_in(tx, id, user).await?.ok_or(codes::NOT_FOUND)?;
    Ok(Standing { organization, role })
}

/// Holds two accounts in the order of their ids, as all who hold several do.
async fn hold_accounts(tx: &mut Tx, one: UserId, other: UserId) -> Result<()> {
    accounts::hold(tx, one.min(other)).await?;
    accounts::hold(tx, one.max(other)).await?;
    Ok(())
}

/// Whether who gives this role proves again who they are: it can make more of its kind, and keys.
fn needs_proof(role: OrganizationRole) -> bool {
    role >= OrganizationRole::Admin
}

/// What the owners of an organization are told of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Notice {
    pub(crate) kind: MailKind,
    /// To whom it was done.
    pub(crate) about: UserId,
    pub(crate) by: UserId,
    /// The domain that it is about, if it is about one.
    pub(crate) domain: Option<String>,
}

impl Notice {
    pub(crate) fn new(kind: MailKind, about: UserId, by: UserId) -> Self {
        Self {
            kind,
            about,
            by,
            domain: None,
        }
    }
}

/// Leaves mails to the owners of an organization to be sent after the commit.
pub(crate) async fn tell_owners(tx: &mut Tx, organization_id: OrganizationId, notice: Notice) -> Result<()> {
    tx.enqueue(&TellOwners {
        organization_id,
        notice,
    })
    .await?;
    Ok(())
}
