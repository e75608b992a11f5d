//! Endpoints: made, changed, deleted.

use serde_json::json;
use stoa_audit::{Entry, TxExt as _};
use stoa_db::{Json, Tx};
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, Expected, Id};
use stoa_outbound::Target;

use super::keys::{self, of_owner};
use crate::{
    ctx::Ctx,
    error::Error,
    events::{EndpointCreated, EndpointDeleted, EndpointId, EndpointUpdated},
    headers::Headers,
    jobs::ClearEndpoint,
    notifications,
    owner::EndpointOwner,
    signature::Signature,
    store::{
        endpoints::{self, EndpointRow},
        owners, replays, secrets,
    },
};

/// What an endpoint is to be, as far as it is said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) url: Option<Target>,
    pub(crate) description: Option<String>,
    pub(crate) events: Option<Vec<String>>,
    pub(crate) headers: Option<Headers>,
    pub(crate) rate: Option<Option<u32>>,
    pub(crate) ordered: Option<bool>,
    pub(crate) enabled: Option<bool>,
}

impl Wanted {
    /// Changes `row`; returns the names of the fields that are different now.
    fn apply(&self, ctx: &Ctx, row: &mut EndpointRow) -> Result<Vec<String>, Error> {
        let mut changed = Vec::new();
        let mut set = |name: &str, differs: bool| {
            if differs {
                changed.push(name.to_owned());
            }
            differs
        };
        if let Some(url) = &self.url
            && set("url", url.as_str() != row.url)
        {
            let elsewhere = origin(url.as_str()) != origin(&row.url);
            if elsewhere && !row.header_names.0.is_empty() && self.headers.is_none() {
                return Err(Error::HeadersNeeded);
            }
            url.as_str().clone_into(&mut row.url);
            // Another server: nothing is known of it.
            (row.failing_since, row.is_quick) = (None, false);
        }
        if let Some(description) = &self.description
            && set("description", *description != row.description)
        {
            row.description.clone_from(description);
        }
        if let Some(events) = &self.events
            && set("events", *events != row.events.0)
        {
            row.events = Json(events.clone());
        }
        if let Some(headers) = &self.headers
            && set(
                "headers",
                row.headers.is_empty() || *headers != keys::open_headers(ctx, row)?,
            )
        {
            row.headers = keys::seal_headers(ctx, row.id, headers)?;
            row.header_names = Json(headers.keys().cloned().collect());
        }
        if let Some(rate) = self.rate
            && set("rate", rate != row.rate)
        {
            row.rate = rate;
        }
        if let Some(ordered) = self.ordered
            && set("ordered", ordered != row.is_ordered)
        {
            row.is_ordered = ordered;
        }
        if let Some(enabled) = self.enabled
            && set("enabled", enabled != row.is_enabled)
        {
            row.enable(enabled);
        }
        Ok(changed)
    }
}

fn origin(url: &str) -> Option<url::Origin> {
    url::Url::parse(url).ok().map(|url| url.origin())
}

/// Makes one, while its owner has room for it.
pub(crate) async fn create(
    ctx: &Ctx,
    actor: &Actor,
    owner: EndpointOwner,
    signature: Signature,
    wanted: &Wanted,
) -> Result<EndpointRow, Error> {
    if let Some(url) = &wanted.url {
        ctx.outbound.check_host(url).await?;
    }
    let mut row = EndpointRow::new(Id::new(&ctx.clock), owner, signature, ctx.clock.now());
    wanted.apply(ctx, &mut row)?;
    let secret = keys::make(ctx, row.id, signature)?;
    let max = ctx.config.endpoints_max;
    let notify = ctx.may_notify(actor.user_id).await;
    let mut tx = ctx.db.begin().await?;
    if !owners::lock(&mut tx, owner).await? {
        return Err(Error::Erased);
    }
    if endpoints::count(&mut tx, owner, max).await? >= i64::from(max) {
        return Err(Error::Full(max));
    }
    endpoints::insert(&mut tx, &row).await?;
    secrets::insert(&mut tx, row.id, &secret).await?;
    let entry = Entry::by(actor, "webhook.create", "webhook", Some(row.id.uuid()));
    tx.audit(&of_owner(entry, &row)).await?;
    let endpoint_id = row.id;
    tx.emit(&EndpointCreated { owner, endpoint_id }).await?;
    if notify {
        notifications::destination_added(&mut tx, &row).await?;
    }
    tx.commit().await?;
    Ok(row)
}

/// Changes one, if it still has the version that is expected. Nothing is written when nothing changes.
pub(crate) async fn update(
    ctx: &Ctx,
    actor: &Actor,
    id: EndpointId,
    wanted: &Wanted,
    expected: &Expected,
) -> Result<EndpointRow, Error> {
    if let Some(url) = &wanted.url {
        ctx.outbound.check_host(url).await?;
    }
    let notify = wanted.url.is_some() && ctx.may_notify(actor.user_id).await;
    let mut tx = ctx.db.begin().await?;
    let (row, fields, moved) = loop {
        let seen = endpoints::find(&mut tx, id).await?.ok_or(Error::NotFound)?;
        if !expected.allows(seen.version) {
            return Err(Error::VersionChanged);
        }
        let mut row = seen.clone();
        let fields = wanted.apply(ctx, &mut row)?;
        if fields.is_empty() {
            return Ok(row);
        }
        (row.version, row.updated_at) = (row.version + 1, ctx.clock.now());
        if endpoints::save(&mut tx, &row, seen.version).await? {
            let moved = notifications::host(&seen.url) != notifications::host(&row.url);
            break (row, fields, moved);
        }
    };
    let entry = Entry::by(actor, "webhook.update", "webhook", Some(id.uuid()));
    tx.audit(&of_owner(entry, &row).detail(json!({ "fields": fields })))
        .await?;
    if moved && notify {
        notifications::destination_added(&mut tx, &row).await?;
    }
    tx.emit(&EndpointUpdated {
        owner: row.owner(),
        endpoint_id: id,
        fields,
    })
    .await?;
    tx.commit().await?;
    Ok(row)
}

/// Deletes one. What it leaves is deleted by a job.
pub(crate) async fn delete(ctx: &Ctx, actor: &Actor, row: &EndpointRow) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    if !remove(&mut tx, row.id).await? {
        return Err(Error::NotFound);
    }
    let entry = Entry::by(actor, "webhook.delete", "webhook", Some(row.id.uuid()));
    tx.audit(&of_owner(entry, row)).await?;
    let (owner, endpoint_id) = (row.owner(), row.id);
    tx.emit(&EndpointDeleted { owner, endpoint_id }).await?;
    tx.commit().await?;
    Ok(())
}

/// Deletes the endpoint with its secrets, and has the rest deleted. False if it was gone.
pub(crate) async fn remove(tx: &mut Tx, id: EndpointId) -> Result<bool, Error> {
    if !endpoints::delete(tx, id).await? {
        return Ok(false);
    }
    secrets::delete_of(tx, id).await?;
    replays::delete(tx, id).await?;
    tx.enqueue(&ClearEndpoint { endpoint_id: id }).await?;
    tx.shred();
    Ok(true)
}
