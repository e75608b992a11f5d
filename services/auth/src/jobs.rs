//! What is done later, and at set times.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stoa_audit::{Entry, TxExt as _};
use stoa_events::{Done, EventId, Job, JobError, JobHandler, Schedule, TxExt as _, Work};
use stoa_kernel::{OrganizationId, UserId};
use stoa_mail::SendError;

use crate::{
    ctx::Ctx,
    email::Email,
    error::Error,
    lockout::Source,
    mails::{Content, MailKind, in_words},
    ops::{
        self,
        organizations::{self, Notice},
        roles,
        start::rotate_keys,
    },
    store::{
        accounts::{self, Account},
        domains::DomainId,
        invitations::InvitationId,
        known_networks,
        mail_tokens::{self, Purpose},
        members,
    },
    tokens::Opaque,
};

/// Deadline of jobs that go through whole tables.
const LONG: Duration = Duration::from_secs(600);
/// How long sending one mail may take: longer than all steps of SMTP together, by `mail.timeout` as it is by default.
const MAIL: Duration = Duration::from_secs(300);

/// Sends a mail to an account, if there is one. The link is made when it runs: a job's row holds no secret.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.send_mail", priority = 10)]
pub(crate) struct SendMail {
    pub(crate) user_id: UserId,
    pub(crate) kind: MailKind,
}

/// Sends a link that somebody has asked for, to an account, if there is one and it needs the link.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.send_link", priority = 10)]
pub(crate) struct SendLink {
    pub(crate) user_id: UserId,
    pub(crate) kind: MailKind,
    /// Where the request came from.
    pub(crate) address: IpAddr,
    pub(crate) request_id: String,
}

/// Sends the mail of an invitation, if it still waits. The link is made when it runs: a job's row holds no secret.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.send_invitation", priority = 10)]
pub(crate) struct SendInvitation {
    pub(crate) invitation_id: InvitationId,
}

/// Sends the mail that asks the administrators of a domain, if it still waits.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.send_domain_mail", priority = 10)]
pub(crate) struct SendDomainMail {
    pub(crate) domain_id: DomainId,
    /// What stands before the `@`.
    pub(crate) mailbox: String,
}

/// Has the owners of an organization told what was done to it.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.tell_owners", priority = 10)]
pub(crate) struct TellOwners {
    pub(crate) organization_id: OrganizationId,
    pub(crate) notice: Notice,
}

/// Sends a mail about an organization to one person.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.send_organization_mail", priority = 10)]
pub(crate) struct SendOrganizationMail {
    pub(crate) user_id: UserId,
    pub(crate) organization_id: OrganizationId,
    pub(crate) notice: Notice,
}

/// Deletes organizations whose time to be restored is over.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.purge_organizations")]
pub(crate) struct PurgeOrganizations {}

/// Deletes the bytes of a picture that no organization names any more.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.remove_picture")]
pub(crate) struct RemovePicture {
    pub(crate) organization_id: OrganizationId,
    pub(crate) file: String,
}

/// Deletes the stored pictures of an organization that is purged.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.forget_pictures")]
pub(crate) struct ForgetPictures {
    pub(crate) organization_id: OrganizationId,
}

/// Deletes pictures that were stored for a change that never was committed.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.sweep_pictures")]
pub(crate) struct SweepPictures {}

/// Forgets what has expired.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.purge")]
pub(crate) struct Purge {}

/// Deletes the mails that were sent to somebody, where mails are kept in a folder.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.forget_mails")]
pub(crate) struct ForgetMails {
    /// Whom, by [`recipient`]: a job's row holds no address.
    pub(crate) recipient: String,
}

/// The hash of a recipient's address.
pub(crate) fn recipient(address: &str) -> String {
    hex::encode(Sha256::digest(Email::key_of(address)))
}

/// Takes a role that was removed from those who had it.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.clear_role")]
pub(crate) struct ClearRole {
    pub(crate) role: String,
}

/// Makes the signing key that is due.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.rotate_keys")]
pub(crate) struct RotateKeys {}

/// The handlers of all jobs.
pub(crate) fn handlers(ctx: &Ctx) -> Vec<JobHandler> {
    vec![
        JobHandler::with(ctx, send_link).deadline(MAIL),
        JobHandler::with(ctx, send_mail).deadline(MAIL),
        JobHandler::with(ctx, send_invitation).deadline(MAIL),
        JobHandler::with(ctx, send_domain_mail).deadline(MAIL),
        JobHandler::with(ctx, tell_owners),
        JobHandler::with(ctx, send_organization_mail).deadline(MAIL),
        JobHandler::with(ctx, purge),
        JobHandler::with(ctx, purge_organizations),
        JobHandler::with(ctx, remove_picture),
        JobHandler::with(ctx, forget_pictures).deadline(LONG),
        JobHandler::with(ctx, sweep_pictures).deadline(LONG),
        JobHandler::with(ctx, clear_role).deadline(LONG),
        JobHandler::with(ctx, forget_mails),
        JobHandler::with(ctx, rotate),
    ]
}

