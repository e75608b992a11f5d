//! From one notification to a delivery for each recipient, a batch at a time.

use stoa_db::Tx;
use stoa_kernel::{Timestamp, UserId};
use stoa_notifications_api::{Recipients, Reference};
use stoa_service::{Channel, Criticality, NotificationType, Throttle};

use super::{show, text::Texts};
use crate::{
    ctx::Ctx,
    decide::{Decision, Facts, When, decide},
    error::Error,
    jobs,
    ops::preferences::chosen,
    store::{
        deliveries::{self, DeliveryId},
        digests, followers,
        notifications::{self, NotificationId, NotificationRow},
        people::{self, Person},
        preferences::{self, PreferenceRow},
        sends::{self, New, state},
        steps,
    },
    when,
};

/// Recipients of one transaction.
const BATCH: u32 = 50;

/// A recipient, locked, and what they have chosen.
pub(crate) struct Recipient {
    pub(crate) user: UserId,
    pub(crate) person: Person,
    choices: Vec<PreferenceRow>,
}

/// What is read before the transaction.
pub(crate) struct Known {
    /// None if no service of this process has the type.
    texts: Option<Texts>,
    /// Of the organization to whose managers it goes.
    managers: Vec<UserId>,
}

/// Makes the next deliveries; where there are more, a job that goes on.
pub(crate) async fn batch(ctx: &Ctx, tx: &mut Tx, id: NotificationId, known: &Known) -> Result<(), Error> {
    // Cancelled, or all have it.
    let Some(notification) = notifications::begin(tx, id).await? else {
        return Ok(());
    };
    let Some((kind, texts)) = ctx.types.get(&notification.kind).zip(known.texts.as_ref()) else {
        // Never "sent": while a deploy goes on, other processes know more types than this one.
        return Err(Error::UnknownType(notification.kind));
    };
    if let Recipients::Reference(reference) = &notification.recipients.0 {
        let count = to_reference(tx, kind, &notification, reference).await?;
        return Ok(notifications::advance(tx, id, None, count).await?);
    }
    let users = next(tx, &notification, &known.managers).await?;
    let mut count = 0;
    for user in &users {
        let Some(person) = people::lock(tx, *user).await? else {
            continue;
        };
        // Most have chosen nothing.
        let choices = match person.version {
            0 => Vec::new(),
            _ => preferences::list_in(tx, *user).await?,
        };
        let recipient = Recipient {
            user: *user,
            person,
            choices,
        };
        count += usize::from(deliver(ctx, tx, (kind, texts), &notification, &recipient).await?);
    }
    let last = users.last().copied().filter(|_| users.len() == BATCH as usize);
    notifications::advance(tx, id, last, count).await?;
    if last.is_some() {
        let now = tx.clock().now();
        jobs::fan_out_at(tx, kind.criticality, id, now).await?;
    }
    Ok(())
}

/// Reads what has to be known of a notification to send it on.
pub(crate) async fn known(ctx: &Ctx, id: NotificationId) -> Result<Known, Error> {
    let mut known = Known {
        texts: None,
        managers: Vec::new(),
    };
    let Some(notification) = notifications::get(&ctx.db, id).await? else {
        return Ok(known);
    };
    if let Some(kind) = ctx.types.get(&notification.kind) {
        known.texts = Some(Texts::load(ctx, kind).await?);
    }
    if let Recipients::Managers(organization) = notification.recipients.0 {
        known.managers = ctx.contacts.managers(organization).await?;
        known.managers.sort_unstable();
    }
    Ok(known)
}

/// Those whose turn it is, in the order of their ids.
async fn next(
    tx: &mut Tx,
    notification: &NotificationRow,
    managers: &[UserId],
) -> Result<Vec<UserId>, Error> {
    let behind = |user: &&UserId| notification.position.is_none_or(|last| **user > last);
    let some = |users: &[UserId]| {
        users
            .iter()
            .filter(behind)
            .take(BATCH as usize)
            .copied()
            .collect()
    };
    match &notification.recipients.0 {
        Recipients::Users(users) => Ok(some(users)),
        Recipients::Managers(_) => Ok(some(managers)),
        Recipients::Reference(_) => Ok(Vec::new()),
        Recipients::Topic(topic) => Ok(followers::next(tx, topic, notification.position, BATCH).await?),
    }
}

