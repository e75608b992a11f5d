//! What providers report later of messages that they took. The request is only read and checked; what follows is done by jobs, each event
//! once.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::Timestamp;
use stoa_mail::{EventKind, MailEvent};
use stoa_service::Channel;
use stoa_sms::{Reply, SmsEvent, SmsStatus};

use super::{phones, suppress};
use crate::{
    address,
    ctx::Ctx,
    error::Error,
    jobs::ProviderEvents,
    phone,
    store::{
        deliveries::{self, DeliveryId, Recipient},
        people, provider_events,
        sends::{self, state},
        steps, suppressions,
    },
};

/// How old a signature may be: providers try again for a day where nobody answers. And how far their clock may be ahead.
const OLDEST: Duration = Duration::from_secs(25 * 3600);
const AHEAD: Duration = Duration::from_secs(300);
/// Events of one job.
const EVENTS: usize = 50;
/// How often a message is looked for that is not known yet: what a provider tells may come before we have noted that it took it.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(15);

/// What a provider reports of a message. Neither address nor number stands in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ProviderEvent {
    /// The same each time that it comes: SHA-256, in hex.
    key: String,
    message: Option<Message>,
    /// `email` or `sms`.
    channel: String,
    what: What,
    /// In the provider's words.
    why: String,
    /// Hash in hex, and what may be shown.
    recipient: Option<(String, String)>,
}

/// Which message it is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Message {
    /// The mail of this delivery.
    Mail(DeliveryId),
    /// The text message that the provider calls so.
    Sms(String),
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Delivered,
    /// The address takes no messages, for good.
    Bounced,
    /// Refused for the moment.
    Blocked,
    /// The provider has not sent it.
    Dropped,
    /// It did not arrive.
    Undelivered,
    Complained,
    Unsubscribed,
    /// By answering START.
    Resubscribed,
}

impl What {
    /// The step's code, and the beginning of its words.
    const fn step(self) -> (&'static str, &'static str) {
        match self {
            Self::Delivered => ("delivered", "The recipient's side has it"),
            Self::Bounced => ("bounced", "It came back, as the address takes no messages"),
            Self::Blocked => ("blocked", "The recipient's side has refused it for now"),
            Self::Dropped => ("dropped", "The provider has not sent it"),
            Self::Undelivered => ("undelivered", "It did not arrive"),
            Self::Complained => ("complained", "The recipient has complained of it"),
            Self::Unsubscribed => ("unsubscribed", "The recipient wants no more"),
            Self::Resubscribed => ("resubscribed", "The recipient wants messages again"),
        }
    }

    /// How the send stands by it, where that changes.
    const fn state(self) -> Option<&'static str> {
        match self {
            Self::Bounced | Self::Blocked | Self::Dropped | Self::Undelivered => Some(state::FAILED),
            Self::Delivered | Self::Complained | Self::Unsubscribed | Self::Resubscribed => None,
        }
    }

    /// Why nothing more goes there.
    const fn suppression(self) -> Option<&'static str> {
        match self {
            Self::Bounced => Some(suppress::BOUNCED),
            Self::Complained => Some(suppress::COMPLAINED),
            Self::Unsubscribed => Some(suppress::UNSUBSCRIBED),
            _ => None,
        }
    }
}

/// Whether a signature of this time, in seconds since 1970, is of lately.
pub(crate) fn is_recent(ctx: &Ctx, timestamp: &str) -> bool {
    let now = ctx.clock.now().as_second();
    let age = timestamp.parse::<i64>().map(|at| now.saturating_sub(at));
    let within = |age| -AHEAD.as_secs().cast_signed() <= age && age <= OLDEST.as_secs().cast_signed();
    age.is_ok_and(within)
}

