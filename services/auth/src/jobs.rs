//! What is done later, and at set times.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};
use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_events::{Done, Job, JobError, JobHandler, Schedule, TxExt as _, Work};
use stoa_kernel::{OrganizationId, OrganizationRole, UserId};

use crate::{
    ctx::Ctx,
    email::Email,
    error::Error,
    lockout::Source,
    notifications::MailKind,
    ops::{
        self, mails,
        organizations::{self as ops_organizations, Notice, mails as organization_mails},
        roles,
        start::rotate_keys,
    },
    store::{accounts, known_networks, members, organizations},
};

/// Deadline of jobs that go through whole tables.
const LONG: Duration = Duration::from_secs(600);
/// Asks for the mail with a link that somebody has asked for, if its account needs one and has not been sent too many.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.ask_for_link", priority = 10)]
pub(crate) struct AskForLink {
    pub(crate) user_id: UserId,
    pub(crate) kind: MailKind,
    /// Where the request came from.
    pub(crate) address: IpAddr,
    pub(crate) request_id: String,
}

/// Has the owners of an organization told what was done to it.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "auth.tell_owners", priority = 10)]
pub(crate) struct TellOwners {
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
        JobHandler::with(ctx, ask_for_link),
        JobHandler::with(ctx, tell_owners),
        JobHandler::with(ctx, purge),
        JobHandler::with(ctx, purge_organizations),
        JobHandler::with(ctx, remove_picture),
        JobHandler::with(ctx, forget_pictures).deadline(LONG),
        JobHandler::with(ctx, sweep_pictures).deadline(LONG),
        JobHandler::with(ctx, clear_role).deadline(LONG),
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

/// A mail that is not asked for uses no allowance up, and leaves no audit entry.
async fn ask_for_link(ctx: Ctx, work: Work<AskForLink>) -> Result<Done, JobError> {
    let AskForLink {
        user_id,
        kind,
        address,
        ..
    } = *work.payload();
    let account = accounts::by_id(&ctx.db, user_id).await?;
    let Some(account) = account.filter(|account| mails::is_of_use(kind, account)) else {
        return work.done().await;
    };
    let source = Source {
        account: &account.email_key,
        address,
        familiarity: known_networks::familiarity_of(&ctx.db, &account.email_key, address).await?,
    };
    let Ok(allowed) = ctx.lockout.mail(kind, &source).await else {
        return work.done().await;
    };
    match ask(&ctx, work).await {
        // It stays counted.
        Ok(done) => Ok(done),
        Err(error) => {
            allowed.release().await;
            Err(error)
        }
    }
}

async fn ask(ctx: &Ctx, work: Work<AskForLink>) -> Result<Done, JobError> {
    let request = work.payload();
    let mut tx = work.begin().await?;
    note(&mut tx, request).await?;
    let asked = mails::ask_for_link(ctx, &mut tx, request.kind, request.user_id);
    asked.await.map_err(retry)?;
    work.commit(tx).await
}

async fn note(tx: &mut Tx, request: &AskForLink) -> Result<(), JobError> {
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
    Ok(tx.audit(&entry).await?)
}

/// Owners who are told, those with the oldest accounts; beside them the person to whom it was done.
const OWNERS_TOLD_MAX: u32 = 50;

async fn tell_owners(ctx: Ctx, work: Work<TellOwners>) -> Result<Done, JobError> {
    let &TellOwners {
        organization_id,
        ref notice,
    } = work.payload();
    let mut told =
        members::with_role(&ctx.db, organization_id, OrganizationRole::Owner, OWNERS_TOLD_MAX).await?;
    if !told.contains(&notice.about) {
        told.push(notice.about);
    }
    let mut people = Vec::new();
    for account in accounts::contacts(&ctx.db, &told).await? {
        if ctx
            .lockout
            .organization_notice(&Email::key_of(&account.email))
            .await
        {
            people.push(account.id);
        } else {
            tracing::warn!(user = %account.id, organization = %organization_id, "an owner was told often enough within the hour; a mail was left out");
        }
    }
    let organization = organizations::find(&ctx.db, organization_id).await?;
    let mut tx = work.begin().await?;
    if let Some(organization) = organization.filter(|_| !people.is_empty()) {
        let told = organization_mails::tell(&ctx, &mut tx, &organization, notice, people);
        told.await.map_err(retry)?;
    }
    work.commit(tx).await
}

fn retry(error: Error) -> JobError {
    JobError::Retry(error.to_string())
}

async fn purge_organizations(ctx: Ctx, work: Work<PurgeOrganizations>) -> Result<Done, JobError> {
    let all = ops_organizations::lifecycle::purge(&ctx).await?;
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