/// When jobs run by themselves.
pub(crate) fn schedules() -> Vec<Schedule> {
    vec![
        Schedule::new("auth.purge_hourly", "17 * * * *", Purge {}),
        Schedule::new(
            "auth.purge_organizations_hourly",
            "27 * * * *",
            PurgeOrganizations {},
        ),
        Schedule::new("auth.sweep_pictures_hourly", "37 * * * *", SweepPictures {}),
        Schedule::new("auth.rotate_keys_hourly", "7 * * * *", RotateKeys {}),
    ]
}

async fn send_mail(ctx: Ctx, work: Work<SendMail>) -> Result<Done, JobError> {
    let &SendMail { user_id, kind } = work.payload();
    if let Some(account) = addressee(&ctx, user_id, kind).await? {
        send(&ctx, account, kind, work.id()).await?;
    }
    work.done().await
}

/// A mail that is not sent uses no allowance up, and leaves no audit entry.
async fn send_link(ctx: Ctx, work: Work<SendLink>) -> Result<Done, JobError> {
    let request = work.payload();
    let Some(account) = addressee(&ctx, request.user_id, request.kind).await? else {
        return work.done().await;
    };
    let source = Source {
        account: &account.email_key,
        address: request.address,
        familiarity: known_networks::familiarity_of(&ctx.db, &account.email_key, request.address).await?,
    };
    let Ok(mail) = ctx.lockout.mail(request.kind, &source).await else {
        return work.done().await;
    };
    if work.attempt() == 1 {
        note(&ctx, request).await?;
    }
    if let Err(error) = send(&ctx, account.clone(), request.kind, work.id()).await {
        mail.release().await;
        return Err(error);
    }
    // It stays counted.
    drop(mail);
    work.done().await
}

async fn note(ctx: &Ctx, request: &SendLink) -> Result<(), JobError> {
    let action = match request.kind {
        MailKind::VerifyEmail => "email.verify_requested",
        _ => "password.reset_requested",
    };
    let from = request.address.to_string();
    let entry = Entry {
        request_id: Some(&request.request_id),
        address: Some(from.as_str().into()),
        ..Entry::new(None, action, "account", Some(request.user_id.uuid()))
    };
    let mut tx = ctx.db.begin().await?;
    tx.audit(&entry).await?;
    Ok(tx.commit().await?)
}

/// The account, if it is there and the mail is of use to it.
async fn addressee(ctx: &Ctx, user: UserId, kind: MailKind) -> Result<Option<Account>, JobError> {
    let account = accounts::by_id(&ctx.db, user).await?;
    Ok(account.filter(|account| is_of_use(kind, account)))
}

/// Whether a mail of this kind is of use to the account.
pub(crate) fn is_of_use(kind: MailKind, account: &Account) -> bool {
    kind != MailKind::VerifyEmail || account.email_verified_at.is_none()
}

async fn send(ctx: &Ctx, account: Account, kind: MailKind, id: EventId) -> Result<(), JobError> {
    let (link, works_for) = link(ctx, account.id, kind).await?;
    let content = Content {
        link,
        works_for: in_words(works_for),
        ..Content::to(ctx, account.email)
    };
    deliver(ctx, kind, id, &content).await?;
    forget_if_erased(ctx, account.id, &content.email).await
}

async fn deliver(ctx: &Ctx, kind: MailKind, id: EventId, content: &Content) -> Result<(), JobError> {
    let mail = ctx
        .templates
        .mail(kind, id.to_string(), content)
        .map_err(JobError::Fatal)?;
    match ctx.mailer.send(&mail).await {
        Ok(_) => Ok(()),
        Err(SendError::Refused(why)) => Err(JobError::Refused(why)),
        // A server that refuses what a stranger has written into a mail is no fault of ours.
        Err(SendError::Permanent(why)) if kind.is_about_organization() => Err(JobError::Refused(why)),
        Err(SendError::Permanent(why)) => Err(JobError::Fatal(why)),
        Err(other) => Err(JobError::Retry(other.to_string())),
    }
}

