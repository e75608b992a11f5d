//! What notifications publishes, and what it does on the events of others.

use serde::{Deserialize, Serialize};
use serde_json::json;
use stoa_auth_api::events::{CredentialsRevoked, SessionRevoked, UserErased, UserRegistered};
use stoa_events::{Done, Event, JobError, Subscription, TxExt as _, Work};
use stoa_kernel::UserId;
use stoa_notifications_api::{NotificationRequested, Recipients};
use stoa_users_api::events::PreferenceChanged;
use uuid::Uuid;

use crate::{
    ctx::Ctx,
    error::Error,
    jobs::{AGAIN, Erase},
    ops::{people, push, request, revocations},
    store, types,
};

/// A notification was put into somebody's inbox. Published to their own channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "notification.shown", key = "user:{user_id}")]
pub struct NotificationShown {
    /// Whose inbox.
    pub user_id: UserId,
    /// It, as the inbox names it.
    pub id: Uuid,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What people choose by.
    pub category: String,
    /// Its title; the text is read from the inbox.
    pub title: String,
    /// Where it leads to, below the public address.
    pub link: Option<String>,
    /// How many are unread now.
    pub unread: i64,
}

/// Somebody's inbox was changed otherwise: read, archived, snoozed. Published to their own channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "inbox.changed", key = "user:{user_id}")]
pub struct InboxChanged {
    /// Whose inbox.
    pub user_id: UserId,
    /// How many are unread now.
    pub unread: i64,
}

pub(crate) fn subscriptions(ctx: &Ctx) -> Vec<Subscription> {
    vec![
        Subscription::with("notifications.request", ctx, requested).retry(AGAIN),
        Subscription::with("notifications.welcome", ctx, registered),
        Subscription::with("notifications.follow_preference", ctx, preference_changed),
        Subscription::with("notifications.end_session", ctx, session_revoked),
        Subscription::with("notifications.revoke", ctx, credentials_revoked),
        Subscription::with("notifications.erase", ctx, erased),
    ]
}

/// One that could never be sent is a dead letter: its sender has made a mistake. But a type that is not known may be one of a newer process,
/// while a deploy goes on: it becomes a dead letter only once that may not be any more.
async fn requested(ctx: Ctx, work: Work<NotificationRequested>) -> Result<Done, JobError> {
    let asked = work.payload().clone();
    let request = request::Request {
        kind: asked.kind,
        recipients: asked.recipients,
        data: asked.data,
        sender: format!("{}{}", request::SERVICE, work.source()),
        key: asked.idempotency_key,
        send_at: asked.send_at,
    };
    let checked = request::check(&ctx, request).map_err(|error| match error {
        Error::Field(field, code, _) if (field, code) == request::UNKNOWN_TYPE => {
            JobError::Retry(error.to_string())
        }
        _ => JobError::Fatal(error.to_string()),
    })?;
    accept(work, &checked).await
}

async fn registered(ctx: Ctx, work: Work<UserRegistered>) -> Result<Done, JobError> {
    let event = work.payload();
    let request = request::Request {
        kind: types::WELCOME.name.to_owned(),
        recipients: Recipients::Users(vec![event.user_id]),
        data: json!({ "first_name": event.first_name }),
        sender: format!("event:{}", work.source()),
        key: work.id().to_string(),
        send_at: None,
    };
    let checked = request::check(&ctx, request).map_err(|e| JobError::Fatal(e.to_string()))?;
    accept(work, &checked).await
}

async fn accept<T>(work: Work<T>, request: &request::Checked) -> Result<Done, JobError> {
    let mut tx = work.begin().await?;
    match request::accept(&mut tx, request).await {
        Ok(_) => work.commit(tx).await,
        Err(Error::KeyReused) => {
            tx.rollback().await;
            Err(JobError::Fatal(Error::KeyReused.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

async fn preference_changed(_: Ctx, work: Work<PreferenceChanged>) -> Result<Done, JobError> {
    let mut tx = work.begin().await?;
    people::follow(&mut tx, work.payload()).await?;
    work.commit(tx).await
}

async fn session_revoked(_: Ctx, work: Work<SessionRevoked>) -> Result<Done, JobError> {
    let &SessionRevoked {
        user_id,
        session_id,
        until,
    } = work.payload();
    let mut tx = work.begin().await?;
    push::end_session(&mut tx, user_id, session_id, until).await?;
    work.commit(tx).await
}

async fn credentials_revoked(ctx: Ctx, work: Work<CredentialsRevoked>) -> Result<Done, JobError> {
    let (user_id, at) = (work.payload().user_id, work.time());
    let mut tx = work.begin().await?;
    revocations::revoke(&ctx, &mut tx, user_id, at).await?;
    work.commit(tx).await
}

/// From now on nothing is kept of the person; what is there goes in batches.
async fn erased(_: Ctx, work: Work<UserErased>) -> Result<Done, JobError> {
    let user_id = work.payload().user_id;
    let mut tx = work.begin().await?;
    store::people::erase(&mut tx, user_id).await?;
    tx.enqueue(&Erase { user_id }).await?;
    work.commit(tx).await
}
