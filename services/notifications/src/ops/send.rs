//! Sending one delivery by one channel. Nothing is locked while it is sent.

use jiff::tz::TimeZone;
use metrics::counter;
use stoa_db::Tx;
use stoa_events::JobError;
use stoa_kernel::{Timestamp, UserId};
use stoa_mail::{Receipt, SendError};
use stoa_service::{Channel, NotificationType};

use super::{preferences::chosen, retry, send_mail, send_push, send_sms, suppress};
use crate::{
    address,
    ctx::Ctx,
    decide::{self, Facts},
    error::Error,
    store::{
        deliveries::{self, DeliveryId, Recipient},
        notifications::{self, NotificationRow},
        people::{self, Person},
        preferences::{self, PreferenceRow},
        sends::{self, SentTo, state},
        steps, suppressions,
    },
    when,
};

/// One attempt at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// 1 for the first.
    pub(crate) number: u32,
    /// No other follows.
    pub(crate) is_last: bool,
    /// When the send was first to be made, or before.
    pub(crate) since: Timestamp,
}

/// How it ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) state: &'static str,
    pub(crate) code: &'static str,
    pub(crate) words: String,
    pub(crate) to: Option<Box<SentTo>>,
    /// It has not ended: it is to be tried then, for no failure of ours.
    pub(crate) again_at: Option<Timestamp>,
}

impl Ended {
    pub(crate) fn skipped(code: &'static str, words: impl Into<String>) -> Self {
        Self {
            state: state::SKIPPED,
            code,
            words: words.into(),
            to: None,
            again_at: None,
        }
    }

    pub(crate) fn failed(code: &'static str, words: String) -> Self {
        Self {
            state: state::FAILED,
            ..Self::skipped(code, words)
        }
    }
}

/// What is known of the recipient when it is sent.
pub(crate) struct Reader {
    pub(crate) user: UserId,
    pub(crate) person: Person,
    choices: Vec<PreferenceRow>,
}

/// What is sent, with whose it is: none where it goes to a reference.
pub(crate) struct Sending {
    pub(crate) user: Option<UserId>,
    pub(crate) ended: Ended,
}

/// What is known of a person now; none if they were erased.
pub(crate) async fn reader(ctx: &Ctx, user: UserId) -> Result<Option<Reader>, Error> {
    let Some(person) = people::get(&ctx.db, user).await? else {
        return Ok(None);
    };
    let choices = match person.version {
        0 => Vec::new(),
        _ => preferences::list(&ctx.db, user).await?,
    };
    Ok(Some(Reader {
        user,
        person,
        choices,
    }))
}

/// Sends it, unless something speaks against it; none if there is nothing left to do.
pub(crate) async fn send(
    ctx: &Ctx,
    delivery: DeliveryId,
    channel: Channel,
    attempt: Attempt,
) -> Result<Option<Sending>, JobError> {
    let Some(send) = sends::get(&ctx.db, delivery, channel).await? else {
        return Ok(None);
    };
    // A dead letter that was put back is failed.
    if ![state::WAITING, state::FAILED].contains(&send.state.as_str()) {
        return Ok(None);
    }
    let Some(row) = deliveries::get(&ctx.db, delivery).await? else {
        return Ok(None);
    };
    let reader = match row.recipient() {
        Recipient::Reference(_) => None,
        Recipient::Person(user) => match reader(ctx, user).await? {
            Some(reader) => Some(reader),
            None => return Ok(None),
        },
    };
    let content = content(
        ctx,
        (&row.kind, row.notification_id),
        channel,
        reader.as_ref(),
        attempt,
    )
    .await?;
    let ended = match (content, channel, &reader) {
        (Err(ended), ..) => ended,
        (Ok((kind, notification)), Channel::Email, reader) => {
            send_mail::send(ctx, kind, &notification, (delivery, reader.as_ref()), attempt).await?
        }
        (Ok((kind, notification)), Channel::Sms, Some(reader)) => {
            send_sms::send(ctx, kind, &notification, (delivery, reader), attempt).await?
        }
        (Ok((kind, notification)), Channel::Push, Some(reader)) => {
            send_push::send(ctx, kind, &notification, (delivery, reader), attempt).await?
        }
        (Ok(_), ..) => Ended::skipped("no_provider", "Not sent: nothing sends by this channel here"),
    };
    let user = reader.map(|reader| reader.user);
    Ok(Some(Sending { user, ended }))
}

