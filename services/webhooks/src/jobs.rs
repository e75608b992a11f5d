//! What webhooks does later, and at set times.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stoa_events::{Done, Job, JobError, JobHandler, Schedule, Work};

use crate::{ctx::Ctx, events::EndpointId, ops, store::messages::MessageId};

/// Of the workers of a process: those that endpoints whose last answer was bad or slow may take together, and those of ordered ones.
const PART_OF_SLOW: usize = 4;
const PART_OF_ORDERED: usize = 2;
/// What an attempt takes besides the request itself.
const AROUND: Duration = Duration::from_secs(30);

/// A message on its way to an endpoint.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Parcel {
    pub(crate) endpoint_id: EndpointId,
    pub(crate) message_id: MessageId,
    pub(crate) series: i64,
}

/// Sends a message to an endpoint that answers well. Those of one lane go one after the other, so that no endpoint takes more workers
/// than it has lanes.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "webhooks.deliver", key = "{lane}")]
pub(crate) struct Deliver {
    pub(crate) lane: String,
    pub(crate) parcel: Parcel,
}

/// The same for an endpoint that has not answered well yet, or not lately.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "webhooks.deliver_slowly", key = "{lane}")]
pub(crate) struct DeliverSlowly {
    pub(crate) lane: String,
    pub(crate) parcel: Parcel,
}

/// The same for an endpoint that wants its messages in order: the next one waits until this one has arrived or was given up.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "webhooks.deliver_in_order", key = "{lane}")]
pub(crate) struct DeliverInOrder {
    pub(crate) lane: String,
    pub(crate) parcel: Parcel,
}

/// The time of another attempt has come: puts it in its lane, which it has not kept from others meanwhile.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "webhooks.try_again")]
pub(crate) struct TryAgain {
    pub(crate) parcel: Parcel,
}

/// Sends again what an endpoint was or should have been sent, a batch at a time.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "webhooks.replay", key = "{endpoint_id}")]
pub(crate) struct Replay {
    pub(crate) endpoint_id: EndpointId,
    pub(crate) replay_id: uuid::Uuid,
}

/// Deletes what a deleted endpoint has left.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "webhooks.clear_endpoint")]
pub(crate) struct ClearEndpoint {
    pub(crate) endpoint_id: EndpointId,
}

/// Deletes messages and attempts older than they are kept, and secrets that have expired.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "webhooks.purge")]
pub(crate) struct Purge {}

pub(crate) fn handlers(ctx: &Ctx) -> Vec<JobHandler> {
    let deadline = ctx.config.timeout.0 + AROUND;
    vec![
        JobHandler::with(ctx, deliver).deadline(deadline),
        JobHandler::with(ctx, deliver_slowly)
            .deadline(deadline)
            .part_of_workers(PART_OF_SLOW),
        JobHandler::with(ctx, deliver_in_order)
            .deadline(deadline)
            .part_of_workers(PART_OF_ORDERED),
        JobHandler::with(ctx, try_again),
        JobHandler::with(ctx, replay),
        JobHandler::with(ctx, clear_endpoint),
        JobHandler::with(ctx, purge),
    ]
}

pub(crate) fn schedules() -> Vec<Schedule> {
    vec![Schedule::new("webhooks.purge", "41 * * * *", Purge {})]
}

async fn deliver(ctx: Ctx, work: Work<Deliver>) -> Result<Done, JobError> {
    let parcel = work.payload().parcel;
    ops::deliver::deliver(&ctx, parcel, work).await
}

async fn deliver_slowly(ctx: Ctx, work: Work<DeliverSlowly>) -> Result<Done, JobError> {
    let parcel = work.payload().parcel;
    ops::deliver::deliver(&ctx, parcel, work).await
}

async fn deliver_in_order(ctx: Ctx, work: Work<DeliverInOrder>) -> Result<Done, JobError> {
    let parcel = work.payload().parcel;
    ops::deliver::deliver(&ctx, parcel, work).await
}

async fn try_again(ctx: Ctx, work: Work<TryAgain>) -> Result<Done, JobError> {
    ops::lanes::try_again(&ctx, work).await
}

async fn replay(ctx: Ctx, work: Work<Replay>) -> Result<Done, JobError> {
    ops::replay::go_on(&ctx, work).await
}

async fn clear_endpoint(ctx: Ctx, work: Work<ClearEndpoint>) -> Result<Done, JobError> {
    let more = ops::erasure::clear(&ctx, work.payload().endpoint_id).await?;
    done_unless(more, work).await
}

async fn purge(ctx: Ctx, work: Work<Purge>) -> Result<Done, JobError> {
    let more = ops::purge::purge(&ctx).await?;
    done_unless(more, work).await
}

/// Ends the work, or has it done again at once: there is `more` than one attempt does.
pub(crate) async fn done_unless<T>(more: bool, work: Work<T>) -> Result<Done, JobError> {
    let tx = work.begin().await?;
    if more {
        let now = tx.clock().now();
        return work.again(tx, now).await;
    }
    work.commit(tx).await
}