fn key(provider: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in [provider].iter().chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

/// What SendGrid tells of a mail.
pub(crate) fn of_mail(event: &MailEvent) -> ProviderEvent {
    let (address, at) = (event.address.as_str(), event.at.to_string());
    let mail_id = event.mail_id.as_deref().unwrap_or_default();
    let ours = mail_id.strip_prefix("notification-");
    // A digest's mail is called by the first that is in it.
    let delivery = ours.or_else(|| mail_id.strip_prefix("digest-"));
    let what = match event.kind {
        EventKind::Delivered => What::Delivered,
        EventKind::Bounced => What::Bounced,
        EventKind::Blocked => What::Blocked,
        EventKind::Dropped => What::Dropped,
        EventKind::Complained => What::Complained,
        EventKind::Unsubscribed => What::Unsubscribed,
    };
    ProviderEvent {
        // What has no id is known again by all that it says.
        key: match event.id.as_str() {
            "" => key("sendgrid", &[mail_id, address, what.step().0, &at]),
            id => key("sendgrid", &[id]),
        },
        message: delivery.and_then(|id| id.parse().ok()).map(Message::Mail),
        channel: Channel::Email.name().to_owned(),
        what,
        why: address::without(&event.reason, address),
        recipient: (!address.is_empty())
            .then(|| (hex::encode(address::hash(address)), address::masked(address))),
    }
}

/// What Twilio tells of a text message; none if it is nothing new.
pub(crate) fn of_sms(ctx: &Ctx, event: &SmsEvent) -> Result<Option<ProviderEvent>, Error> {
    let what = match event.status {
        SmsStatus::Delivered => What::Delivered,
        SmsStatus::Undelivered | SmsStatus::Failed if event.has_unsubscribed() => What::Unsubscribed,
        SmsStatus::Undelivered | SmsStatus::Failed if event.is_bad_number() => What::Bounced,
        SmsStatus::Undelivered | SmsStatus::Failed => What::Undelivered,
        SmsStatus::OnItsWay | SmsStatus::Sent => return Ok(None),
    };
    Ok(Some(ProviderEvent {
        key: key("twilio", &[&event.message_id, what.step().0]),
        message: Some(Message::Sms(event.message_id.clone())),
        channel: Channel::Sms.name().to_owned(),
        what,
        why: event
            .error
            .map(|code| format!("error {code}"))
            .unwrap_or_default(),
        recipient: recipient(ctx, &event.to)?,
    }))
}

/// That somebody has answered STOP or START.
pub(crate) fn of_reply(ctx: &Ctx, reply: &Reply) -> Result<ProviderEvent, Error> {
    let what = if reply.wants_messages {
        What::Resubscribed
    } else {
        What::Unsubscribed
    };
    Ok(ProviderEvent {
        key: key("twilio", &[&reply.message_id, "reply"]),
        message: None,
        channel: Channel::Sms.name().to_owned(),
        what,
        why: String::new(),
        recipient: recipient(ctx, &reply.from)?,
    })
}

fn recipient(ctx: &Ctx, number: &str) -> Result<Option<(String, String)>, Error> {
    if number.is_empty() {
        return Ok(None);
    }
    let hash = hex::encode(phones::hash(ctx, number)?);
    Ok(Some((hash, phone::masked(number))))
}

/// Has jobs do what follows from these.
pub(crate) async fn accept(ctx: &Ctx, events: Vec<ProviderEvent>) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let mut tx = ctx.db.begin().await?;
    for some in events.chunks(EVENTS) {
        let job = ProviderEvents {
            events: some.to_vec(),
            tries: 0,
        };
        tx.enqueue(&job).await?;
    }
    Ok(tx.commit().await?)
}

/// Does what follows from each, in a transaction of its own. Those whose message is not known yet are to be looked at again.
pub(crate) async fn all(
    ctx: &Ctx,
    events: &[ProviderEvent],
    tries: u32,
) -> Result<Vec<ProviderEvent>, Error> {
    let mut later = Vec::new();
    for event in events {
        let mut tx = ctx.db.begin().await?;
        if one(&mut tx, event, tries + 1 >= TRIES).await? {
            tx.commit().await?;
        } else {
            tx.rollback().await;
            later.push(event.clone());
        }
    }
    Ok(later)
}

/// When those are looked at again.
pub(crate) fn next_look(now: Timestamp, tries: u32) -> Timestamp {
    let wait = PAUSE.saturating_mul(2_u32.saturating_pow(tries));
    let wait = jiff::SignedDuration::try_from(wait).unwrap_or(jiff::SignedDuration::MAX);
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// Does what follows from one, unless it was done before; false if its message is not known yet.
async fn one(tx: &mut Tx, event: &ProviderEvent, is_last: bool) -> Result<bool, Error> {
    let found = match &event.message {
        Some(Message::Mail(delivery)) => Some((*delivery, Channel::Email)),
        Some(Message::Sms(id)) => {
            let delivery = sends::by_provider_id(tx, id).await?;
            delivery.map(|delivery| (delivery, Channel::Sms))
        }
        None => None,
    };
    let recipient = match found {
        Some((delivery, _)) => deliveries::recipient_of(tx, delivery).await?,
        None => None,
    };
    if event.message.is_some() && recipient.is_none() && !is_last {
        return Ok(false);
    }
    // Nothing is kept of who was erased.
    let is_there = match recipient {
        Some(Recipient::Person(user)) => people::lock(tx, user).await?.is_some(),
        Some(Recipient::Reference(_)) => true,
        None => false,
    };
    let key = hex::decode(&event.key).unwrap_or_default();
    if !provider_events::insert(tx, &key).await? {
        return Ok(true);
    }
    if let Some((delivery, channel)) = found.filter(|_| is_there) {
        step(tx, (delivery, channel), event).await?;
    }
    if let Some(channel) = Channel::of_name(&event.channel) {
        suppression(tx, channel, event).await?;
    }
    Ok(true)
}

/// Writes it into the history.
async fn step(
    tx: &mut Tx,
    (delivery, channel): (DeliveryId, Channel),
    event: &ProviderEvent,
) -> Result<(), Error> {
    let (code, words) = event.what.step();
    if !sends::report(tx, (delivery, channel), event.what.state(), code).await? {
        return Ok(());
    }
    let words = match event.why.as_str() {
        "" => words.to_owned(),
        why => format!("{words}: {why}"),
    };
    Ok(steps::insert(tx, delivery, channel, code, &words).await?)
}

/// Has nothing more go there, or all again.
async fn suppression(tx: &mut Tx, channel: Channel, event: &ProviderEvent) -> Result<(), Error> {
    let Some((hash, masked)) = &event.recipient else {
        return Ok(());
    };
    let hash = hex::decode(hash).unwrap_or_default();
    if event.what == What::Resubscribed {
        // Whatever for: a number that unsubscribed may have been refused when something was sent there.
        suppressions::delete(tx, channel, &hash).await?;
    } else if let Some(reason) = event.what.suppression() {
        suppressions::insert(tx, channel, (&hash, masked), reason).await?;
    }
    Ok(())
}
