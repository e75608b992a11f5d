//! Showing that an address is one's own.

use stoa_audit::TxExt as _;
use stoa_kernel::UserId;

use crate::{
    ctx::Ctx,
    error::{LINK_INVALID, Result},
    ops::{credentials::Case, notices::Notices, origin::Origin},
    store::{
        accounts,
        mail_tokens::{self, Purpose},
    },
    tokens::hash_of,
};

/// Uses the link of a mail up. `signed_in`: whose session it comes with, if with any.
///
/// Whoever comes with a session of the account holds both it and the mailbox. Otherwise the account may be somebody else's, who
/// registered an address that is not theirs: then what was set up on it until now ends, but for its sessions.
pub(crate) async fn verify(ctx: &Ctx, token: &str, signed_in: Option<UserId>, origin: &Origin) -> Result<()> {
    let link = hash_of(token);
    let user = mail_tokens::owner(&ctx.db, &link, Purpose::Verify)
        .await?
        .ok_or(LINK_INVALID)?;
    let account = accounts::by_id(&ctx.db, user).await?.ok_or(LINK_INVALID)?;
    let case = Case {
        user,
        actor: Some(user),
        origin,
        notices: Notices::to(ctx, &account).await,
    };
    let mut tx = ctx.db.begin().await?;
    accounts::hold(&mut tx, user).await?;
    if mail_tokens::take(&mut tx, &link, Purpose::Verify).await? != Some(user) {
        tx.rollback().await;
        return Err(LINK_INVALID.into());
    }
    mail_tokens::remove_all(&mut tx, user, Purpose::Verify).await?;
    if !accounts::set_verified(&mut tx, user).await? {
        return Ok(tx.commit().await?);
    }
    tx.audit(&origin.entry(Some(user), "email.verify", "account", Some(user.uuid())))
        .await?;
    if signed_in == Some(user) {
        return Ok(tx.commit().await?);
    }
    let ended = case.end_what_was_set_up(&mut tx).await?;
    ended.commit(ctx, tx).await
}
