//! `allow`, with the grants that auth keeps.

use stoa_kernel::{Decision, Grant, Principal, Reason, Resource, allow};
use stoa_rpc::{Channel, Directory};

use crate::v1::{GrantsRequest, access_client::AccessClient};

/// Asks whether somebody may do something; goes to auth only when the answer hangs on a grant.
#[derive(Clone)]
pub struct Access(AccessClient<Channel>);

/// Auth could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("auth could not be asked: {0}")]
pub struct AccessError(#[from] tonic::Status);

impl Access {
    /// By way of the directory's auth.
    #[must_use]
    pub fn new(directory: &Directory) -> Self {
        Self(AccessClient::new(directory.channel("auth")))
    }

    /// May `principal` do `action` to `resource`?
    ///
    /// # Errors
    /// When the answer hangs on a grant and auth does not answer.
    pub async fn allow(
        &self,
        principal: &Principal,
        action: &str,
        resource: &Resource<'_>,
    ) -> Result<Decision, AccessError> {
        let decision = allow(principal, action, resource, &[]);
        let (Reason::NoRule, Some(id)) = (decision.reason, resource.id) else {
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
}
