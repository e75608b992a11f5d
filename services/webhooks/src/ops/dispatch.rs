//! From an event to the endpoints that want it. What an event costs does not depend on how many endpoints the installation has: those of
//! its owner are looked up by index, and those of the installation.

use std::collections::HashSet;

use stoa_auth_api::events::{OrganizationDeleted, OrganizationPurged, OrganizationRestored, UserErased};
use stoa_db::Tx;
use stoa_events::{AnyEvent, Done, Event as _, Heading, JobError, Work};
use stoa_kernel::Owner;

use super::{body, cause, lanes};
use crate::{
    ctx::Ctx,
    error::Error,
    filters,
    jobs::Parcel,
    owner::EndpointOwner,
    store::{
        deliveries,
        endpoints::{self, EndpointRow},
        messages::{self, MessageRow},
        owners,
    },
};

/// Which of these events some endpoint wants: the others never become a row here. One look-up for the owners of all of them.
pub(crate) async fn wanted(ctx: &Ctx, events: &[Heading]) -> Result<Vec<bool>, stoa_db::Error> {
    let concerned = |event: &Heading| concerned(ctx, &event.name, event.owner);
    let mut owners: HashSet<_> = events.iter().filter_map(concerned).collect();
    owners.insert(EndpointOwner::Installation);
    let owners: Vec<_> = owners.into_iter().collect();
    let endpoints = endpoints::enabled_of(&ctx.db, &owners).await?;
    let is_wanted = |event: &Heading| {
        endpoints
            .iter()
            .any(|endpoint| wants(ctx, endpoint, &event.name, event.owner))
    };
    Ok(events.iter().map(is_wanted).collect())
}

/// The person or organization that an event concerns, if it is one that they may be given.
fn concerned(ctx: &Ctx, name: &str, owner: Option<Owner>) -> Option<EndpointOwner> {
    let owner = EndpointOwner::from(owner?);
    ctx.catalogue.get(name, owner).map(|_| owner)
}

/// Whether the endpoint is to be given such an event: its owner may be, and its filters want it.
fn wants(ctx: &Ctx, endpoint: &EndpointRow, name: &str, concerns: Option<Owner>) -> bool {
    let owner = endpoint.owner();
    let may = owner == EndpointOwner::Installation || concerned(ctx, name, concerns) == Some(owner);
    may && ctx.catalogue.get(name, owner).is_some() && filters::want(&endpoint.events.0, name)
}

/// Makes one message of the event, and one delivery for each endpoint that wants it.
pub(crate) async fn dispatch(ctx: &Ctx, work: Work<AnyEvent>) -> Result<Done, JobError> {
    let event = work.payload();
    let concerns = event.owner();
    let mut owners = vec![EndpointOwner::Installation];
    if let Some(owner) = concerned(ctx, &event.name, concerns) {
        let suspended = owners::is_suspended(&ctx.db, owner).await?;
        if !suspended || event.name == OrganizationRestored::NAME {
            owners.push(owner);
        }
    }
    let endpoints = endpoints::enabled_of(&ctx.db, &owners).await?;
    let wanting: Vec<_> = endpoints
        .into_iter()
        .filter(|endpoint| wants(ctx, endpoint, &event.name, concerns))
        .collect();
    let message = MessageRow {
        id: work.id(),
        kind: event.name.clone(),
        subject: concerns.map_or_else(|| event.key.clone(), |owner| owner.to_string()),
        data: event.data.get().to_owned(),
        time: work.time(),
    };
    let mut tx = work.begin().await?;
    if !wanting.is_empty() && is_kept(&mut tx, event, concerns).await? {
        post(ctx, &mut tx, &message, &wanting, cause::EVENT).await?;
    }
    suspend(&mut tx, event).await?;
    work.commit(tx).await
}

/// Whether a message may be made of the event: of those whom it concerns nothing is kept once they were erased, but for the event that says so.
/// They are locked, so that their erasure comes before it or after it.
async fn is_kept(tx: &mut Tx, event: &AnyEvent, concerns: Option<Owner>) -> Result<bool, Error> {
    let says_so = [UserErased::NAME, OrganizationPurged::NAME].contains(&event.name.as_str());
    match concerns {
        Some(owner) if !says_so => Ok(owners::lock(tx, owner.into()).await?),
        _ => Ok(true),
    }
}

/// Keeps the message and has it sent to these endpoints.
pub(crate) async fn post(
    ctx: &Ctx,
    tx: &mut Tx,
    message: &MessageRow,
    endpoints: &[EndpointRow],
    cause: &str,
) -> Result<(), Error> {
    messages::insert(tx, message).await?;
    let is_too_large = body::of(message)?.len() > ctx.config.payload_max_bytes;
    for endpoint in endpoints {
        let parcel = Parcel {
            endpoint_id: endpoint.id,
            message_id: message.id,
            series: 1,
        };
        if !deliveries::insert(tx, parcel, cause).await? {
            continue;
        }
        if is_too_large {
            deliveries::give_up(
                tx,
                parcel,
                "the message is larger than webhooks.payload_max_bytes",
            )
            .await?;
        } else {
            lanes::enqueue(tx, endpoint, parcel).await?;
        }
    }
    Ok(())
}

/// A deleted organization's endpoints are given nothing more, until it is restored. The event itself comes before that, and after it: events
/// of one owner come here in their order.
async fn suspend(tx: &mut Tx, event: &AnyEvent) -> Result<(), Error> {
    let suspended = match event.name.as_str() {
        OrganizationDeleted::NAME => true,
        OrganizationRestored::NAME => false,
        _ => return Ok(()),
    };
    if let Some(owner) = event.owner() {
        owners::suspend(tx, owner.into(), suspended).await?;
    }
    Ok(())
}
