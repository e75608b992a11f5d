//! Into the exchanges.

use std::collections::HashSet;

use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};

use super::{Rabbit, broken, broker, within};
use crate::{
    bus::{
        BusError, Refused,
        envelope::{self, CONTENT_TYPE},
        waves::waves,
    },
    store::OutboxRow,
};

/// AMQP's number for messages that survive a restart.
const PERSISTENT: u8 = 2;

/// One relay's channel, made anew after anything that fails.
pub(in crate::bus) struct Publisher {
    rabbit: Rabbit,
    channel: Option<Channel>,
    /// Exchanges known to be there; publishing into another would end the channel.
    exchanges: HashSet<String>,
    /// The largest message that the broker takes, once it has refused one. Started again, it may take larger ones.
    largest: Option<usize>,
    /// The connection that this was said on.
    link: u64,
}

impl Publisher {
    pub(in crate::bus) fn new(rabbit: Rabbit) -> Self {
        Self {
            rabbit,
            channel: None,
            exchanges: HashSet::new(),
            largest: None,
            link: 0,
        }
    }

    pub(in crate::bus) async fn publish(
        &mut self,
        source: &str,
        events: &[OutboxRow],
    ) -> Result<Vec<Refused>, BusError> {
        loop {
            let sent = self.send(source, events).await;
            let Err(error) = &sent else {
                return sent;
            };
            self.channel = None;
            self.exchanges.clear();
            // It closes the channel on a message that is too large, and with it goes what was sent beside.
            match largest_by(error) {
                Some(largest) if self.largest.is_none_or(|known| largest < known) => {
                    self.largest = Some(largest);
                }
                _ => return sent,
            }
        }
    }

    async fn send(&mut self, source: &str, events: &[OutboxRow]) -> Result<Vec<Refused>, BusError> {
        let channel = self.channel().await?;
        let mut refused = Vec::new();
        for wave in waves(events) {
            let (mut confirmations, mut broken) = (Vec::with_capacity(wave.len()), None);
            for event in wave {
                self.make_exchange(&channel, &event.name).await?;
                let body = match self.fitting(source, event) {
                    Ok(body) => body,
                    Err(reason) => {
                        refused.push((event.id, reason));
                        continue;
                    }
                };
                let sending = self.send_one(&channel, source, event, &body);
                match within("to a message", sending).await {
                    Ok(confirmation) => confirmations.push((event, confirmation)),
                    Err(error) => {
                        broken = Some(error);
                        break;
                    }
                }
            }
            for (event, confirmation) in confirmations {
                let confirmed = within("to what was published", async {
                    confirmation.await.map_err(super::broken)
                })
                .await?;
                self.check(&channel, &event.name, &confirmed).await?;
            }
            // After what was sent before it, which says why the channel was closed.
            if let Some(error) = broken {
                return Err(error);
            }
        }
        Ok(refused)
    }

    /// The event as it is sent, or why the broker will never take it.
    fn fitting(&self, source: &str, event: &OutboxRow) -> Result<Vec<u8>, String> {
        let body = envelope::write(source, event)?;
        match self.largest {
            Some(most) if body.len() > most => Err(format!(
                "it is larger than the {most} bytes that RabbitMQ takes (max_message_size)"
            )),
            _ => Ok(body),
        }
    }

    async fn channel(&mut self) -> Result<Channel, BusError> {
        if let Some(channel) = self.channel.as_ref().filter(|there| there.status().connected()) {
            return Ok(channel.clone());
        }
        self.exchanges.clear();
        let link = *self.rabbit.links().borrow();
        if self.link != link {
            (self.link, self.largest) = (link, None);
        }
        let channel = self.rabbit.channel().await?;
        within("to a new channel", async {
            let options = ConfirmSelectOptions::default();
            channel.confirm_select(options).await.map_err(broken)
        })
        .await?;
        self.channel = Some(channel.clone());
        Ok(channel)
    }

    async fn make_exchange(&mut self, channel: &Channel, event: &str) -> Result<(), BusError> {
        let topology = &self.rabbit.0.topology;
        let name = topology.names().exchange(event);
        if !self.exchanges.contains(&name) {
            within("to a declaration", topology.declare_exchange(channel, event)).await?;
            self.exchanges.insert(name);
        }
        Ok(())
    }

    /// Sends without waiting for the answer.
    async fn send_one(
        &self,
        channel: &Channel,
        source: &str,
        event: &OutboxRow,
        body: &[u8],
    ) -> Result<PublisherConfirm, BusError> {
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type(CONTENT_TYPE.into())
            .with_message_id(event.id.to_string().into())
            .with_type(event.name.as_str().into())
            .with_app_id(source.into())
            .with_timestamp(u64::try_from(event.time.as_second()).unwrap_or(0));
        let topology = &self.rabbit.0.topology;
        let options = BasicPublishOptions {
            // What nobody wants need not come back; what does comes back to say that a queue is gone.
            mandatory: topology.is_wanted(&event.name),
            ..BasicPublishOptions::default()
        };
        let exchange = topology.names().exchange(&event.name);
        channel
            .basic_publish(
                exchange.into(),
                event.name.as_str().into(),
                options,
                body,
                properties,
            )
            .await
            .map_err(broken)
    }

    /// What comes back although a service wants it has not been kept: the service's queue is gone.
    async fn check(&self, channel: &Channel, event: &str, answer: &Confirmation) -> Result<(), BusError> {
        let topology = &self.rabbit.0.topology;
        match answer {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => {
                within("to a declaration", topology.declare(channel)).await?;
                Err(broker(format!(
                    "{event} had no queue; the queues were made again"
                )))
            }
            Confirmation::Nack(_) | Confirmation::NotRequested => {
                Err(broker(format!("{event} was not taken")))
            }
        }
    }
}

/// The largest message that a broker takes, from what it says as it refuses one.
fn largest_by(error: &BusError) -> Option<usize> {
    let text = error.to_string();
    let (_, rest) = text.split_once("configured max size ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
