//! Changing a password, and choosing a new one by mail.

use stoa_audit::TxExt as _;
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_http::codes;
use stoa_kernel::{Id, SessionId, UserId};

use crate::{
    ctx::Ctx,
    email::Email,
    error::{LINK_INVALID, Result},
    jobs::{SendLink, SendMail},
    mails::MailKind,
    ops::{origin::Origin, prove_again::prove_password, sessions::end_all},
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
    let source = origin.source(ctx, &account.email_key).await?;
    let guess = prove_password(ctx, &account, current, "current_password", &source, origin).await?;
    guess.succeed().await;
    let hash = ctx.passwords.hash(new, Some(origin.address)).await?;

    let mut tx = ctx.db.begin().await?;
    if !accounts::replace_password(&mut tx, user, &account.password_hash, &hash).await? {
        tx.rollback().await;
        return Err(codes::CONFLICT.into());
    }
    finish(ctx, tx, user, "password.change", Some(session), origin).await
}

/// Sends a link to an account, if there is one with this address. For one that has none the same is done: a job is left that
/// finds nobody. Whether a mail goes out, and its audit entry, are the job's: so nothing of it shows in the answer or its time.
pub(crate) async fn send_link(ctx: &Ctx, email: &str, kind: MailKind, origin: &Origin) -> Result<()> {
    ctx.lockout.mail_request(origin.address).await?;
    let account = accounts::by_email_key(&ctx.db, &Email::key_of(email)).await?;
    let mut tx = ctx.db.begin().await?;
    tx.enqueue(&SendLink {
        user_id: account.map_or_else(|| Id::new(&ctx.clock), |account| account.id),
        kind,
        address: origin.address,
        request_id: origin.request_id.clone(),
    })
    .await?;
    Ok(tx.commit().await?)
}

/// Sets a new password by the link of a mail. Every session ends, and the address has shown to be theirs.
pub(crate) async fn reset(ctx: &Ctx, token: &str, new: &Password, origin: &Origin) -> Result<()> {
    let link = hash_of(token);
    let user = mail_tokens::owner(&ctx.db, &link, Purpose::Reset)
        .await?
        .ok_or(LINK_INVALID)?;
    let account = accounts::by_id(&ctx.db, user).await?.ok_or(LINK_INVALID)?;
    password::check(new, &account.email_key, &ctx.config.password, "new_password")?;
    let hash = ctx.passwords.hash(new, Some(origin.address)).await?;

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
    ending.commit(ctx, tx).await
}
