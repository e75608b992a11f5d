//! What realtime does when others tell it something.

use stoa_auth_api::events::{OrganizationPurged, UserErased};
use stoa_events::{ChannelPublished, Done, JobError, Subscription, Work};
use stoa_kernel::Owner;

use crate::{
    ctx::Ctx,
    error::Error,
    ops::{
        erasure,
        publish::{New, append},
    },
};

pub(crate) fn subscriptions(ctx: &Ctx) -> Vec<Subscription> {
    vec![
        // Somebody waits for it.
        Subscription::with("realtime.publish", ctx, published).priority(10),
        Subscription::with("realtime.erase_person", ctx, erase_person),
        Subscription::with("realtime.erase_organization", ctx, erase_organization),
    ]
}

/// The history and the note that the event was taken are one transaction: it is there once, however often it is brought.
async fn published(ctx: Ctx, work: Work<ChannelPublished>) -> Result<Done, JobError> {
    let ChannelPublished { channel, event, data } = work.payload();
    let Some(info) = ctx.kind_of(channel) else {
        return Err(JobError::Fatal(format!("no service has channels like {channel}")));
    };
    let new = New {
        event: event.clone(),
        data: data.get().to_owned(),
        sender: None,
    };
    let mut tx = work.begin().await?;
    let published = match append(&mut tx, &info, channel, vec![new]).await {
        Ok(published) => published,
        // Nobody is left to hear it.
        Err(Error::Closed) => {
            tx.rollback().await;
            return work.done().await;
        }
        Err(error) => return Err(error.into()),
    };
    let telling = ctx.hub.telling(channel);
    let done = work.commit(tx).await?;
    telling.tell(&published);
    metrics::counter!("stoa_realtime_published_total", "by" => "service").increment(1);
    ctx.tell_others(&published).await;
    Ok(done)
}

async fn erase_person(ctx: Ctx, work: Work<UserErased>) -> Result<Done, JobError> {
    let owner = Owner::User(work.payload().user_id);
    erase(ctx, work, owner).await
}

async fn erase_organization(ctx: Ctx, work: Work<OrganizationPurged>) -> Result<Done, JobError> {
    let owner = Owner::Organization(work.payload().organization_id);
    erase(ctx, work, owner).await
}

async fn erase<T>(ctx: Ctx, work: Work<T>, owner: Owner) -> Result<Done, JobError> {
    let mut tx = work.begin().await?;
    erasure::erase(&mut tx, owner, ctx.clock.now()).await?;
    work.commit(tx).await
}
