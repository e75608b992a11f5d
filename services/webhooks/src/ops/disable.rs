//! Disabling endpoints that their owner has not disabled.

use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Owner, Timestamp, UserId};

use super::keys;
use crate::{
    ctx::Ctx,
    error::Error,
    events::{DisabledReason, EndpointDisabled},
    notifications,
    store::endpoints::{self, EndpointRow},
};

/// Disables the endpoint, and says so. With `failing_since`, only if every attempt since then has failed still. What waits for it is
/// given up when its time comes.
pub(crate) async fn disable(
    tx: &mut Tx,
    endpoint: &EndpointRow,
    reason: DisabledReason,
    failing_since: Option<Timestamp>,
) -> Result<(), Error> {
    if !endpoints::disable(tx, endpoint.id, reason, failing_since).await? {
        return Ok(());
    }
    metrics::counter!("stoa_webhooks_disabled_total", "reason" => reason.name()).increment(1);
    let entry = Entry::new(None, "webhook.disable", "webhook", Some(endpoint.id.uuid()));
    let entry = keys::of_owner(entry, endpoint).detail(serde_json::json!({ "reason": reason.name() }));
    tx.audit(&entry).await?;
    let (owner, endpoint_id) = (endpoint.owner(), endpoint.id);
    tx.emit(&EndpointDisabled {
        owner,
        endpoint_id,
        reason,
    })
    .await?;
    Ok(notifications::disabled(tx, endpoint, reason).await?)
}

/// Disables a person's own endpoints: somebody else who had the account may have made them.
pub(crate) async fn of_person(ctx: &Ctx, user: UserId) -> Result<(), Error> {
    let endpoints = endpoints::enabled_of(&ctx.db, &[Owner::User(user).into()]).await?;
    let mut tx = ctx.db.begin().await?;
    for endpoint in &endpoints {
        disable(&mut tx, endpoint, DisabledReason::CredentialsRevoked, None).await?;
    }
    Ok(tx.commit().await?)
}
