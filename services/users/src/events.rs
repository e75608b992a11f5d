//! What users tells others, and what it does when others tell it something.

use stoa_auth_api::events::{UserErased, UserRegistered};
use stoa_events::{Done, JobError, Subscription, Work};
pub use stoa_users_api::events::{
    AvatarChanged, PreferenceChanged, ProfileCreated, ProfileErased, ProfileUpdated,
};

use crate::{ctx::Ctx, error::Error, ops};

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
