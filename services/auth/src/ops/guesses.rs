//! Guesses that a stolen session or a known password allows: bounded for each account, and told to its owner.

use serde_json::json;
use stoa_audit::{Entry, TxExt as _};
use stoa_events::TxExt as _;
use stoa_kernel::UserId;
use stoa_notifications_api::NotificationRequested;

use crate::{
    ctx::Ctx,
    error::Result,
    lockout::{Attempt, Refused, Source},
    notifications::MailKind,
};

/// Begins a guess at the password of somebody who is signed in.
pub(crate) async fn of_password<'a>(ctx: &'a Ctx, user: UserId, source: &Source<'_>) -> Result<Attempt<'a>> {
    begun(ctx, user, source, ctx.lockout.proof(source).await).await
}

/// Begins a guess at a code of the second factor.
pub(crate) async fn of_code<'a>(ctx: &'a Ctx, user: UserId, source: &Source<'_>) -> Result<Attempt<'a>> {
    begun(ctx, user, source, ctx.lockout.code(source).await).await
}

async fn begun<'a>(
    ctx: &Ctx,
    user: UserId,
    source: &Source<'_>,
    guess: Result<Attempt<'a>, Refused>,
) -> Result<Attempt<'a>> {
    if guess.as_ref().is_err_and(|refused| refused.of_a_day) {
        warn(ctx, user, source).await?;
    }
    Ok(guess?)
}

/// The guess was wrong. Whoever used the last one of the day up has the owner told.
pub(crate) async fn wrong(ctx: &Ctx, user: UserId, source: &Source<'_>, guess: Attempt<'_>) -> Result<()> {
    if guess.fail() {
        warn(ctx, user, source).await?;
    }
    Ok(())
}

async fn warn(ctx: &Ctx, user: UserId, source: &Source<'_>) -> Result<()> {
    if !ctx.lockout.warning(source.account).await {
        return Ok(());
    }
    let from = source.address.to_string();
    let entry = Entry {
        address: Some(from.as_str().into()),
        ..Entry::new(None, "account.guesses_limited", "account", Some(user.uuid()))
    };
    let mut tx = ctx.db.begin().await?;
    tx.audit(&entry).await?;
    let kind = MailKind::GuessesLimited.name();
    tx.emit(&NotificationRequested::to(kind, user, json!({}))).await?;
    Ok(tx.commit().await?)
}
