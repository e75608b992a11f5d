//! Out of a service's queue. What was not acknowledged when a session ends goes back to its place in the queue, so that the next
//! one is given it first; the queue serves one session at a time.

use futures::{FutureExt, StreamExt};
use lapin::{
    Channel, Consumer,
    message::Delivery as Message,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions},
    types::FieldTable,
};
use tokio::{runtime::Handle, sync::watch};

use super::{RABBIT, broken, broker, close, within};
use crate::bus::{BATCH, BusError, Delivery, Receipt};

/// Messages on their way here that are not yet acknowledged.
const PREFETCH: u16 = 2 * BATCH as u16;

pub(crate) struct Arrivals {
    channel: Channel,
    consumer: Option<Consumer>,
    queue: String,
    /// Changes once the connection that this is on has been lost and made again. The consumer of a connection that ended in order
    /// is not always told of it: it may wait for ever.
    links: watch::Receiver<u64>,
}

impl Drop for Arrivals {
    /// The channel is closed before the consumer goes. Cancelled first, as it would be by itself, the consumer would make room for
    /// the next session while what it was brought is still out: that one would be given later events before the earlier ones.
    /// And a consumer that was still being made must not stay behind, for it would be given everything.
    fn drop(&mut self) {
        if let Ok(runtime) = Handle::try_current() {
            let (channel, consumer) = (self.channel.clone(), self.consumer.take());
            runtime.spawn(async move {
                close(&channel).await;
                drop(consumer);
            });
        }
    }
}

impl Arrivals {
    pub(super) fn new(channel: Channel, queue: String, links: watch::Receiver<u64>) -> Self {
        Self {
            channel,
            consumer: None,
            queue,
            links,
        }
    }

    pub(super) async fn begin(&mut self) -> Result<(), BusError> {
        let qos = BasicQosOptions::default();
        self.channel.basic_qos(PREFETCH, qos).await.map_err(broken)?;
        let (queue, options) = (self.queue.as_str().into(), BasicConsumeOptions::default());
        let consuming = self
            .channel
            .basic_consume(queue, "".into(), options, FieldTable::default());
        self.consumer = Some(consuming.await.map_err(broken)?);
        Ok(())
    }

    pub(in crate::bus) async fn next(&mut self) -> Result<Vec<Delivery>, BusError> {
        let gone = || broker(format!("the queue {} is gone", self.queue));
        let consumer = self.consumer.as_mut().ok_or_else(gone)?;
        let first = tokio::select! {
            first = consumer.next() => first.ok_or_else(gone)?.map_err(broken)?,
            _ = self.links.changed() => return Err(BusError::Away(RABBIT)),
        };
        let mut batch = vec![delivery(&self.queue, first)];
        while batch.len() < BATCH {
            // An error ends the session: it comes again by the next call, or nothing does.
            let Some(Some(Ok(message))) = consumer.next().now_or_never() else {
                break;
            };
            batch.push(delivery(&self.queue, message));
        }
        Ok(batch)
    }

    pub(in crate::bus) async fn close(self) {
        close(&self.channel).await;
    }
}

fn delivery(queue: &str, mut message: Message) -> Delivery {
    Delivery {
        body: std::mem::take(&mut message.data).into(),
        origin: format!("a message in the queue {queue}, {}", message.routing_key),
        receipt: Receipt::Rabbit(Box::new(message)),
    }
}

/// Puts what could not be read aside, and acknowledges the rest by the last one.
pub(in crate::bus) async fn settle(batch: &[Delivery], readable: &[bool]) -> Result<(), BusError> {
    let mut last = None;
    for (message, readable) in batch.iter().zip(readable) {
        let Receipt::Rabbit(received) = &message.receipt else {
            continue;
        };
        if *readable {
            last = Some(received);
        } else {
            let aside = BasicRejectOptions { requeue: false };
            lively(received.reject(aside)).await?;
        }
    }
    if let Some(received) = last {
        let all = BasicAckOptions { multiple: true };
        lively(received.ack(all)).await?;
    }
    Ok(())
}

/// An answer on a channel that has ended reaches nobody.
async fn lively(answer: impl Future<Output = lapin::Result<bool>>) -> Result<(), BusError> {
    let sent = within("to an acknowledgement", async { answer.await.map_err(broken) }).await?;
    if sent {
        Ok(())
    } else {
        Err(broker("the channel was closed"))
    }
}
