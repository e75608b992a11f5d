//! Sending one message again because somebody asks for it.

use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_kernel::Actor;

use super::{cause, keys::of_owner, lanes};
use crate::{
    ctx::Ctx,
    error::Error,
    jobs::Parcel,
    store::{
        deliveries,
        endpoints::EndpointRow,
        messages::{self, MessageId},
    },
};

/// Begins a new series of attempts, at once; of one that is under way no further attempt is made.
pub(crate) async fn retry(
    ctx: &Ctx,
    actor: &Actor,
    endpoint: &EndpointRow,
    message: MessageId,
) -> Result<(), Error> {
    ctx.count_try(endpoint.owner()).await?;
    if !endpoint.is_enabled {
        return Err(Error::Disabled);
    }
    if deliveries::get(&ctx.db, endpoint.id, message).await?.is_none()
        || messages::get(&ctx.db, message).await?.is_none()
    {
        return Err(Error::NotFound);
    }
    let mut tx = ctx.db.begin().await?;
    // One of an ordered endpoint keeps its place: those behind it are not to come before it.
    if !(endpoint.is_ordered && deliveries::hurry(&mut tx, endpoint.id, message).await?) {
        send(&mut tx, endpoint, message).await?;
    }
    let entry = Entry::by(actor, "webhook.retry", "webhook", Some(endpoint.id.uuid()));
    let detail = serde_json::json!({ "message_id": message });
    tx.audit(&of_owner(entry, endpoint).detail(detail)).await?;
    tx.commit().await?;
    Ok(())
}

async fn send(tx: &mut Tx, endpoint: &EndpointRow, message: MessageId) -> Result<(), Error> {
    let series = deliveries::begin_again(tx, endpoint.id, message, cause::RETRY).await?;
    let parcel = Parcel {
        endpoint_id: endpoint.id,
        message_id: message,
        series,
    };
    lanes::enqueue(tx, endpoint, parcel).await
}