/// The notification, if nothing speaks against sending it now.
///
/// # Errors
/// [`Error::UnknownType`] before the last attempt: while a deploy goes on, other processes know more types than this one.
pub(crate) async fn content(
    ctx: &Ctx,
    (kind, notification): (&str, notifications::NotificationId),
    channel: Channel,
    reader: Option<&Reader>,
    attempt: Attempt,
) -> Result<Result<(&'static NotificationType, NotificationRow), Ended>, Error> {
    let Some(notification) = notifications::get(&ctx.db, notification).await? else {
        return Ok(Err(Ended::skipped("gone", "Not sent: it is kept no longer")));
    };
    let Some(kind) = ctx.types.get(kind) else {
        if !attempt.is_last {
            return Err(Error::UnknownType(kind.to_owned()));
        }
        let words = "Not sent: no service sends notifications of this type any more";
        return Ok(Err(Ended::skipped("no_type", words)));
    };
    if notification.state == notifications::state::CANCELLED {
        return Ok(Err(Ended::skipped("cancelled", "Not sent: it was cancelled")));
    }
    // They may have chosen otherwise since it was decided.
    let refusal = reader.and_then(|reader| {
        let chosen = chosen(kind, channel, &reader.choices)?;
        decide::refusal(&Facts {
            now: ctx.clock.now(),
            criticality: kind.criticality,
            category: kind.category,
            channel,
            by_default: kind.channels.contains(&channel),
            chosen,
            mails_off: reader.person.mails_off,
            quiet: None,
            digest_at: when::EIGHT,
            zone: &TimeZone::UTC,
            exhausted: None,
        })
    });
    if let Some(refusal) = refusal {
        return Ok(Err(Ended::skipped(refusal.code, refusal.words)));
    }
    Ok(Ok((kind, notification)))
}

/// What came of sending these deliveries in one mail. What is to be tried again is written down and fails the job.
pub(crate) async fn outcome(
    ctx: &Ctx,
    deliveries: &[DeliveryId],
    address: &str,
    attempt: Attempt,
    sent: Result<Receipt, SendError>,
) -> Result<Ended, JobError> {
    let to = SentTo {
        masked: address::masked(address),
        hash: address::hash(address),
        provider_id: None,
    };
    let plain = |why: &str| address::without(why, address);
    let ended = match sent {
        Ok(receipt) => Ended {
            state: state::SENT,
            ..Ended::skipped("sent", format!("Sent to {} by {}", to.masked, receipt.provider))
        },
        Err(SendError::Refused(why) | SendError::Gone(why)) => {
            Ended::failed("refused", format!("The recipient was refused: {}", plain(&why)))
        }
        Err(SendError::Permanent(why)) => Ended::failed(
            "refused_for_good",
            format!("It was refused for good: {}", plain(&why)),
        ),
        Err(SendError::Transient {
            why,
            retry_after: Some(wait),
            ..
        }) => retry::put_off(ctx, attempt, wait, &plain(&why)),
        Err(SendError::Transient { why, .. } | SendError::Config(why)) => {
            return Err(again(ctx, deliveries, attempt, &plain(&why), Some(&to)).await?);
        }
    };
    Ok(Ended {
        to: Some(Box::new(to)),
        ..ended
    })
}

/// Writes down an attempt that failed and may be made again.
pub(crate) async fn again(
    ctx: &Ctx,
    deliveries: &[DeliveryId],
    attempt: Attempt,
    why: &str,
    to: Option<&SentTo>,
) -> Result<JobError, JobError> {
    retry::failed(ctx, (deliveries, Channel::Email), attempt, why, to).await
}

/// Writes down how it ended. `user`: whose it is, if a person's. Where they were erased meanwhile, the mail in the folder goes as well.
pub(crate) async fn end(
    ctx: &Ctx,
    tx: &mut Tx,
    user: Option<UserId>,
    channel: Channel,
    all: &[(DeliveryId, Ended)],
) -> Result<(), Error> {
    let is_erased = match user {
        Some(user) => people::lock(tx, user).await?.is_none(),
        None => false,
    };
    for (delivery, ended) in all {
        if ended.again_at.is_none() {
            counter!("stoa_notifications_total", "channel" => channel.name(), "outcome" => ended.state)
                .increment(1);
        }
        let how = (Some(ended.state), ended.code);
        if !is_erased && sends::update(tx, *delivery, channel, how, ended.to.as_deref()).await? {
            steps::insert(tx, *delivery, channel, ended.code, &ended.words).await?;
        }
    }
    let bounced = all.iter().find(|(_, ended)| ended.code == "refused");
    if let Some(to) = bounced
        .and_then(|(_, ended)| ended.to.as_deref())
        .filter(|_| !is_erased)
    {
        suppressions::insert(tx, channel, (&to.hash, &to.masked), suppress::BOUNCED).await?;
    }
    let to = all.iter().find_map(|(_, ended)| ended.to.as_deref());
    match to.filter(|_| is_erased) {
        Some(to) if channel == Channel::Sms => super::erasure::texts(ctx, tx, &to.hash).await?,
        Some(to) if ctx.mailer.is_folder() => super::erasure::mails(tx, &to.hash).await?,
        _ => {}
    }
    Ok(())
}
