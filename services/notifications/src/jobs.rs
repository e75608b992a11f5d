//! What notifications does later, and at set times.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stoa_db::Tx;
use stoa_events::{Done, Job, JobError, JobHandler, Retry, Schedule, TxExt as _, Work};
use stoa_kernel::{Timestamp, UserId};
use stoa_service::{Channel, Criticality};

use crate::{
    address,
    ctx::Ctx,
    ops::{
        self,
        callbacks::{self, ProviderEvent},
        digest, fan_out,
        phones::{self, CodeSent},
        send, send_push,
    },
    store::{
        deliveries::DeliveryId, digests::DigestId, inbox::ItemId, notifications::NotificationId,
        phones::CodeId,
    },
};

/// Deadline of jobs that go through whole tables.
const LONG: Duration = Duration::from_secs(600);
/// How long sending one mail may take: longer than all steps of SMTP together, by `mail.timeout` as it is by default.
const SENDING: Duration = Duration::from_secs(300);
/// Each queue of push messages has this part of the workers: people name whom they go to, who may never answer.
const PART_OF_PUSH: usize = 4;
/// What could not be sent is tried again for some hours: for as long as a provider may be away, or a deploy may take that brings the type of
/// a notification.
pub(crate) const AGAIN: Retry = Retry {
    attempts: 12,
    base: Duration::from_secs(5),
    max: Duration::from_secs(3600),
};

/// Makes deliveries of a notification, for so many recipients, and leaves the rest to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FanOut<const PRIORITY: i16> {
    notification_id: NotificationId,
}

/// Sends one delivery by one channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SendOut<const PRIORITY: i16> {
    delivery_id: DeliveryId,
    channel: String,
}

/// Sends one delivery to all browsers and phones of a person. In queues of its own: nothing else waits for push services that do not answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PushOut<const PRIORITY: i16> {
    delivery_id: DeliveryId,
}

/// Queues of their own, so that each has workers for itself: news to a million people hold up nobody's second factor.
macro_rules! queues {
    ($($job:ident, $priority:literal, $name:literal;)*) => {$(
        impl Job for $job<$priority> {
            const NAME: &'static str = $name;
            const PRIORITY: i16 = $priority;
        }
    )*};
}

queues! {
    FanOut, 20, "notifications.fan_out_critical";
    FanOut, 10, "notifications.fan_out";
    FanOut, 0, "notifications.fan_out_bulk";
    SendOut, 20, "notifications.send_critical";
    SendOut, 10, "notifications.send";
    SendOut, 0, "notifications.send_bulk";
    PushOut, 20, "notifications.push_critical";
    PushOut, 10, "notifications.push";
    PushOut, 0, "notifications.push_bulk";
}

/// Has a notification go out, not before `at`.
pub(crate) async fn fan_out_at(
    tx: &mut Tx,
    criticality: Criticality,
    notification_id: NotificationId,
    at: Timestamp,
) -> Result<(), stoa_db::Error> {
    let made = match criticality {
        Criticality::Critical => tx.enqueue_at(&FanOut::<20> { notification_id }, at).await,
        Criticality::Normal => tx.enqueue_at(&FanOut::<10> { notification_id }, at).await,
        Criticality::Bulk => tx.enqueue_at(&FanOut::<0> { notification_id }, at).await,
    };
    made.map(drop)
}

/// Has a delivery sent by a channel, not before `at`.
pub(crate) async fn send_at(
    tx: &mut Tx,
    criticality: Criticality,
    delivery_id: DeliveryId,
    channel: Channel,
    at: Timestamp,
) -> Result<(), stoa_db::Error> {
    match criticality {
        Criticality::Critical => send_out::<20>(tx, delivery_id, channel, at).await,
        Criticality::Normal => send_out::<10>(tx, delivery_id, channel, at).await,
        Criticality::Bulk => send_out::<0>(tx, delivery_id, channel, at).await,
    }
}

async fn send_out<const P: i16>(
    tx: &mut Tx,
    delivery_id: DeliveryId,
    channel: Channel,
    at: Timestamp,
) -> Result<(), stoa_db::Error>
where
    SendOut<P>: Job,
    PushOut<P>: Job,
{
    let made = match channel {
        Channel::Push => tx.enqueue_at(&PushOut::<P> { delivery_id }, at).await,
        other => {
            let channel = other.name().to_owned();
            tx.enqueue_at(&SendOut::<P> { delivery_id, channel }, at).await
        }
    };
    made.map(drop)
}

/// Has what waits of a cancelled notification not be sent.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "notifications.stop", priority = 20)]
pub(crate) struct Stop {
    pub(crate) notification_id: NotificationId,
}

/// Sends a digest.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "notifications.send_digest", priority = 5)]
pub(crate) struct SendDigest {
    digest_id: DigestId,
}

