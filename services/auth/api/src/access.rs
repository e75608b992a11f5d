//! `allow`, with the grants and memberships that auth keeps.

use stoa_http::{Actor, Failure, Result, codes};
use stoa_kernel::{
    Action, Decision, Grant, Membership, OrganizationId, OrganizationRole, Owner, Principal, Reason,
    Resource, allow,
};
use stoa_rpc::{Channel, Directory};

use crate::v1::{GrantsRequest, MembershipRequest, access_client::AccessClient};

/// Asks whether somebody may do something; goes to auth only when the answer depends on a grant, or on a membership that did not fit
/// into the access token.
#[derive(Clone)]
pub struct Access(AccessClient<Channel>);

/// Auth could not be asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("auth could not be asked: {0}")]
pub struct AccessError(#[from] tonic::Status);

impl Access {
    /// By way of the directory's auth.
    #[must_use]
    pub fn new(directory: &Directory) -> Self {
        Self(AccessClient::new(directory.channel("auth")))
    }

    /// For whom a request acts that is let in by `A`, one of [`owned!`](stoa_http::owned): for the organization that it names; else
    /// for the organization of its key; else for the caller.
    ///
    /// # Errors
    /// 404 where the caller is not a member of the organization; 403 `organization_role_required` where their role in it does not permit
    /// it; 503 where auth has to be asked and does not answer.
    pub async fn owner<A: stoa_http::Access>(
        &self,
        actor: &Actor<A>,
        organization: Option<OrganizationId>,
    ) -> Result<Owner> {
        self.owner_in(actor, organization, A::ORGANIZATION_ROLES).await
    }

    /// The same for any principal, of whom these roles in the organization are asked.
    ///
    /// # Errors
    /// As [`Self::owner`].
    pub async fn owner_in(
        &self,
        principal: &Principal,
        organization: Option<OrganizationId>,
        roles: &[OrganizationRole],
    ) -> Result<Owner> {
        let Some(organization) = organization.or(principal.organization_id) else {
            return Ok(principal.user_id.into());
        };
        let role = self.role_in(principal, organization).await;
        let role = role.map_err(Failure::unavailable)?;
        match role {
            None => Err(Failure::new(codes::NOT_FOUND)),
            Some(role) if roles.contains(&role) => Ok(organization.into()),
            Some(_) => Err(Failure::new(codes::ORGANIZATION_ROLE_REQUIRED)),
        }
    }

    /// May `principal` do `action` to `resource`?
    ///
    /// # Errors
    /// When the answer depends on a grant or a membership that only auth knows, and auth does not answer.
    pub async fn allow<'a>(
        &self,
        principal: &Principal,
        action: impl Into<Action<'a>>,
        resource: &Resource<'_>,
    ) -> Result<Decision, AccessError> {
        let action = action.into();
        let decision = allow(principal, action, resource, &[]);
        if decision.reason != Reason::NoRule {
            return Ok(decision);
        }
        if let Some(Owner::Organization(organization)) = resource.owner
            && principal.memberships.more
            && let Some(role) = self.role_in(principal, organization).await?
        {
            let mut member = principal.clone();
            member.memberships.listed.push(Membership {
                organization_id: organization,
                role,
            });
            let decision = allow(&member, action, resource, &[]);
            if decision.allowed {
                return Ok(decision);
            }
        }
        let Some(id) = resource.id else {
            return Ok(decision);
        };
        let request = GrantsRequest {
            user_id: principal.user_id.to_string(),
            resource_kind: resource.kind.to_owned(),
            resource_id: id.to_string(),
        };
        let grants: Vec<Grant> = self
            .0
            .clone()
            .grants(request)
            .await?
            .into_inner()
            .grants
            .into_iter()
            .map(|grant| Grant {
                user_id: principal.user_id,
                action: grant.action,
                resource_kind: resource.kind.to_owned(),
                resource_id: id,
            })
            .collect();
        Ok(allow(principal, action, resource, &grants))
    }

    /// What `principal` is in an organization.
    async fn role_in(
        &self,
        principal: &Principal,
        organization: OrganizationId,
    ) -> Result<Option<OrganizationRole>, AccessError> {
        let known = principal.memberships.role_in(organization);
        if known.is_some() || !principal.memberships.more {
            return Ok(known);
        }
        let request = MembershipRequest {
            user_id: principal.user_id.to_string(),
            organization_id: organization.to_string(),
        };
        let answer = self.0.clone().membership(request).await?.into_inner();
        Ok(answer.role.and_then(|role| OrganizationRole::of_name(&role)))
    }
}
