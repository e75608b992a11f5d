//! The keys of an endpoint: made, opened, rotated, shown. What stands in a row is sealed for its place.

use std::time::Duration;

use stoa_audit::{Entry, TxExt as _};
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, Id, Timestamp};

use crate::{
    ctx::Ctx,
    error::Error,
    events::{EndpointId, SecretRotated},
    headers::Headers,
    signature::{Signature, SigningKey},
    store::{
        endpoints::{self, EndpointRow},
        secrets::{self, SecretId, SecretRow},
    },
};

/// Secrets of one endpoint that sign at once, at most.
const MOST: u32 = 5;

/// A secret as its owner is shown it.
pub(crate) struct Shown {
    pub(crate) kind: Signature,
    pub(crate) text: String,
    pub(crate) expires_at: Option<Timestamp>,
}

/// A new secret for an endpoint.
pub(crate) fn make(ctx: &Ctx, endpoint: EndpointId, kind: Signature) -> Result<SecretRow, Error> {
    let (id, key) = (Id::new(&ctx.clock), SigningKey::make(kind));
    let sealed = ctx.secrets.seal(&place(endpoint, id), key.bytes())?;
    Ok(SecretRow::new(id, kind, sealed))
}

/// What signs the endpoint's messages now, the newest first.
pub(crate) async fn current(ctx: &Ctx, endpoint: EndpointId) -> Result<Vec<(SecretRow, SigningKey)>, Error> {
    let rows = secrets::current(&ctx.db, endpoint, ctx.clock.now()).await?;
    let open = |row: SecretRow| {
        let secret = ctx.secrets.open(&place(endpoint, row.id), &row.sealed)?;
        Ok((row.clone(), SigningKey::of(row.kind(), secret)))
    };
    rows.into_iter().map(open).collect()
}

/// Shows what the owner verifies with.
pub(crate) async fn show(ctx: &Ctx, actor: &Actor, endpoint: &EndpointRow) -> Result<Vec<Shown>, Error> {
    let mut tx = ctx.db.begin().await?;
    let entry = Entry::by(actor, "webhook.read_secret", "webhook", Some(endpoint.id.uuid()));
    tx.audit(&of_owner(entry, endpoint)).await?;
    tx.commit().await?;
    let shown = current(ctx, endpoint.id).await?.into_iter().map(|(row, key)| {
        Ok(Shown {
            kind: row.kind(),
            text: key.for_receiver().map_err(Error::Internal)?,
            expires_at: row.expires_at,
        })
    });
    shown.collect()
}

/// Has a new secret sign, and for `overlap` those that signed until now as well.
pub(crate) async fn rotate(
    ctx: &Ctx,
    actor: &Actor,
    endpoint: &EndpointRow,
    overlap: Duration,
) -> Result<(), Error> {
    ctx.count_try(endpoint.owner()).await?;
    let new = make(ctx, endpoint.id, endpoint.signature())?;
    let mut tx = ctx.db.begin().await?;
    let now = ctx.clock.now();
    // Two at once take turns here.
    if !super::lanes::lock(&mut tx, endpoint).await? {
        return Err(Error::NotFound);
    }
    secrets::expire(&mut tx, endpoint.id, ctx.clock.after(overlap)).await?;
    secrets::delete_expired_of(&mut tx, endpoint.id, now).await?;
    if secrets::count(&mut tx, endpoint.id, MOST).await? >= i64::from(MOST) {
        return Err(Error::SecretsFull);
    }
    if endpoints::find(&mut tx, endpoint.id).await?.is_none() {
        return Err(Error::NotFound);
    }
    secrets::insert(&mut tx, endpoint.id, &new).await?;
    let entry = Entry::by(
        actor,
        "webhook.rotate_secret",
        "webhook",
        Some(endpoint.id.uuid()),
    );
    tx.audit(&of_owner(entry, endpoint)).await?;
    let (owner, endpoint_id) = (endpoint.owner(), endpoint.id);
    tx.emit(&SecretRotated { owner, endpoint_id }).await?;
    tx.commit().await?;
    Ok(())
}

/// The entry of something done to the endpoint.
pub(crate) fn of_owner<'a>(entry: Entry<'a>, endpoint: &EndpointRow) -> Entry<'a> {
    match endpoint.owner().owner() {
        Some(owner) => entry.owner(owner),
        None => entry,
    }
}

/// Custom headers as they are kept.
pub(crate) fn seal_headers(ctx: &Ctx, endpoint: EndpointId, headers: &Headers) -> Result<Vec<u8>, Error> {
    let text = serde_json::to_vec(headers).map_err(|e| Error::Internal(format!("custom headers: {e}")))?;
    Ok(ctx.secrets.seal(&format!("webhook_headers:{endpoint}"), &text)?)
}

/// Custom headers as they are sent.
pub(crate) fn open_headers(ctx: &Ctx, endpoint: &EndpointRow) -> Result<Headers, Error> {
    let text = ctx
        .secrets
        .open(&format!("webhook_headers:{}", endpoint.id), &endpoint.headers)?;
    serde_json::from_slice(&text).map_err(|e| Error::Internal(format!("custom headers: {e}")))
}

fn place(endpoint: EndpointId, secret: SecretId) -> String {
    format!("webhook_secret:{endpoint}:{secret}")
}
