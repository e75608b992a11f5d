//! Changing a password, and choosing a new one by mail.

use stoa_audit::TxExt as _;
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{SessionId, UserId, codes};

use crate::{
    ctx::Ctx,
    email::Email,
    error::{LINK_INVALID, Result},
    jobs::AskForLink,
    notifications::MailKind,
    ops::{
        credentials::{ApiKeys, Case, Ended},
        mails::is_of_use,
        notices::Notices,
        organizations::members,
        origin::Origin,
        prove_again::prove_password,
    },
    password::{self, Password},
    store::{
        accounts::{self, Account},
        known_networks,
        mail_tokens::{self, Purpose},
        unsent_mails,
    },
    tokens::hash_of,
};

/// Changes the password of somebody who knows it. Every other session ends, and the API keys if they wish.
pub(crate) async fn change(
    ctx: &Ctx,
    (user, session): (UserId, SessionId),
    current: &Password,
    new: &Password,
    keys: ApiKeys,
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
    let case = Case {
        user,
        actor: Some(user),
        origin,
        notices: Notices::to(ctx, &account).await,
    };

    let mut tx = ctx.db.begin().await?;
    if !accounts::replace_password(&mut tx, user, &account.password_hash, &hash).await? {
        tx.rollback().await;
        return Err(codes::CONFLICT.into());
    }
    note(&mut tx, &case, "password.change").await?;
    let ended = case.end(&mut tx, Some(session), keys).await?;
    finish(ctx, tx, &account, ended, origin).await
}

/// Has a link sent to an account, if there is one with this address that needs it. For one that does not, as much is written, but into
/// counters that do not grow. Whether a mail is asked for, and its audit entry, are the job's: so nothing of it shows in the answer or its time.
pub(crate) async fn send_link(ctx: &Ctx, email: &str, kind: MailKind, origin: &Origin) -> Result<()> {
    ctx.lockout.mail_request(origin.address).await?;
    let account = accounts::by_email_key(&ctx.db, &Email::key_of(email)).await?;
    let mut tx = ctx.db.begin().await?;
    match account.filter(|account| is_of_use(kind, account)) {
        Some(account) => {
            let link = AskForLink {
                user_id: account.id,
                kind,
                address: origin.address,
                request_id: origin.request_id.clone(),
            };
            tx.enqueue(&link).await?;
        }
        None => unsent_mails::count(&mut tx).await?,
    }
    Ok(tx.commit().await?)
}

/// Whether the link of a mail can set a password.
pub(crate) async fn check_link(ctx: &Ctx, token: &str) -> Result<()> {
    let user = mail_tokens::owner(&ctx.db, &hash_of(token), Purpose::Reset).await?;
    user.map(drop).ok_or_else(|| LINK_INVALID.into())
}

/// Sets a new password by the link of a mail, which shows that the address is theirs. Every session ends, and the API keys unless
/// they wish to keep them, and what waits for the answer of others. If nobody had shown that before, the account may have been used by
/// anybody until now: then all that they set up ends, the second factor too, and organizations without another member are deleted.
pub(crate) async fn reset(
    ctx: &Ctx,
    token: &str,
    new: &Password,
    keys: ApiKeys,
    origin: &Origin,
) -> Result<()> {
    let link = hash_of(token);
    let user = mail_tokens::owner(&ctx.db, &link, Purpose::Reset)
        .await?
        .ok_or(LINK_INVALID)?;
    let account = accounts::by_id(&ctx.db, user).await?.ok_or(LINK_INVALID)?;
    password::check(new, &account.email_key, &ctx.config.password, "new_password")?;
    let hash = ctx.passwords.hash(new, Some(origin.address)).await?;
    let case = Case {
        user,
        actor: Some(user),
        origin,
        notices: Notices::to(ctx, &account).await,
    };

    let mut tx = ctx.db.begin().await?;
    let alone = members::hold_alone(&mut tx, &account).await?;
    // Before all else, for it waits for those who are about to add a key or a session and know the password of before.
    accounts::hold(&mut tx, user).await?;
    if mail_tokens::take(&mut tx, &link, Purpose::Reset).await? != Some(user) {
        tx.rollback().await;
        return Err(LINK_INVALID.into());
    }
    accounts::set_password(&mut tx, user, &hash).await?;
    note(&mut tx, &case, "password.reset").await?;
    let ended = if accounts::set_verified(&mut tx, user).await? {
        let grace = ctx.config.organizations.grace.0;
        case.end_everything(&mut tx, &alone, grace).await?
    } else {
        case.end_requests(&mut tx).await?;
        case.end(&mut tx, None, keys).await?
    };
    finish(ctx, tx, &account, ended, origin).await
}

/// Writes a new password down, and tells its owner.
async fn note(tx: &mut Tx, case: &Case<'_>, action: &str) -> Result<()> {
    let entry = case
        .origin
        .entry(case.actor, action, "account", Some(case.user.uuid()));
    tx.audit(&entry).await?;
    case.notices.tell(tx, MailKind::PasswordChanged).await
}

/// Of the networks that count as known, only the one stays that the new password came from: somebody else may have signed in
/// from the others. Commits.
async fn finish(ctx: &Ctx, mut tx: Tx, account: &Account, ended: Ended, origin: &Origin) -> Result<()> {
    known_networks::remove_all(&mut tx, account.id).await?;
    known_networks::remember(&mut tx, account.id, &account.email_key, origin.address).await?;
    ended.commit(ctx, tx).await
}