/// Makes the link that the mail holds; empty for a mail without one. It is kept before the mail goes out, so that whichever
/// attempt's mail arrives, its link works.
async fn link(ctx: &Ctx, user: UserId, kind: MailKind) -> Result<(String, Duration), JobError> {
    let (purpose, page, works_for) = match kind {
        MailKind::VerifyEmail => (Purpose::Verify, "verify", ctx.config.verify_token_lifetime.0),
        MailKind::ResetPassword => (Purpose::Reset, "reset", ctx.config.reset_token_lifetime.0),
        _ => return Ok((String::new(), Duration::ZERO)),
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

async fn send_invitation(ctx: Ctx, work: Work<SendInvitation>) -> Result<Done, JobError> {
    let content = organizations::mails::invitation(&ctx, work.payload().invitation_id).await;
    if let Some(content) = content.map_err(retry)? {
        deliver(&ctx, MailKind::Invitation, work.id(), &content).await?;
    }
    work.done().await
}

async fn send_domain_mail(ctx: Ctx, work: Work<SendDomainMail>) -> Result<Done, JobError> {
    let SendDomainMail { domain_id, mailbox } = work.payload();
    let content = organizations::mails::domain(&ctx, *domain_id, mailbox).await;
    if let Some(content) = content.map_err(retry)? {
        deliver(&ctx, MailKind::Domain, work.id(), &content).await?;
    }
    work.done().await
}

/// Owners who are told, those with the oldest accounts; beside them the person to whom it was done.
const OWNERS_TOLD_MAX: u32 = 50;

async fn tell_owners(ctx: Ctx, work: Work<TellOwners>) -> Result<Done, JobError> {
    let &TellOwners {
        organization_id,
        ref notice,
    } = work.payload();
    let mut told = members::owners(&ctx.db, organization_id, OWNERS_TOLD_MAX).await?;
    if !told.contains(&notice.about) {
        told.push(notice.about);
    }
    let mut tx = work.begin().await?;
    for user_id in told {
        tx.enqueue(&SendOrganizationMail {
            user_id,
            organization_id,
            notice: notice.clone(),
        })
        .await?;
    }
    work.commit(tx).await
}

async fn send_organization_mail(ctx: Ctx, work: Work<SendOrganizationMail>) -> Result<Done, JobError> {
    let SendOrganizationMail {
        user_id,
        organization_id,
        notice,
    } = work.payload();
    let Some(account) = accounts::by_id(&ctx.db, *user_id).await? else {
        return work.done().await;
    };
    // Counted once, however often the mail server is away.
    if work.attempt() == 1 && !ctx.lockout.organization_notice(&account.email_key).await {
        tracing::warn!(user = %user_id, organization = %organization_id, "an owner was told often enough within the hour; a mail was left out");
        return work.done().await;
    }
    let content = organizations::mails::notice(&ctx, account, *organization_id, notice).await;
    if let Some(content) = content.map_err(retry)? {
        deliver(&ctx, notice.kind, work.id(), &content).await?;
        forget_if_erased(&ctx, *user_id, &content.email).await?;
    }
    work.done().await
}

fn retry(error: Error) -> JobError {
    JobError::Retry(error.to_string())
}

async fn purge_organizations(ctx: Ctx, work: Work<PurgeOrganizations>) -> Result<Done, JobError> {
    let all = organizations::lifecycle::purge(&ctx).await?;
    let mut tx = work.begin().await?;
    if !all {
        tx.enqueue(&PurgeOrganizations {}).await?;
    }
    work.commit(tx).await
}

async fn remove_picture(ctx: Ctx, work: Work<RemovePicture>) -> Result<Done, JobError> {
    let RemovePicture {
        organization_id,
        file,
    } = work.payload();
    ctx.pictures.remove(*organization_id, file).await?;
    work.done().await
}

async fn forget_pictures(ctx: Ctx, work: Work<ForgetPictures>) -> Result<Done, JobError> {
    ctx.pictures.remove_all(work.payload().organization_id).await?;
    work.done().await
}

async fn sweep_pictures(ctx: Ctx, work: Work<SweepPictures>) -> Result<Done, JobError> {
    ctx.pictures.sweep(&ctx.db).await?;
    work.done().await
}

async fn purge(ctx: Ctx, work: Work<Purge>) -> Result<Done, JobError> {
    let all = ops::purge::purge(&ctx).await?;
    let mut tx = work.begin().await?;
    if !all {
        tx.enqueue(&Purge {}).await?;
    }
    work.commit(tx).await
}

/// Erased while a mail to them was being written: it goes as well.
async fn forget_if_erased(ctx: &Ctx, user: UserId, address: &str) -> Result<(), JobError> {
    if !ctx.mailer.is_folder() || accounts::by_id(&ctx.db, user).await?.is_some() {
        return Ok(());
    }
    forget(ctx, recipient(address)).await
}

async fn forget(ctx: &Ctx, theirs: String) -> Result<(), JobError> {
    let forgotten = ctx.mailer.forget(move |address| recipient(address) == theirs);
    forgotten.await.map_err(|e| JobError::Retry(e.to_string()))
}

/// Deletes the mails to somebody who was erased, where mails are kept in a folder.
async fn forget_mails(ctx: Ctx, work: Work<ForgetMails>) -> Result<Done, JobError> {
    forget(&ctx, work.payload().recipient.clone()).await?;
    work.done().await
}

async fn clear_role(ctx: Ctx, work: Work<ClearRole>) -> Result<Done, JobError> {
    let done = roles::clear(&ctx, &work.payload().role).await;
    if done.map_err(|e| JobError::Retry(e.to_string()))? {
        return work.done().await;
    }
    let mut tx = work.begin().await?;
    tx.enqueue(work.payload()).await?;
    work.commit(tx).await
}

async fn rotate(ctx: Ctx, work: Work<RotateKeys>) -> Result<Done, JobError> {
    rotate_keys(&ctx)
        .await
        .map_err(|e| JobError::Retry(e.to_string()))?;
    work.done().await
}
