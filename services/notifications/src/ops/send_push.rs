//! Sending one delivery to all browsers and phones of a person. What became of it at each is kept at once, so that an attempt goes on
//! where the one before was broken off.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt as _, stream};
use stoa_db::Tx;
use stoa_events::JobError;
use stoa_push::{Cause, Push, SendError, Urgency, VapidKey, json_length, shortened};
use stoa_service::{Channel, Criticality, NotificationType};

use super::{
    push, retry,
    send::{Attempt, Ended, Reader},
    send_mail::has_account,
    text::text,
};
use crate::{
    ctx::Ctx,
    error::Error,
    store::{
        deliveries::DeliveryId,
        notifications::NotificationRow,
        people,
        push::{self as store, PushId, PushRow, state},
        sends,
    },
    texts::Rendered,
};

/// Messages that go out at once: each may take `push.timeout`, and to the most that a person can have they go within a job's deadline.
const AT_ONCE: usize = 20;
/// How long push services try to deliver.
const TTL: Duration = Duration::from_secs(3 * 24 * 3600);
/// Longest title, text and link, in bytes as JSON writes them: together with the rest less than FCM takes. For browsers the text is cut
/// further where that is needed.
const TITLE: usize = 500;
const TEXT: usize = 2000;
const LINK: usize = 1000;

/// How it went so far.
#[derive(Default)]
struct Tally {
    sent: usize,
    gone: usize,
    failed: usize,
    /// Words of one that was refused for good.
    refusal: Option<String>,
    /// Why others are to be tried again, and when their services ask for it.
    later: Vec<(String, Option<Duration>)>,
    /// One of them was not asked at all, for too much else was being sent: that is no attempt.
    busy: bool,
}

/// Sends it to those that have not got it.
pub(crate) async fn send(
    ctx: &Ctx,
    kind: &'static NotificationType,
    notification: &NotificationRow,
    (delivery, reader): (DeliveryId, &Reader),
    attempt: Attempt,
) -> Result<Ended, JobError> {
    let this = (&[delivery][..], Channel::Push);
    let contact = match ctx.contacts.of(reader.user).await {
        Ok(contact) => contact,
        Err(error) => return Err(retry::failed(ctx, this, attempt, &error.to_string(), None).await?),
    };
    if let Err(ended) = has_account(kind, contact) {
        return Ok(ended);
    }
    let (language, data) = (reader.person.language.as_deref(), &notification.data.0);
    let text = match text(ctx, kind, Channel::Push, language, data, None).await? {
        Ok(text) => text,
        Err(ended) => return Ok(ended),
    };
    let (key, push) = (push::key(ctx).await?, message(ctx, kind, delivery, &text));
    let tally = to_all(ctx, (&key, &push), delivery, reader).await?;
    outcome(ctx, this, attempt, tally).await
}

/// Sends it to each that has not got it, several at once.
async fn to_all(
    ctx: &Ctx,
    message: (&VapidKey, &Push),
    delivery: DeliveryId,
    reader: &Reader,
) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    let done: HashMap<PushId, String> = store::done(&ctx.db, delivery).await?.into_iter().collect();
    for had in done.values() {
        match had.as_str() {
            state::SENT => tally.sent += 1,
            state::GONE => tally.gone += 1,
            _ => tally.failed += 1,
        }
    }
    let rows = store::of_user(&ctx.db, reader.user, crate::config::PUSH_SUBSCRIPTIONS).await?;
    let rows = rows.into_iter().filter(|row| !done.contains_key(&row.id));
    let each = rows.map(|row| to_one(ctx, message, delivery, row));
    let mut each = stream::iter(each).buffer_unordered(AT_ONCE);
    while let Some(sent) = each.next().await {
        match sent? {
            Ok(()) => tally.sent += 1,
            Err(SendError::Gone(_) | SendError::Refused(_)) => tally.gone += 1,
            Err(SendError::Permanent(why)) => {
                tally.failed += 1;
                tally.refusal = Some(why);
            }
            Err(SendError::Transient {
                why,
                retry_after,
                cause,
            }) => {
                tally.busy |= cause == Cause::Busy;
                tally.later.push((why, retry_after));
            }
            Err(SendError::Config(why)) => tally.later.push((why, None)),
        }
    }
    Ok(tally)
}

