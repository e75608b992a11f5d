//! What is done later, and at set times.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use stoa_events::{Done, Job, JobError, JobHandler, Schedule, Work};
use stoa_kernel::{Timestamp, UserId};
use stoa_mail::MailError;

use crate::{
    ctx::Ctx,
    mails::{Content, MailKind, in_words},
    ops::start::rotate_keys,
    store::{
        accounts, known_networks,
        mail_tokens::{self, Purpose},
        refresh_tokens, revocations, sessions,
    },
    tokens::Opaque,
};

/// How long a network is remembered from which an account has not signed in any more.
const KNOWN_NETWORK: SignedDuration = SignedDuration::from_hours(180 * 24);

/// Sends a mail to an account, if there is one. The link is made when it runs: a job's row holds no secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SendMail {
    pub(crate) user_id: UserId,
    pub(crate) kind: MailKind,
}

impl Job for SendMail {
    const NAME: &'static str = "auth.send_mail";
    const PRIORITY: i16 = 10;
}

/// Forgets what has expired.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Purge {}

impl Job for Purge {
    const NAME: &'static str = "auth.purge";
}

/// Makes the signing key that is due.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RotateKeys {}

impl Job for RotateKeys {
    const NAME: &'static str = "auth.rotate_keys";
}

/// The handlers of all jobs.
pub(crate) fn handlers(ctx: &Ctx) -> Vec<JobHandler> {
    let (mail, purging, keys) = (ctx.clone(), ctx.clone(), ctx.clone());
    vec![
        JobHandler::new(move |work: Work<SendMail>| send_mail(mail.clone(), work)),
        JobHandler::new(move |work: Work<Purge>| purge(purging.clone(), work)),
        JobHandler::new(move |work: Work<RotateKeys>| rotate(keys.clone(), work)),
    ]
}

/// When jobs run by themselves.
pub(crate) fn schedules() -> Vec<Schedule> {
    vec![
        Schedule::new("auth.purge_daily", "17 3 * * *", Purge {}),
        Schedule::new("auth.rotate_keys_hourly", "7 * * * *", RotateKeys {}),
    ]
}

async fn send_mail(ctx: Ctx, work: Work<SendMail>) -> Result<Done, JobError> {
    let &SendMail { user_id, kind } = work.payload();
    let Some(account) = accounts::by_id(&ctx.db, user_id).await? else {
        return work.done().await;
    };
    if kind == MailKind::VerifyEmail && account.email_verified_at.is_some() {
        return work.done().await;
    }
    let (link, works_for) = link(&ctx, user_id, kind).await?;
    let content = Content {
        product: ctx.config.totp_issuer.clone(),
        email: account.email,
        link,
        works_for: in_words(works_for),
    };
    let mail = ctx
        .templates
        .mail(kind, work.id().to_string(), &content)
        .map_err(JobError::Fatal)?;
    match ctx.mailer.send(&mail).await {
        Ok(()) => work.done().await,
        Err(MailError::Permanent(why)) => Err(JobError::Fatal(why)),
        Err(other) => Err(JobError::Retry(other.to_string())),
    }
}

/// Makes the link that the mail holds; empty for a mail without one. It is kept before the mail goes out, so that whichever
/// attempt's mail arrives, its link works.
async fn link(ctx: &Ctx, user: UserId, kind: MailKind) -> Result<(String, Duration), JobError> {
    let (purpose, page, works_for) = match kind {
        MailKind::VerifyEmail => (Purpose::Verify, "verify", ctx.config.verify_token_lifetime.0),
        MailKind::ResetPassword => (Purpose::Reset, "reset", ctx.config.reset_token_lifetime.0),
        MailKind::PasswordChanged => return Ok((String::new(), Duration::ZERO)),
    };
    let token = Opaque::new();
    let mut tx = ctx.db.begin().await?;
    mail_tokens::insert(&mut tx, &token.hash, user, purpose, ctx.clock.after(works_for)).await?;
    tx.commit().await?;
    Ok((
        format!("{}/auth/{page}?token={}", ctx.public_url, token.text),
        works_for,
    ))
}

async fn purge(ctx: Ctx, work: Work<Purge>) -> Result<Done, JobError> {
    let now = ctx.clock.now();
    let mut tx = work.begin().await?;
    sessions::purge(&mut tx, now).await?;
    refresh_tokens::purge(&mut tx, now).await?;
    mail_tokens::purge(&mut tx, now).await?;
    revocations::purge(&mut tx, now).await?;
    known_networks::purge(
        &mut tx,
        now.saturating_sub(KNOWN_NETWORK).unwrap_or(Timestamp::MIN),
    )
    .await?;
    work.commit(tx).await
}

async fn rotate(ctx: Ctx, work: Work<RotateKeys>) -> Result<Done, JobError> {
    rotate_keys(&ctx)
        .await
        .map_err(|e| JobError::Retry(e.to_string()))?;
    work.done().await
}
