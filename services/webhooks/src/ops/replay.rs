//! Sending again all that has happened since a time: a job, in batches.

use stoa_audit::{Entry, TxExt as _};
use stoa_events::{Done, JobError, TxExt as _, Work};
use stoa_kernel::{Actor, Id, Timestamp};
use uuid::Uuid;

use super::{cause, keys::of_owner, lanes};
use crate::{
    ctx::Ctx,
    error::Error,
    filters,
    jobs::{Parcel, Replay},
    owner::EndpointOwner,
    store::{
        deliveries::{self, FAILED, PENDING},
        endpoints::{self, EndpointRow},
        messages,
        replays::{self, ReplayRow},
    },
};

/// Messages that one transaction looks at.
const LOOKED_AT: u32 = 100;

/// Begins a replay of what has happened since then and the endpoint wants: also of what it missed while it was disabled, or not there yet.
/// With `only_failed`, of what it was to be sent and has not got.
pub(crate) async fn begin(
    ctx: &Ctx,
    actor: &Actor,
    endpoint: &EndpointRow,
    since: Timestamp,
    only_failed: bool,
) -> Result<Uuid, Error> {
    ctx.count_try(endpoint.owner()).await?;
    if !endpoint.is_enabled {
        return Err(Error::Disabled);
    }
    let mut tx = ctx.db.begin().await?;
    let replay = ReplayRow {
        id: tx.new_id::<()>().uuid(),
        only_failed,
        // Before all of that time.
        position: Id::at_microsecond(since.as_microsecond().saturating_sub(1)),
        sent: 0,
    };
    if !replays::insert(&mut tx, endpoint.id, &replay).await? {
        return Err(Error::Replaying);
    }
    tx.enqueue(&Replay {
        endpoint_id: endpoint.id,
        replay_id: replay.id,
    })
    .await?;
    let entry = Entry::by(actor, "webhook.replay", "webhook", Some(endpoint.id.uuid()));
    let detail = serde_json::json!({ "since": since, "only_failed": only_failed });
    tx.audit(&of_owner(entry, endpoint).detail(detail)).await?;
    tx.commit().await?;
    Ok(replay.id)
}

/// One batch, and a job for the next.
pub(crate) async fn go_on(ctx: &Ctx, work: Work<Replay>) -> Result<Done, JobError> {
    let job = work.payload().clone();
    let mut tx = work.begin().await?;
    let endpoint = endpoints::find(&mut tx, job.endpoint_id).await?;
    let replay = replays::find(&mut tx, job.endpoint_id).await?;
    let (Some(endpoint), Some(mut replay)) = (endpoint, replay.filter(|replay| replay.id == job.replay_id))
    else {
        return work.commit(tx).await;
    };
    let subject = endpoint.owner().owner().map(|owner| owner.to_string());
    let found = messages::after(&mut tx, subject.as_deref(), replay.position, LOOKED_AT).await?;
    let is_last = found.len() < LOOKED_AT as usize;
    for (id, kind, subject) in found {
        replay.position = id;
        if is_wanted(ctx, &endpoint, &kind, &subject) && send(&mut tx, &endpoint, &replay, id).await? {
            replay.sent += 1;
        }
    }
    if is_last || replay.sent >= ctx.config.replay_max || !endpoint.is_enabled {
        replays::delete(&mut tx, endpoint.id).await?;
    } else {
        replays::save(&mut tx, endpoint.id, &replay).await?;
        tx.enqueue(&job).await?;
    }
    work.commit(tx).await
}

/// Test messages are nobody's.
fn is_wanted(ctx: &Ctx, endpoint: &EndpointRow, kind: &str, subject: &str) -> bool {
    let owner: EndpointOwner = endpoint.owner();
    !subject.starts_with("endpoint:")
        && ctx.catalogue.get(kind, owner).is_some()
        && filters::want(&endpoint.events.0, kind)
}

/// Has one message sent again. False if it is not to be: it is on its way, or it has arrived and only what has failed is wanted.
async fn send(
    tx: &mut stoa_db::Tx,
    endpoint: &EndpointRow,
    replay: &ReplayRow,
    message: messages::MessageId,
) -> Result<bool, Error> {
    let state = deliveries::state(tx, endpoint.id, message).await?;
    let state = state.as_deref();
    if state == Some(PENDING) || replay.only_failed && state != Some(FAILED) {
        return Ok(false);
    }
    let series = deliveries::begin_again(tx, endpoint.id, message, cause::REPLAY).await?;
    let parcel = Parcel {
        endpoint_id: endpoint.id,
        message_id: message,
        series,
    };
    lanes::enqueue(tx, endpoint, parcel).await?;
    Ok(true)
}
