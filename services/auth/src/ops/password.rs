//! Changing a password, and choosing a new one by mail.

use stoa_audit::TxExt as _;
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_http::codes;
use stoa_kernel::{Id, SessionId, UserId};

use crate::{
    ctx::Ctx,
    email::Email,
    error::{Error, LINK_INVALID, Result},
    jobs::SendMail,
    mails::MailKind,
    ops::{origin::Origin, sessions::end_all},
    password::{self, Password},
    store::{
        accounts,
        mail_tokens::{self, Purpose},
    },
    tokens::hash_of,
};

/// Changes the password of somebody who knows it. Every other session ends.
pub(crate) async fn change(
    ctx: &Ctx,
    (user, session): (UserId, SessionId),
    current: &Password,
    new: &Password,
    origin: &Origin,
) -> Result<()> {
    let account = accounts::by_id(&ctx.db, user)
        .await?
        .ok_or(codes::UNAUTHENTICATED)?;
    password::check(new, &account.email_key, &ctx.config.password, "new_password")?;
    // Whoever holds a session may not guess on without end either; their network counts as known.
    let attempt = ctx
        .lockout
        .attempt(origin.address, &account.email_key, true)
        .await?;
    let verified = ctx.passwords.verify(current, Some(&account.password_hash)).await;
    match &verified {
        Ok(verified) if verified.right => attempt.succeed().await,
        Ok(_) => drop(attempt),
        Err(_) => attempt.release().await,
    }
    if !verified?.right {
        let failed = origin.entry(Some(user), "password.change_failed", "account", Some(user.uuid()));
        let mut tx = ctx.db.begin().await?;
        tx.audit(&failed).await?;
        tx.commit().await?;
        return Err(Error::Field(
            "current_password",
            "wrong_password",
            "This is not the current password".to_owned(),
        ));
    }
    let hash = ctx.passwords.hash(new).await?;

    let mut tx = ctx.db.begin().await?;
    if !accounts::replace_password(&mut tx, user, &account.password_hash, &hash).await? {
        tx.rollback().await;
        return Err(codes::CONFLICT.into());
    }
    finish(ctx, tx, user, "password.change", Some(session), origin).await
}

/// Sends a link to an account, if there is one with this address. For one that has none the same is done: a job is left that
/// finds nobody.
pub(crate) async fn send_link(ctx: &Ctx, email: &str, kind: MailKind, origin: &Origin) -> Result<()> {
    let key = Email::key_of(email);
    if !ctx.lockout.mail(&key).await {
        return Ok(());
    }
    let account = accounts::by_email_key(&ctx.db, &key).await?;
    let user_id = account
        .as_ref()
        .map_or_else(|| Id::new(&ctx.clock), |account| account.id);
    let action = match kind {
        MailKind::VerifyEmail => "email.verify_requested",
        MailKind::ResetPassword | MailKind::PasswordChanged => "password.reset_requested",
    };
    let mut tx = ctx.db.begin().await?;
    tx.audit(&origin.entry(None, action, "account", account.map(|account| account.id.uuid())))
        .await?;
    tx.enqueue(&SendMail { user_id, kind }).await?;
    tx.commit().await?;
    Ok(())
}

/// Sets a new password by the link of a mail. Every session ends, and the address has shown to be theirs.
pub(crate) async fn reset(ctx: &Ctx, token: &str, new: &Password, origin: &Origin) -> Result<()> {
    let link = hash_of(token);
    let user = mail_tokens::owner(&ctx.db, &link, Purpose::Reset)
        .await?
        .ok_or(LINK_INVALID)?;
    let account = accounts::by_id(&ctx.db, user).await?.ok_or(LINK_INVALID)?;
    password::check(new, &account.email_key, &ctx.config.password, "new_password")?;
    let hash = ctx.passwords.hash(new).await?;

    let mut tx = ctx.db.begin().await?;
    if mail_tokens::take(&mut tx, &link, Purpose::Reset).await? != Some(user) {
        tx.rollback().await;
        return Err(LINK_INVALID.into());
    }
    accounts::set_password(&mut tx, user, &hash).await?;
    accounts::set_verified(&mut tx, user).await?;
    finish(ctx, tx, user, "password.reset", None, origin).await
}

/// What follows from a new password, however it came about: links to set one no longer work, every session but `kept` ends, and
/// the owner is told by mail. Commits.
async fn finish(
    ctx: &Ctx,
    mut tx: Tx,
    user: UserId,
    action: &'static str,
    kept: Option<SessionId>,
    origin: &Origin,
) -> Result<()> {
    mail_tokens::remove_all(&mut tx, user, Purpose::Reset).await?;
    tx.audit(&origin.entry(Some(user), action, "account", Some(user.uuid())))
        .await?;
    let ending = end_all(&mut tx, user, kept, Some(user), origin).await?;
    tx.enqueue(&SendMail {
        user_id: user,
        kind: MailKind::PasswordChanged,
    })
    .await?;
    tx.commit().await?;
    ending.committed(ctx);
    Ok(())
}
