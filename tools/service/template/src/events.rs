//! The events that __name__ emits, and what it does on those of others.

use serde::{Deserialize, Serialize};
use stoa_auth_api::events::{OrganizationPurged, UserErased};
use stoa_events::{Done, Event, JobError, Subscription, Work};
use stoa_kernel::{Id, Owner};

use crate::{ctx::Ctx, ops};

/// Label of an item's id.
pub enum ItemTag {}
/// An item's id.
pub type ItemId = Id<ItemTag>;

/// An item was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "item.created", key = "{owner}")]
pub struct ItemCreated {
    /// The person or organization that has it.
    pub owner: Owner,
    /// The new item.
    pub item_id: ItemId,
}

pub(crate) fn subscriptions(ctx: &Ctx) -> Vec<Subscription> {
    vec![
        Subscription::with("__name__.erase_user", ctx, erase_user),
        Subscription::with("__name__.erase_organization", ctx, erase_organization),
    ]
}

async fn erase_user(ctx: Ctx, work: Work<UserErased>) -> Result<Done, JobError> {
    ops::erasure::erase(&ctx, work.payload().user_id.into()).await?;
    work.done().await
}

async fn erase_organization(ctx: Ctx, work: Work<OrganizationPurged>) -> Result<Done, JobError> {
    ops::erasure::erase(&ctx, work.payload().organization_id.into()).await?;
    work.done().await
}
