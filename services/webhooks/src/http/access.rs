//! Who may do what to which endpoint.

use stoa_http::{Access, Actor, Failure, Result, codes, owned, permission};
use stoa_kernel::{Action, Owner, Resource, allow};

use crate::{
    ctx::Ctx,
    events::EndpointId,
    owner::EndpointOwner,
    store::endpoints::{self, EndpointRow},
};

owned!(
    /// Reading endpoints, messages and attempts.
    pub(super) WebhooksRead = "webhooks.read", [Admin, Owner]
);
owned!(
    /// Making and changing endpoints, reading their secrets, and sending to them.
    pub(super) WebhooksWrite = "webhooks.write", [Admin, Owner]
);
permission!(
    /// Endpoints of the installation, which are given everybody's events.
    pub(super) WebhooksAll = "webhooks.all"
);

/// What endpoints are in grants and decisions.
const KIND: &str = "webhook";

/// The endpoint, if the caller may do this to it.
///
/// # Errors
/// 404 for strangers, as if there were none; 403 for members of its organization whose role does not permit it.
pub(super) async fn endpoint<A: Access>(
    ctx: &Ctx,
    actor: &Actor<A>,
    action: Action<'static>,
    id: EndpointId,
) -> Result<EndpointRow> {
    let row = endpoints::get(&ctx.db, id).await?;
    let row = row.ok_or_else(|| Failure::new(codes::NOT_FOUND))?;
    let owner = match row.owner() {
        EndpointOwner::Installation => {
            return if may_all(actor) {
                Ok(row)
            } else {
                Err(Failure::new(codes::NOT_FOUND))
            };
        }
        EndpointOwner::User(id) => Owner::User(id),
        EndpointOwner::Organization(id) => Owner::Organization(id),
    };
    let resource = Resource::owned(KIND, id.uuid(), owner);
    let decision = ctx.access.allow(actor, action, &resource).await;
    if decision.map_err(Failure::unavailable)?.allowed {
        return Ok(row);
    }
    if let Owner::Organization(organization) = owner {
        ctx.access.owner(actor, Some(organization)).await?;
    }
    Err(Failure::new(codes::NOT_FOUND))
}

/// Whether the caller may have endpoints of the installation.
pub(super) fn may_all(actor: &stoa_kernel::Actor) -> bool {
    allow(actor, WebhooksAll::NAME, &Resource::all(KIND), &[]).allowed
}
