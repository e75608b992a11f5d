//! Who may follow a channel, and who may publish to it.

use std::borrow::Cow;

use stoa_events::Channel;
use stoa_kernel::{Decision, OrganizationId, Owner, Permissions, Principal, Reason, Resource, UserId};
use stoa_service::{ChannelInfo, ChannelPermission, ChannelSubject};
use uuid::Uuid;

use crate::{ctx::Ctx, error::Error};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To subscribe, to read the history, and to see who is there.
    Follow,
    Publish,
}

/// A channel that somebody may do this to.
#[derive(Clone, Copy)]
pub(crate) struct Allowed {
    pub(crate) info: ChannelInfo,
    /// The rule that decided.
    pub(crate) reason: Reason,
}

/// Whether `principal` may do this to the channel.
///
/// # Errors
/// [`Error::NotFound`] where there can be no such channel, or it is of an organization that they are no member of; what else forbids it.
pub(crate) async fn allow(
    ctx: &Ctx,
    principal: &Principal,
    channel: &Channel,
    wish: Wish,
) -> Result<Allowed, Error> {
    let info = ctx.kind_of(channel).ok_or(Error::NotFound)?;
    let permission = match wish {
        Wish::Follow => info.subscribe,
        Wish::Publish => info.publish.ok_or(Error::ReadOnly)?,
    };
    let resource = subject(info.subject, channel).ok_or(Error::NotFound)?;
    let asking = match info.subject {
        ChannelSubject::Person | ChannelSubject::Organization => Cow::Owned(without_roles(principal)),
        ChannelSubject::Thing(_) => Cow::Borrowed(principal),
    };
    let decision = ctx.access.allow(&asking, permission.action(), &resource).await?;
    if !decision.allowed || !is_enough(info.subject, decision.reason) {
        return Err(refusal(principal, &resource, permission, decision));
    }
    Ok(Allowed {
        info,
        reason: decision.reason,
    })
}

/// What the permissions of a channel are asked of. None where its name is not one of its kind.
fn subject(subject: ChannelSubject, channel: &Channel) -> Option<Resource<'static>> {
    let id: Option<Uuid> = channel.name().parse().ok();
    // Written in another way, an id would name another channel.
    let id = id.filter(|id| id.to_string() == channel.name());
    match subject {
        ChannelSubject::Person => {
            let owner = Owner::User(UserId::from_uuid(id?));
            Some(Resource::owned("user", id?, owner))
        }
        ChannelSubject::Organization => {
            let owner = Owner::Organization(OrganizationId::from_uuid(id?));
            Some(Resource::owned("organization", id?, owner))
        }
        ChannelSubject::Thing(kind) => Some(Resource {
            kind,
            id,
            owner: None,
        }),
    }
}

/// A person's channel is open to that person alone, and an organization's to its members, whatever their roles permit elsewhere.
fn without_roles(principal: &Principal) -> Principal {
    Principal {
        permissions: Permissions::default(),
        ..principal.clone()
    }
}

/// No grant opens them either.
fn is_enough(subject: ChannelSubject, reason: Reason) -> bool {
    match subject {
        ChannelSubject::Person => reason == Reason::Owner,
        ChannelSubject::Organization => reason == Reason::Membership,
        ChannelSubject::Thing(_) => true,
    }
}

fn refusal(
    principal: &Principal,
    resource: &Resource<'_>,
    permission: ChannelPermission,
    decision: Decision,
) -> Error {
    if decision.reason == Reason::OutOfScope {
        return Error::Forbidden(permission.name);
    }
    match resource.owner {
        Some(Owner::Organization(id)) if principal.memberships.role_in(id).is_some() => Error::RoleRequired,
        Some(Owner::Organization(_)) => Error::NotFound,
        _ => Error::Forbidden(permission.name),
    }
}