/// Has a digest sent at its time.
pub(crate) async fn digest_at(tx: &mut Tx, digest_id: DigestId, at: Timestamp) -> Result<(), stoa_db::Error> {
    tx.enqueue_at(&SendDigest { digest_id }, at).await.map(drop)
}

/// Shows again what was put out of sight until now.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "notifications.wake")]
pub(crate) struct Wake {
    pub(crate) item_id: ItemId,
    pub(crate) user_id: UserId,
    pub(crate) until: Timestamp,
}

/// Codes for phone numbers are good for ten minutes: then nobody waits for them.
const CODES: Retry = Retry {
    attempts: 10,
    base: Duration::from_secs(2),
    max: Duration::from_secs(90),
};

/// Sends the code by which somebody shows that a phone number is theirs.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "notifications.send_phone_code", priority = 20)]
pub(crate) struct SendPhoneCode {
    pub(crate) user_id: UserId,
    pub(crate) code_id: CodeId,
}

/// Does what follows from what a provider has reported.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "notifications.provider_events")]
pub(crate) struct ProviderEvents {
    pub(crate) events: Vec<ProviderEvent>,
    /// How often their messages were looked for before.
    pub(crate) tries: u32,
}

/// Deletes what is kept of an erased person, a batch at a time.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "notifications.erase_rows")]
pub(crate) struct Erase {
    pub(crate) user_id: UserId,
}

/// Deletes the mails that were sent to an erased person, where mails are kept in a folder.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "notifications.erase_mails")]
pub(crate) struct EraseMails {
    /// SHA-256 of the address, in hex: a job's row holds no address.
    pub(crate) address_hash: String,
}

/// Deletes the text messages that were sent to an erased person, where they are kept in a folder.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "notifications.erase_texts")]
pub(crate) struct EraseTexts {
    /// Of the number, in hex.
    pub(crate) number_hash: String,
}

/// Deletes what is kept no longer.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "notifications.purge")]
pub(crate) struct Purge {}

pub(crate) fn handlers(ctx: &Ctx) -> Vec<JobHandler> {
    vec![
        JobHandler::with(ctx, fan_out::<20>).retry(AGAIN),
        JobHandler::with(ctx, fan_out::<10>).retry(AGAIN),
        JobHandler::with(ctx, fan_out::<0>).retry(AGAIN),
        JobHandler::with(ctx, send::<20>).deadline(SENDING).retry(AGAIN),
        JobHandler::with(ctx, send::<10>).deadline(SENDING).retry(AGAIN),
        JobHandler::with(ctx, send::<0>).deadline(SENDING).retry(AGAIN),
        JobHandler::with(ctx, push::<20>)
            .deadline(SENDING)
            .retry(AGAIN)
            .part_of_workers(PART_OF_PUSH),
        JobHandler::with(ctx, push::<10>)
            .deadline(SENDING)
            .retry(AGAIN)
            .part_of_workers(PART_OF_PUSH),
        JobHandler::with(ctx, push::<0>)
            .deadline(SENDING)
            .retry(AGAIN)
            .part_of_workers(PART_OF_PUSH),
        JobHandler::with(ctx, send_digest).deadline(SENDING).retry(AGAIN),
        JobHandler::with(ctx, send_phone_code)
            .deadline(SENDING)
            .retry(CODES),
        JobHandler::with(ctx, stop),
        JobHandler::with(ctx, provider_events),
        JobHandler::with(ctx, wake),
        JobHandler::with(ctx, erase),
        JobHandler::with(ctx, erase_mails).deadline(LONG),
        JobHandler::with(ctx, erase_texts).deadline(LONG),
        JobHandler::with(ctx, purge).deadline(LONG),
    ]
}

pub(crate) fn schedules() -> Vec<Schedule> {
    vec![Schedule::new("notifications.purge", "47 * * * *", Purge {})]
}

async fn fan_out<const P: i16>(ctx: Ctx, work: Work<FanOut<P>>) -> Result<Done, JobError> {
    let id = work.payload().notification_id;
    let known = fan_out::known(&ctx, id).await?;
    let mut tx = work.begin().await?;
    fan_out::batch(&ctx, &mut tx, id, &known).await?;
    work.commit(tx).await
}

async fn send<const P: i16>(ctx: Ctx, work: Work<SendOut<P>>) -> Result<Done, JobError> {
    let SendOut { delivery_id, channel } = work.payload();
    let channel = Channel::of_name(channel);
    let channel = channel.ok_or_else(|| JobError::Fatal("the channel is not known".to_owned()))?;
    let delivery_id = *delivery_id;
    send_by(&ctx, work, delivery_id, channel).await
}

async fn push<const P: i16>(ctx: Ctx, work: Work<PushOut<P>>) -> Result<Done, JobError> {
    let delivery_id = work.payload().delivery_id;
    send_by(&ctx, work, delivery_id, Channel::Push).await
}

