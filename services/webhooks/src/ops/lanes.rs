//! Which queue a message waits in. An endpoint has few lanes, each of which takes one worker at a time; and those that do not answer well
//! have queues of their own, which may not take all workers. So an endpoint that fails or is slow delays no other.

use stoa_db::Tx;
use stoa_events::{Done, JobError, TxExt as _, Work};

use crate::{
    ctx::Ctx,
    error::Error,
    jobs::{Deliver, DeliverInOrder, DeliverSlowly, Parcel, TryAgain},
    store::{
        endpoints::{self, EndpointRow},
        owners,
    },
};

/// Requests to one endpoint that are under way at once, at most.
const LANES: u128 = 4;

/// Has the message sent, once those before it in its lane were.
pub(crate) async fn enqueue(tx: &mut Tx, endpoint: &EndpointRow, parcel: Parcel) -> Result<(), Error> {
    if endpoint.is_ordered {
        let lane = endpoint.id.to_string();
        tx.enqueue(&DeliverInOrder { lane, parcel }).await?;
        return Ok(());
    }
    let lane = format!("{}:{}", endpoint.id, parcel.message_id.uuid().as_u128() % LANES);
    if endpoint.is_quick {
        tx.enqueue(&Deliver { lane, parcel }).await?;
    } else {
        tx.enqueue(&DeliverSlowly { lane, parcel }).await?;
    }
    Ok(())
}

/// The time of another attempt has come.
pub(crate) async fn try_again(ctx: &Ctx, work: Work<TryAgain>) -> Result<Done, JobError> {
    let parcel = work.payload().parcel;
    let endpoint = endpoints::get(&ctx.db, parcel.endpoint_id).await?;
    let mut tx = work.begin().await?;
    if let Some(endpoint) = endpoint {
        enqueue(&mut tx, &endpoint, parcel).await?;
    }
    work.commit(tx).await
}

/// Locks the endpoint's owner until the transaction ends, so that what is done to an endpoint is done one after the other. False if
/// they were erased.
pub(crate) async fn lock(tx: &mut Tx, endpoint: &EndpointRow) -> Result<bool, Error> {
    Ok(owners::lock(tx, endpoint.owner()).await?)
}
