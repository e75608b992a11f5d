//! Out of a service's queue. What was not acknowledged when a session ends goes back to its place in the queue, so that the next
//! one is given it first; the queue serves one session at a time.

use futures::{FutureExt, StreamExt};
use lapin::{
    Channel, Consumer,
    message::Delivery as Message,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions},
    types::FieldTable,
};

use super::{broken, broker, close};
use crate::bus::{BATCH, BusError, Delivery, Receipt};

/// Messages on their way here that are not yet acknowledged.
const PREFETCH: u16 = 2 * BATCH as u16;

pub(crate) struct Arrivals {
    channel: Channel,
    consumer: Consumer,
    queue: String,
}

impl Arrivals {
    pub(super) async fn open(channel: Channel, queue: String) -> Result<Self, BusError> {
        channel
            .basic_qos(PREFETCH, BasicQosOptions::default())
            .await
            .map_err(broken)?;
        let options = BasicConsumeOptions::default();
        let consumer = channel
            .basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default())
            .await
            .map_err(broken)?;
        Ok(Self {
            channel,
            consumer,
            queue,
        })
    }

    pub(in crate::bus) async fn next(&mut self) -> Result<Vec<Delivery>, BusError> {
        let first = self.consumer.next().await;
        let first = first
            .ok_or_else(|| broker(format!("the queue {} is gone", self.queue)))?
            .map_err(broken)?;
        let mut batch = vec![self.delivery(first)];
        while batch.len() < BATCH {
            // An error ends the session: it comes again by the next call, or nothing does.
            let Some(Some(Ok(message))) = self.consumer.next().now_or_never() else {
                break;
            };
            batch.push(self.delivery(message));
        }
        Ok(batch)
    }

    fn delivery(&self, mut message: Message) -> Delivery {
        Delivery {
            body: std::mem::take(&mut message.data).into(),
            origin: format!("a message in the queue {}, {}", self.queue, message.routing_key),
            receipt: Receipt::Rabbit(Box::new(message)),
        }
    }

    pub(in crate::bus) async fn close(self) {
        close(&self.channel).await;
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
            lively(received.reject(aside).await.map_err(broken)?)?;
        }
    }
    if let Some(received) = last {
        let all = BasicAckOptions { multiple: true };
        lively(received.ack(all).await.map_err(broken)?)?;
    }
    Ok(())
}

/// An answer on a channel that is no more reaches nobody.
fn lively(sent: bool) -> Result<(), BusError> {
    if sent {
        Ok(())
    } else {
        Err(broker("the channel was closed"))
    }
}
