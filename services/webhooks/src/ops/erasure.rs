//! What follows from `user.erased` and `organization.purged`, and from an endpoint that was deleted.

use stoa_kernel::Owner;

use super::{BATCH, BATCHES, endpoints as endpoint_ops};
use crate::{
    ctx::Ctx,
    error::Error,
    events::EndpointId,
    store::{
        attempts, deliveries, endpoints,
        messages::{self, MessageId},
        owners,
    },
};

/// Deletes the owner's endpoints, and the messages that concern them, also those for endpoints of the installation, but for the one of
/// their erasure; a batch in a transaction. Nothing is made for them meanwhile, nor later. True if there is more than could be done now.
pub(crate) async fn erase(ctx: &Ctx, owner: Owner, event: MessageId) -> Result<bool, Error> {
    for _ in 0..BATCHES {
        let mut tx = ctx.db.begin().await?;
        owners::erase(&mut tx, owner.into()).await?;
        let ids = endpoints::ids_of(&mut tx, owner.into(), BATCH).await?;
        for id in &ids {
            endpoint_ops::remove(&mut tx, *id).await?;
        }
        tx.shred();
        tx.commit().await?;
        if ids.len() < BATCH as usize {
            return erase_messages(ctx, &owner.to_string(), event).await;
        }
    }
    Ok(true)
}

async fn erase_messages(ctx: &Ctx, subject: &str, but: MessageId) -> Result<bool, Error> {
    let ids = messages::of_subject(&ctx.db, subject, but, BATCH).await?;
    for id in &ids {
        delete_message(ctx, *id).await?;
    }
    Ok(ids.len() == BATCH as usize)
}

/// Deletes a message with all that is known of its way.
pub(crate) async fn delete_message(ctx: &Ctx, id: MessageId) -> Result<(), Error> {
    loop {
        let mut tx = ctx.db.begin().await?;
        // First of all: then an attempt that is under way leaves nothing.
        deliveries::delete_of_message(&mut tx, id).await?;
        let deleted = attempts::delete_of_message(&mut tx, id, BATCH).await?;
        let is_last = deleted < u64::from(BATCH);
        if is_last {
            messages::delete(&mut tx, id).await?;
        }
        tx.shred();
        tx.commit().await?;
        if is_last {
            return Ok(());
        }
    }
}

/// Deletes what a deleted endpoint has left, a batch in a transaction: deliveries first, without which an attempt that is under way leaves
/// nothing. True if there is more than could be done now.
pub(crate) async fn clear(ctx: &Ctx, endpoint: EndpointId) -> Result<bool, Error> {
    for _ in 0..BATCHES {
        let mut tx = ctx.db.begin().await?;
        let deliveries = deliveries::delete_of_endpoint(&mut tx, endpoint, BATCH).await?;
        let attempts = attempts::delete_of_endpoint(&mut tx, endpoint, BATCH).await?;
        tx.shred();
        tx.commit().await?;
        if deliveries.max(attempts) < u64::from(BATCH) {
            return Ok(false);
        }
    }
    Ok(true)
}