/// Sends it to one, and keeps what became of it.
async fn to_one(
    ctx: &Ctx,
    (key, push): (&VapidKey, &Push),
    delivery: DeliveryId,
    row: PushRow,
) -> Result<Result<(), SendError>, Error> {
    let sent = match push::open(ctx, &row) {
        Ok(address) => ctx.push.send(key, &address, push).await.map(drop),
        // Sealed by another secret: nobody can use it any more.
        Err(Error::Secret(_)) => Err(SendError::Gone("it cannot be opened".to_owned())),
        Err(error) => return Err(error),
    };
    let state = match &sent {
        Ok(()) => state::SENT,
        Err(SendError::Gone(_) | SendError::Refused(_)) => {
            push::ended(ctx, row.user_id, row.id).await?;
            state::GONE
        }
        Err(SendError::Permanent(_)) => state::FAILED,
        Err(SendError::Transient { .. } | SendError::Config(_)) => return Ok(sent),
    };
    let mut tx = ctx.db.begin().await?;
    // Where the person was erased meanwhile, nothing is kept of them.
    if people::lock(&mut tx, row.user_id).await?.is_some() {
        store::set_done(&mut tx, delivery, row.id, state).await?;
    }
    tx.commit().await?;
    Ok(sent)
}

/// How the delivery stands by this.
async fn outcome(
    ctx: &Ctx,
    this: (&[DeliveryId], Channel),
    attempt: Attempt,
    tally: Tally,
) -> Result<Ended, JobError> {
    let all = tally.sent + tally.gone + tally.failed + tally.later.len();
    if let Some((why, _)) = tally.later.first() {
        let why = format!("{} of {all}, of which one: {why}", tally.later.len());
        let waits = tally.later.iter().map(|(_, wait)| *wait);
        let waits: Option<Vec<Duration>> = match tally.busy {
            true => Some(waits.flatten().collect()),
            false => waits.collect(),
        };
        let ended = match waits.and_then(|waits| waits.into_iter().min()) {
            Some(wait) => retry::put_off(ctx, attempt, patient(ctx, attempt, wait), &why),
            None if attempt.is_last && tally.sent > 0 => Ended::failed("given_up", why),
            None => return Err(retry::failed(ctx, this, attempt, &why, None).await?),
        };
        // Given up of some, and others have it.
        if ended.again_at.is_some() || tally.sent == 0 {
            return Ok(ended);
        }
    }
    let mut words = format!("Sent to {} of {all} browsers and phones", tally.sent);
    if tally.gone > 0 {
        words = format!("{words}; {} had ended and were deleted", tally.gone);
    }
    if let Some(why) = &tally.refusal {
        words = format!("{words}; {} refused it, of which one: {why}", tally.failed);
    }
    Ok(match tally {
        Tally { sent: 1.., .. } => Ended {
            state: sends::state::SENT,
            ..Ended::skipped("sent", words)
        },
        Tally { failed: 1.., .. } => Ended::failed("refused_for_good", words),
        _ => Ended::skipped("no_subscription", format!("Not sent: {words}")),
    })
}

/// The wait that is asked for; but the longer it was tried, the longer it waits: each wait leaves a step, and anybody can run a push service.
fn patient(ctx: &Ctx, attempt: Attempt, wait: Duration) -> Duration {
    let age = ctx.clock.now().duration_since(attempt.since);
    let age = Duration::try_from(age).unwrap_or_default();
    wait.max(age / 10).max(Duration::from_secs(1))
}

/// It ended: what became of it at each is not needed any more.
pub(crate) async fn end(tx: &mut Tx, delivery: DeliveryId) -> Result<(), Error> {
    Ok(store::delete_done(tx, delivery).await?)
}

/// What browsers and phones are given. Of two of one topic, push services deliver the later one alone.
fn message(ctx: &Ctx, kind: &NotificationType, delivery: DeliveryId, text: &Rendered) -> Push {
    let link = text.link.as_ref().filter(|link| json_length(link) <= LINK);
    Push {
        id: delivery.to_string(),
        kind: kind.name.to_owned(),
        title: shortened(&text.subject, TITLE),
        text: shortened(&text.text, TEXT),
        link: link.map(|link| format!("{}{link}", ctx.public_url)),
        data: Default::default(),
        ttl: TTL,
        urgency: match kind.criticality {
            Criticality::Critical => Urgency::High,
            Criticality::Normal => Urgency::Normal,
            Criticality::Bulk => Urgency::Low,
        },
        topic: Some(delivery.uuid().simple().to_string()),
    }
}
