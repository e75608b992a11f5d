//! Sending a sample, to see whether an endpoint works.

use stoa_audit::{Entry, TxExt as _};
use stoa_kernel::Actor;

use super::{cause, dispatch, keys::of_owner};
use crate::{
    ctx::Ctx,
    error::Error,
    store::{
        endpoints::EndpointRow,
        messages::{MessageId, MessageRow},
    },
};

/// Has a sample of this event type sent, once; nothing follows for the endpoint if that fails.
pub(crate) async fn send(
    ctx: &Ctx,
    actor: &Actor,
    endpoint: &EndpointRow,
    kind: &str,
) -> Result<MessageId, Error> {
    ctx.count_try(endpoint.owner()).await?;
    let event = ctx.catalogue.get(kind, endpoint.owner()).ok_or(Error::NotFound)?;
    let mut tx = ctx.db.begin().await?;
    let message = MessageRow {
        id: tx.new_id(),
        kind: event.name.to_owned(),
        // Nobody's: it is no part of a replay.
        subject: format!("endpoint:{}", endpoint.id),
        data: event.sample().to_string(),
        time: ctx.clock.now(),
    };
    dispatch::post(
        ctx,
        &mut tx,
        &message,
        std::slice::from_ref(endpoint),
        cause::TEST,
    )
    .await?;
    let entry = Entry::by(actor, "webhook.test", "webhook", Some(endpoint.id.uuid()));
    tx.audit(&of_owner(entry, endpoint)).await?;
    tx.commit().await?;
    Ok(message.id)
}
