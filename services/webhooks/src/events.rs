//! The events that webhooks emits, and what it does on those of others.

use serde::{Deserialize, Serialize};
use stoa_auth_api::events::{CredentialsRevoked, OrganizationPurged, UserErased};
use stoa_events::{AnyEvent, Done, Event, Heading, JobError, Subscription, Work};
use stoa_kernel::Id;
use utoipa::ToSchema;

use crate::{ctx::Ctx, jobs::done_unless, ops, owner::EndpointOwner};

/// Label of an endpoint's id.
pub enum EndpointTag {}
/// An endpoint's id.
pub type EndpointId = Id<EndpointTag>;

/// An endpoint was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "webhook.endpoint_created", key = "{owner}")]
pub struct EndpointCreated {
    /// Whose it is.
    pub owner: EndpointOwner,
    /// The new endpoint.
    pub endpoint_id: EndpointId,
}

/// An endpoint was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "webhook.endpoint_updated", key = "{owner}")]
pub struct EndpointUpdated {
    /// Whose it is.
    pub owner: EndpointOwner,
    /// Which.
    pub endpoint_id: EndpointId,
    /// Names of the fields that changed.
    pub fields: Vec<String>,
}

/// An endpoint was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "webhook.endpoint_deleted", key = "{owner}")]
pub struct EndpointDeleted {
    /// Whose it was.
    pub owner: EndpointOwner,
    /// Which.
    pub endpoint_id: EndpointId,
}

/// A new secret signs an endpoint's messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "webhook.secret_rotated", key = "{owner}")]
pub struct SecretRotated {
    /// Whose it is.
    pub owner: EndpointOwner,
    /// Which.
    pub endpoint_id: EndpointId,
}

/// Nothing is sent to an endpoint any more: its server said that it is gone, every attempt had failed for days, or the password of the
/// person whose it is was reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "webhook.disabled", key = "{owner}")]
pub struct EndpointDisabled {
    /// Whose it is.
    pub owner: EndpointOwner,
    /// Which.
    pub endpoint_id: EndpointId,
    /// Why.
    pub reason: DisabledReason,
}

/// Why an endpoint is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WebhooksDisabledReason)]
pub enum DisabledReason {
    /// Its owner wanted it.
    Owner,
    /// Its server answered 410 Gone.
    Gone,
    /// Every attempt had failed for days.
    Failing,
    /// The password of the person was reset: somebody else who had the account may have made it.
    CredentialsRevoked,
}

impl DisabledReason {
    /// As it stands in a row.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Gone => "gone",
            Self::Failing => "failing",
            Self::CredentialsRevoked => "credentials_revoked",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Self::Owner, Self::Gone, Self::Failing, Self::CredentialsRevoked]
            .into_iter()
            .find(|reason| reason.name() == name)
    }
}

pub(crate) fn subscriptions(ctx: &Ctx) -> Vec<Subscription> {
    vec![
        Subscription::to_many("webhooks.dispatch", ctx, ctx.catalogue.names(), dispatch).only_if(ctx, wanted),
        Subscription::with("webhooks.disable_endpoints", ctx, disable_endpoints),
        Subscription::with("webhooks.erase_user", ctx, erase_user),
        Subscription::with("webhooks.erase_organization", ctx, erase_organization),
    ]
}

async fn dispatch(ctx: Ctx, work: Work<AnyEvent>) -> Result<Done, JobError> {
    ops::dispatch::dispatch(&ctx, work).await
}

async fn wanted(ctx: Ctx, events: Vec<Heading>) -> Result<Vec<bool>, stoa_db::Error> {
    ops::dispatch::wanted(&ctx, &events).await
}

async fn disable_endpoints(ctx: Ctx, work: Work<CredentialsRevoked>) -> Result<Done, JobError> {
    ops::disable::of_person(&ctx, work.payload().user_id).await?;
    work.done().await
}

async fn erase_user(ctx: Ctx, work: Work<UserErased>) -> Result<Done, JobError> {
    let more = ops::erasure::erase(&ctx, work.payload().user_id.into(), work.id()).await?;
    done_unless(more, work).await
}

async fn erase_organization(ctx: Ctx, work: Work<OrganizationPurged>) -> Result<Done, JobError> {
    let more = ops::erasure::erase(&ctx, work.payload().organization_id.into(), work.id()).await?;
    done_unless(more, work).await
}