/// To one person by all channels; false if they have it already.
async fn deliver(
    ctx: &Ctx,
    tx: &mut Tx,
    (kind, texts): (&'static NotificationType, &Texts),
    notification: &NotificationRow,
    recipient: &Recipient,
) -> Result<bool, Error> {
    let to = deliveries::Recipient::Person(recipient.user);
    let made = deliveries::insert(tx, notification.id, &to, kind.name).await?;
    let Some(delivery) = made else {
        return Ok(false);
    };
    for channel in texts.channels() {
        let Some(decision) = decided(tx, kind, channel, recipient).await? else {
            continue;
        };
        if channel == Channel::InApp && decision.when != When::Never {
            show::show(ctx, tx, (kind, texts), notification, recipient, delivery).await?;
        } else {
            carry_out(
                tx,
                kind,
                (channel, recipient.user),
                (notification.id, delivery),
                decision,
            )
            .await?;
        }
    }
    Ok(true)
}

/// To somebody who may have no account, by mail: they have chosen nothing. How many have it now.
async fn to_reference(
    tx: &mut Tx,
    kind: &'static NotificationType,
    notification: &NotificationRow,
    reference: &Reference,
) -> Result<usize, Error> {
    let to = deliveries::Recipient::Reference(reference.clone());
    let Some(delivery) = deliveries::insert(tx, notification.id, &to, kind.name).await? else {
        return Ok(0);
    };
    let decision = Decision {
        when: When::Now,
        code: "queued",
        words: "To be sent at once".to_owned(),
    };
    let this = (notification.id, delivery);
    carry_out(tx, kind, (Channel::Email, to.id()), this, decision).await?;
    Ok(1)
}

/// What is decided for a channel; none where the type does not go by it to this person, or they have no address of it.
async fn decided(
    tx: &mut Tx,
    kind: &'static NotificationType,
    channel: Channel,
    recipient: &Recipient,
) -> Result<Option<Decision>, Error> {
    let choice = chosen(kind, channel, &recipient.choices);
    let Some(choice) = choice.filter(|_| recipient.person.is_reached_by(channel)) else {
        return Ok(None);
    };
    let (now, person) = (tx.clock().now(), &recipient.person);
    let zone = when::zone(person.timezone.as_deref());
    Ok(Some(decide(&Facts {
        now,
        criticality: kind.criticality,
        category: kind.category,
        channel,
        by_default: kind.channels.contains(&channel),
        chosen: choice,
        mails_off: person.mails_off,
        quiet: person.quiet(),
        digest_at: person.digest_at.unwrap_or(when::EIGHT),
        zone: &zone,
        exhausted: exhausted(tx, kind, channel, recipient.user, now).await?,
    })))
}

/// The type's throttle, if as many have gone to the person as it allows.
async fn exhausted(
    tx: &mut Tx,
    kind: &NotificationType,
    channel: Channel,
    user: UserId,
    now: Timestamp,
) -> Result<Option<Throttle>, Error> {
    let free = channel == Channel::InApp || kind.criticality == Criticality::Critical;
    let Some(throttle) = kind.throttle.filter(|_| !free) else {
        return Ok(None);
    };
    let within = jiff::SignedDuration::try_from(throttle.within).unwrap_or(jiff::SignedDuration::MAX);
    let since = now.checked_sub(within).unwrap_or(Timestamp::MIN);
    let gone = sends::counted(tx, (user, kind.name), channel, since, throttle.most).await?;
    Ok((gone >= i64::from(throttle.most)).then_some(throttle))
}

/// Writes down what is decided, and has it done.
async fn carry_out(
    tx: &mut Tx,
    kind: &NotificationType,
    (channel, user): (Channel, UserId),
    (notification, delivery): (NotificationId, DeliveryId),
    decision: Decision,
) -> Result<(), Error> {
    let new = |state| New {
        notification,
        delivery,
        channel,
        user,
        kind: kind.name,
        state,
        code: decision.code,
        counts: state != state::SKIPPED,
    };
    steps::insert(tx, delivery, channel, decision.code, &decision.words).await?;
    match decision.when {
        When::Never => sends::insert(tx, &new(state::SKIPPED), None).await?,
        When::Now | When::At(_) => {
            sends::insert(tx, &new(state::WAITING), None).await?;
            let at = match decision.when {
                When::At(at) => at,
                _ => tx.clock().now(),
            };
            jobs::send_at(tx, kind.criticality, delivery, channel, at).await?;
        }
        When::Digest(due) => {
            let digest = digest(tx, user, due).await?;
            sends::insert(tx, &new(state::DIGESTED), Some(digest)).await?;
        }
    }
    Ok(())
}

/// The digest of a locked person for this time, or, if it was sent meanwhile, one of right after.
async fn digest(tx: &mut Tx, user: UserId, due: Timestamp) -> Result<digests::DigestId, Error> {
    let mut due = due;
    loop {
        match digests::open(tx, user, due).await? {
            Some((id, is_new)) => {
                if is_new {
                    jobs::digest_at(tx, id, due).await?;
                }
                return Ok(id);
            }
            None => due = when::next_hour(due),
        }
    }
}