/// Sends a delivery by a channel; `T` is the job of any queue.
async fn send_by<T>(
    ctx: &Ctx,
    work: Work<T>,
    delivery_id: DeliveryId,
    channel: Channel,
) -> Result<Done, JobError> {
    match send::send(ctx, delivery_id, channel, attempt(&work)).await? {
        None => work.done().await,
        Some(sending) => {
            let mut tx = work.begin().await?;
            let again_at = sending.ended.again_at;
            let all = [(delivery_id, sending.ended)];
            send::end(ctx, &mut tx, sending.user, channel, &all).await?;
            if channel == Channel::Push && again_at.is_none() {
                send_push::end(&mut tx, delivery_id).await?;
            }
            match again_at {
                Some(at) => work.again(tx, at).await,
                None => work.commit(tx).await,
            }
        }
    }
}

async fn send_digest(ctx: Ctx, work: Work<SendDigest>) -> Result<Done, JobError> {
    let digest_id = work.payload().digest_id;
    match digest::send(&ctx, digest_id, attempt(&work)).await? {
        None => work.done().await,
        Some(sent) => {
            let mut tx = work.begin().await?;
            let again_at = sent.all.iter().find_map(|(_, ended)| ended.again_at);
            send::end(&ctx, &mut tx, Some(sent.user), Channel::Email, &sent.all).await?;
            if let Some(at) = again_at {
                return work.again(tx, at).await;
            }
            if sent.more {
                tx.enqueue(work.payload()).await?;
            }
            work.commit(tx).await
        }
    }
}

fn attempt<T>(work: &Work<T>) -> send::Attempt {
    send::Attempt {
        number: work.attempt(),
        is_last: work.attempt() >= AGAIN.attempts,
        since: work.time(),
    }
}

async fn send_phone_code(ctx: Ctx, work: Work<SendPhoneCode>) -> Result<Done, JobError> {
    let &SendPhoneCode { user_id, code_id } = work.payload();
    match phones::send_code(&ctx, user_id, code_id).await? {
        None => work.done().await,
        Some(CodeSent::Later(at)) => {
            let tx = work.begin().await?;
            work.again(tx, at).await
        }
        Some(CodeSent::Now(state, number_hash)) => {
            let mut tx = work.begin().await?;
            phones::code_sent(&ctx, &mut tx, (user_id, code_id), state, &number_hash).await?;
            work.commit(tx).await
        }
    }
}

async fn stop(_: Ctx, work: Work<Stop>) -> Result<Done, JobError> {
    let mut tx = work.begin().await?;
    if ops::cancel::batch(&mut tx, work.payload().notification_id).await? {
        tx.enqueue(work.payload()).await?;
    }
    work.commit(tx).await
}

async fn provider_events(ctx: Ctx, work: Work<ProviderEvents>) -> Result<Done, JobError> {
    let ProviderEvents { events, tries } = work.payload();
    let later = callbacks::all(&ctx, events, *tries).await?;
    let mut tx = work.begin().await?;
    if !later.is_empty() {
        let at = callbacks::next_look(ctx.clock.now(), *tries);
        let job = ProviderEvents {
            events: later,
            tries: tries + 1,
        };
        tx.enqueue_at(&job, at).await?;
    }
    work.commit(tx).await
}

async fn wake(_: Ctx, work: Work<Wake>) -> Result<Done, JobError> {
    let &Wake {
        item_id,
        user_id,
        until,
    } = work.payload();
    let mut tx = work.begin().await?;
    ops::inbox::wake(&mut tx, user_id, item_id, until).await?;
    work.commit(tx).await
}

async fn erase(ctx: Ctx, work: Work<Erase>) -> Result<Done, JobError> {
    let mut tx = work.begin().await?;
    if ops::erasure::batch(&ctx, &mut tx, work.payload().user_id).await? {
        tx.enqueue(work.payload()).await?;
    }
    tx.shred();
    work.commit(tx).await
}

async fn erase_mails(ctx: Ctx, work: Work<EraseMails>) -> Result<Done, JobError> {
    let theirs = work.payload().address_hash.clone();
    let forgotten = ctx
        .mailer
        .forget(move |given| hex::encode(address::hash(given)) == theirs);
    forgotten.await.map_err(|e| JobError::Retry(e.to_string()))?;
    work.done().await
}

async fn erase_texts(ctx: Ctx, work: Work<EraseTexts>) -> Result<Done, JobError> {
    let (theirs, known) = (work.payload().number_hash.clone(), ctx.clone());
    let is_theirs = move |number: &str| {
        let hash = phones::hash(&known, number);
        hash.is_ok_and(|hash| hex::encode(hash) == theirs)
    };
    let deleted = ctx.sms.delete(is_theirs).await;
    deleted.map_err(|e| JobError::Retry(e.to_string()))?;
    work.done().await
}

async fn purge(ctx: Ctx, work: Work<Purge>) -> Result<Done, JobError> {
    let more = ops::purge::purge(&ctx).await?;
    let mut tx = work.begin().await?;
    if more {
        tx.enqueue(work.payload()).await?;
    }
    work.commit(tx).await
}
