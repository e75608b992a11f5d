//! Addresses that nothing is sent to but what is critical.

use stoa_audit::{Entry, TxExt as _};
use stoa_kernel::Actor;
use stoa_service::{Channel, Criticality, NotificationType};

use super::send::Ended;
use crate::{address, ctx::Ctx, error::Error, store::suppressions};

/// Messages to the address bounce.
pub(crate) const BOUNCED: &str = "bounced";
/// Its owner has called a message to it spam.
pub(crate) const COMPLAINED: &str = "complained";
/// Its owner has said so there, such as by answering STOP.
pub(crate) const UNSUBSCRIBED: &str = "unsubscribed";

/// What speaks against sending to an address, if anything does.
pub(crate) async fn against(
    ctx: &Ctx,
    kind: &NotificationType,
    channel: Channel,
    address: &str,
) -> Result<Option<Ended>, Error> {
    against_hash(ctx, kind, channel, &address::hash(address)).await
}

/// The same of the hash of an address.
pub(crate) async fn against_hash(
    ctx: &Ctx,
    kind: &NotificationType,
    channel: Channel,
    hash: &[u8],
) -> Result<Option<Ended>, Error> {
    if kind.criticality == Criticality::Critical {
        return Ok(None);
    }
    let found = suppressions::find(&ctx.db, channel, hash).await?;
    Ok(found.map(|row| {
        let why = match row.reason.as_str() {
            BOUNCED => "the address does not exist, or takes no messages",
            UNSUBSCRIBED => "the person wants no messages there",
            _ => "the person has complained of a message",
        };
        Ended::skipped("suppressed", format!("Not sent: since {} {why}", row.created_at))
    }))
}

/// Has an address sent to again.
pub(crate) async fn release(ctx: &Ctx, actor: &Actor, channel: Channel, hash: &[u8]) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    if !suppressions::delete(&mut tx, channel, hash).await? {
        return Err(Error::NotFound);
    }
    tx.audit(&Entry::by(actor, "suppression.release", "suppression", None))
        .await?;
    Ok(tx.commit().await?)
}
