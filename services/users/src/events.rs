//! What users tells others, and what it does when others tell it something.

use serde::{Deserialize, Serialize};
use stoa_auth_api::events::{UserErased, UserRegistered};
use stoa_events::{Done, Event, JobError, Subscription, Work};
use stoa_kernel::UserId;

use crate::{ctx::Ctx, error::Error, ops};

/// A person has a profile now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileCreated {
    /// Whose.
    pub user_id: UserId,
}

/// A profile was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileUpdated {
    /// Whose.
    pub user_id: UserId,
    /// Its version now.
    pub version: i64,
    /// Names of the fields that changed.
    pub fields: Vec<String>,
}

/// A preference was set or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreferenceChanged {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub key: String,
    /// Whether it is gone now.
    pub deleted: bool,
}

/// An avatar was set, replaced or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvatarChanged {
    /// Whose.
    pub user_id: UserId,
    /// Where it is now; none when it is gone.
    pub avatar_url: Option<String>,
}

/// Everything that users held on a person is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileErased {
    /// Whose.
    pub user_id: UserId,
}

macro_rules! events {
    ($($type:ty = $name:literal),* $(,)?) => {$(
        impl Event for $type {
            const NAME: &'static str = $name;

            fn key(&self) -> String {
                format!("user:{}", self.user_id)
            }
        }
    )*};
}
events! {
    ProfileCreated = "profile.created",
    ProfileUpdated = "profile.updated",
    PreferenceChanged = "preference.changed",
    AvatarChanged = "avatar.changed",
    ProfileErased = "profile.erased",
}

pub(crate) fn subscriptions(ctx: &Ctx) -> Vec<Subscription> {
    let erasing = ctx.clone();
    vec![
        Subscription::new("users.create_profile", create_profile),
        Subscription::new("users.erase", move |work| erase(erasing.clone(), work)),
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
