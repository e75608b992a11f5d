//! What follows from `credentials.revoked`: what somebody made with a stolen account does not outlive the reset of its password.

use std::time::Duration;

use stoa_db::Tx;
use stoa_kernel::{Owner, Timestamp, UserId};

use super::{BATCH, access_keys, links, operations};
use crate::{
    ctx::Ctx,
    error::Error,
    store::{
        links::{self as link_store, LinkRow},
        operations as operation_store, owners, revocations,
    },
};

/// So long a session that has ended may be believed in elsewhere, and clocks may be apart.
const LEEWAY: Duration = Duration::from_secs(2);
/// A request that took no longer was not authorised with what had ended before.
const QUICK: Duration = Duration::from_secs(1);
/// Longer than any request takes.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);

/// Ends what the person made until then: access keys and with them presigned addresses, links, and what is being done to many objects.
/// What they make later stays, also where the event comes late.
pub(crate) async fn revoke(ctx: &Ctx, user: UserId, at: Timestamp) -> Result<(), Error> {
    let until = at.checked_add(LEEWAY).unwrap_or(Timestamp::MAX);
    let mut tx = ctx.db.begin().await?;
    // What is being made now is there after this, or sees what is noted.
    if !owners::lock(&mut tx, user.into()).await? {
        return Ok(());
    }
    revocations::note(&mut tx, user, until).await?;
    tx.commit().await?;
    access_keys::revoke(ctx, user, until).await?;
    links::revoke_made_by(ctx, user, until).await?;
    operations::stop_begun_by(ctx, user, until).await
}

/// Locks the person who makes something by a request that began then. The time is kept as that of its making: by it [`revoke`] tells
/// what was made by whose credentials, however long the request took.
///
/// # Errors
/// When they are erased, or their credentials were revoked meanwhile.
pub(crate) async fn lock(tx: &mut Tx, user: UserId, begun: Timestamp) -> Result<(), Error> {
    if !owners::lock(tx, Owner::User(user)).await? {
        return Err(Error::Erased);
    }
    if revocations::any_since(tx, user, begun).await? {
        return Err(Error::Revoked);
    }
    Ok(())
}

/// By whose rights something is stored.
#[derive(Clone, Copy)]
pub(crate) enum Right<'a> {
    /// By those of this person.
    Person(UserId),
    /// By this link, which could be used when the request began.
    Link(&'a LinkRow),
}

/// Refuses to keep what came by a request that took long and has lost its right meanwhile.
///
/// # Errors
/// When it has.
pub(crate) async fn still(ctx: &Ctx, tx: &mut Tx, right: Right<'_>, begun: Timestamp) -> Result<(), Error> {
    let now = ctx.clock.now();
    if now <= begun.checked_add(QUICK).unwrap_or(Timestamp::MAX) {
        return Ok(());
    }
    let person = match right {
        Right::Person(user) => Some(user),
        // It may have expired meanwhile, and be purged.
        Right::Link(link) if link.expires_at > now && !link_store::is_there(tx, link.id).await? => {
            return Err(Error::Revoked);
        }
        Right::Link(link) => link.made_by,
    };
    match person {
        Some(user) if revocations::any_since(tx, user, begun).await? => Err(Error::Revoked),
        _ => Ok(()),
    }
}

/// Deletes what is noted of revocations of which no request is left that began before.
pub(crate) async fn purge(ctx: &Ctx, now: Timestamp) -> Result<(), Error> {
    let Ok(before) = now.checked_sub(KEEP) else {
        return Ok(());
    };
    loop {
        let mut tx = ctx.db.begin().await?;
        let deleted = revocations::delete_before(&mut tx, before, BATCH).await?;
        tx.commit().await?;
        if deleted < u64::from(BATCH) {
            return Ok(());
        }
    }
}

/// Takes the name of a person who is erased off some of what they made in others' buckets, which stays; true if there may be more.
pub(crate) async fn erase_some(ctx: &Ctx, user: UserId) -> Result<bool, Error> {
    let mut tx = ctx.db.begin().await?;
    revocations::delete(&mut tx, user).await?;
    let links = link_store::unname(&mut tx, user, BATCH).await?;
    let operations = operation_store::unname(&mut tx, user, BATCH).await?;
    tx.shred();
    tx.commit().await?;
    Ok(links.max(operations) == u64::from(BATCH))
}
