//! What users tells others, and what it does when others tell it something.

use serde::{Deserialize, Serialize};
use stoa_auth_api::events::{UserErased, UserRegistered};
use stoa_events::{Done, Event, JobError, Subscription, Work};
use stoa_kernel::UserId;

use crate::{ctx::Ctx, error::Error, ops};

/// A person has a profile now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "profile.created", key = "user:{user_id}")]
pub struct ProfileCreated {
    /// The person.
    pub user_id: UserId,
}

/// A profile was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "profile.updated", key = "user:{user_id}")]
pub struct ProfileUpdated {
    /// The person.
    pub user_id: UserId,
    /// Its version now.
    pub version: i64,
    /// Names of the fields that changed.
    pub fields: Vec<String>,
}

/// A preference was set or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "preference.changed", key = "user:{user_id}")]
pub struct PreferenceChanged {
    /// The person.
    pub user_id: UserId,
    /// The preference's key.
    pub key: String,
    /// Whether it is gone now.
    pub deleted: bool,
}

/// An avatar was set, replaced or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "avatar.changed", key = "user:{user_id}")]
pub struct AvatarChanged {
    /// The person.
    pub user_id: UserId,
    /// Where it is now; none when it is gone.
    pub avatar_url: Option<String>,
}

/// Everything that users held on a person is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "profile.erased", key = "user:{user_id}")]
pub struct ProfileErased {
    /// The person.
    pub user_id: UserId,
}

pub(crate) fn subscriptions(ctx: &Ctx) -> Vec<Subscription> {
    vec![
        Subscription::new("users.create_profile", create_profile),
        Subscription::with("users.erase", ctx, erase),
    ]
}

async fn create_profile(work: Work<UserRegistered>) -> Result<Done, JobError> {
    let mut tx = work.begin().await?;
    match ops::registration::registered(&mut tx, work.payload()).await {
        Ok(()) => work.commit(tx).await,
        // Erased before it could be made: it stays so.
        Err(Error::Erased) => {
            tx.rollback().await;
            work.done().await
        }
        Err(error) => Err(error.into()),
    }
}

async fn erase(ctx: Ctx, work: Work<UserErased>) -> Result<Done, JobError> {
    let mut tx = work.begin().await?;
    ops::erasure::erase(&mut tx, work.payload().user_id, ctx.clock.now()).await?;
    work.commit(tx).await
}
