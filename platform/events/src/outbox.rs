//! What a transaction carries besides its rows.

use serde_json::value::RawValue;
use stoa_db::{Error, Tx};
use stoa_kernel::Timestamp;

use crate::{
    Channel, ChannelPublished, Event, EventId, Job, channel,
    limits::Parts,
    store::{NewEvent, NewJob, insert_jobs, insert_outbox},
};

tokio::task_local! {
    /// The W3C `traceparent` of the request or work at hand; what is emitted and enqueued under it carries it on.
    pub static TRACEPARENT: String;
}

/// Events and jobs, written in the transaction that they follow from.
pub trait TxExt {
    /// Tells the other services, once this transaction has committed. Refused, with nothing written, where its key has more than
    /// 512 bytes; so is a job.
    fn emit<E: Event>(&mut self, event: &E) -> impl Future<Output = Result<EventId, Error>> + Send;
    /// Publishes `event` to those who have subscribed to `channel`, once this transaction has committed; it is then in the channel's
    /// history, in the order of the commits. Refused, with nothing written, where its data has more than
    /// [`ChannelPublished::MAX_DATA_BYTES`].
    fn publish<E: Event>(
        &mut self,
        channel: &Channel,
        event: &E,
    ) -> impl Future<Output = Result<EventId, Error>> + Send;
    /// Has this service do `job`, once this transaction has committed.
    fn enqueue<J: Job>(&mut self, job: &J) -> impl Future<Output = Result<EventId, Error>> + Send;
    /// As `enqueue`, not before `at`.
    fn enqueue_at<J: Job>(
        &mut self,
        job: &J,
        at: Timestamp,
    ) -> impl Future<Output = Result<EventId, Error>> + Send;
}

impl TxExt for Tx {
    async fn emit<E: Event>(&mut self, event: &E) -> Result<EventId, Error> {
        let data = json(event)?;
        insert(self, E::NAME, &event.key(), &data).await
    }

    async fn publish<E: Event>(&mut self, channel: &Channel, event: &E) -> Result<EventId, Error> {
        let data = json(event)?;
        ChannelPublished::check(E::NAME, &data)
            .map_err(|reason| Error::Data(format!("{}: {reason}", E::NAME)))?;
        let published = json(&ChannelPublished {
            channel: channel.clone(),
            event: E::NAME.to_owned(),
            data: RawValue::from_string(data).map_err(not_json)?,
        })?;
        insert(self, ChannelPublished::NAME, &channel::key(channel), &published).await
    }

    async fn enqueue<J: Job>(&mut self, job: &J) -> Result<EventId, Error> {
        enqueue(self, job, None).await
    }

    async fn enqueue_at<J: Job>(&mut self, job: &J, at: Timestamp) -> Result<EventId, Error> {
        enqueue(self, job, Some(at).filter(|at| *at > self.clock().now())).await
    }
}

/// Writes an event into the outbox.
async fn insert(tx: &mut Tx, name: &str, key: &str, data: &str) -> Result<EventId, Error> {
    let (id, time, traceparent) = (tx.new_id(), tx.clock().now(), traceparent());
    Parts {
        name,
        key: Some(key),
        source: tx.service(),
        traceparent: traceparent.as_deref(),
    }
    .check_new()?;
    let row = NewEvent {
        id,
        name,
        key,
        data,
        time,
        traceparent: traceparent.as_deref(),
    };
    insert_outbox(tx, &row).await?;
    tx.signal();
    Ok(id)
}

/// Ready at once, or to wait until `at`.
async fn enqueue<J: Job>(tx: &mut Tx, job: &J, at: Option<Timestamp>) -> Result<EventId, Error> {
    let (id, payload, key) = (tx.new_id(), json(job)?, job.key());
    let (source, now, traceparent) = (tx.service().to_owned(), tx.clock().now(), traceparent());
    Parts {
        name: J::NAME,
        key: key.as_deref(),
        source: &source,
        traceparent: traceparent.as_deref(),
    }
    .check_new()?;
    let row = NewJob {
        queue: J::NAME,
        id,
        key: key.as_deref(),
        priority: J::PRIORITY,
        payload: payload.into(),
        source: &source,
        time: now,
        traceparent: traceparent.as_deref(),
        waits: at.is_some(),
        run_at: at.unwrap_or(now),
    };
    insert_jobs(tx, &[row]).await?;
    tx.signal();
    Ok(id)
}

fn traceparent() -> Option<String> {
    TRACEPARENT.try_with(Clone::clone).ok()
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(not_json)
}

fn not_json(error: serde_json::Error) -> Error {
    Error::Engine(format!("it cannot be written as JSON: {error}"))
}
