//! What __name__ tells others, and what it does when others tell it something.

use serde::{Deserialize, Serialize};
use stoa_auth_api::events::{OrganizationPurged, UserErased};
use stoa_events::{Done, Event, JobError, Subscription, Work};
use stoa_kernel::{Id, Owner};

use crate::{
    ctx::Ctx,
    error::Error,
    store::{items, owners},
};

/// Rows that one transaction deletes at most.
const BATCH: u32 = 500;

/// Label of an item's id.
pub enum ItemTag {}
/// An item's id.
pub type ItemId = Id<ItemTag>;

/// An item was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "__item__.created", key = "{owner}")]
pub struct ItemCreated {
    /// Whose.
    pub owner: Owner,
    /// Which.
    pub item_id: ItemId,
}

pub(crate) fn subscriptions(ctx: &Ctx) -> Vec<Subscription> {
    vec![
        Subscription::with("__name__.erase_user", ctx, erase_user),
        Subscription::with("__name__.erase_organization", ctx, erase_organization),
    ]
}

async fn erase_user(ctx: Ctx, work: Work<UserErased>) -> Result<Done, JobError> {
    erase(&ctx, work.payload().user_id.into()).await?;
    work.done().await
}

async fn erase_organization(ctx: Ctx, work: Work<OrganizationPurged>) -> Result<Done, JobError> {
    erase(&ctx, work.payload().organization_id.into()).await?;
    work.done().await
}

/// Deletes all that the owner has, a batch in a transaction. Nothing is made for them meanwhile.
async fn erase(ctx: &Ctx, owner: Owner) -> Result<(), Error> {
    loop {
        let mut tx = ctx.db.begin().await?;
        owners::erase(&mut tx, owner).await?;
        let deleted = items::delete_of(&mut tx, owner, BATCH).await?;
        tx.shred();
        tx.commit().await?;
        if deleted < u64::from(BATCH) {
            return Ok(());
        }
    }
}
