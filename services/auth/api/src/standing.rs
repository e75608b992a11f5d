//! Who acts by a credential that is not kept by auth, asked of auth when it is used.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache as Answers;
use stoa_kernel::{OrganizationId, Principal, UserId};
use stoa_rpc::{Channel, Directory};

use crate::{
    AccessError,
    keys::principal,
    v1::{StandingRequest, access_client::AccessClient},
};

/// How long an answer is believed: so long somebody may still do what they may not do any more.
const FRESH: Duration = Duration::from_secs(1);
/// Answers kept at most.
const MOST: u64 = 10_000;

/// What a credential stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stands {
    /// Who made it.
    pub user: UserId,
    /// The organization that it acts for; none for one of the person's own.
    pub organization: Option<OrganizationId>,
    /// What it is narrowed to.
    pub scopes: &'static [&'static str],
}

/// Asks auth who acts by a credential that a service keeps itself, at most once a second for each.
#[derive(Clone)]
pub struct Standings {
    auth: AccessClient<Channel>,
    answers: Answers<Stands, Option<Arc<Principal>>>,
}

impl Standings {
    /// By way of the directory's auth.
    #[must_use]
    pub fn new(directory: &Directory) -> Self {
        Self {
            auth: AccessClient::new(directory.channel("auth")),
            answers: Answers::builder().max_capacity(MOST).time_to_live(FRESH).build(),
        }
    }

    /// The principal, as of an API key with these scopes; for an organization with the role that the person has in it now. None if
    /// the account is disabled or gone, the organization is deleted, or the person is not a member of it.
    ///
    /// # Errors
    /// When auth does not answer.
    pub async fn of(&self, stands: Stands) -> Result<Option<Arc<Principal>>, AccessError> {
        if let Some(answer) = self.answers.get(&stands) {
            return Ok(answer);
        }
        let request = StandingRequest {
            user_id: stands.user.to_string(),
            organization_id: stands.organization.map(|id| id.to_string()),
            scopes: stands.scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        };
        let answer = self.auth.clone().standing(request).await;
        let principal = answer?.into_inner().principal.map(principal).transpose();
        let principal =
            principal.map_err(|_| tonic::Status::internal("auth told of somebody without a name"))?;
        let principal = principal.map(Arc::new);
        self.answers.insert(stands, principal.clone());
        Ok(principal)
    }
}
