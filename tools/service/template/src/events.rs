//! What __name__ tells others, and what it does when others tell it something.

use serde::{Deserialize, Serialize};
use stoa_auth_api::events::UserErased;
use stoa_events::{Done, Event, JobError, Subscription, Work};
use stoa_kernel::{Id, UserId};

use crate::store::{items, people};

/// Label of an item's id.
pub enum ItemTag {}
/// An item's id.
pub type ItemId = Id<ItemTag>;

/// An item was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "__item__.created", key = "user:{user_id}")]
pub struct ItemCreated {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub item_id: ItemId,
}

pub(crate) fn subscriptions() -> Vec<Subscription> {
    vec![Subscription::new("__name__.erase", erase)]
}

async fn erase(work: Work<UserErased>) -> Result<Done, JobError> {
    let user = work.payload().user_id;
    let mut tx = work.begin().await?;
    people::erase(&mut tx, user).await?;
    items::delete_of(&mut tx, user).await?;
    tx.shred();
    work.commit(tx).await
}
