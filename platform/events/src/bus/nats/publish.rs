//! Onto the stream.

use async_nats::jetstream::{
    context::{PublishAckFuture, PublishErrorKind},
    message::PublishMessage,
};

use super::{Nats, broken};
use crate::{
    bus::{
        BusError, Refused,
        envelope::{self, CONTENT_TYPE},
        waves::waves,
    },
    store::OutboxRow,
};

impl Nats {
    pub(in crate::bus) async fn publish(
        &self,
        source: &str,
        events: &[OutboxRow],
    ) -> Result<Vec<Refused>, BusError> {
        let sent = self.send(source, events).await;
        if sent.is_err() {
            self.doubt_stream();
        }
        sent
    }

    async fn send(&self, source: &str, events: &[OutboxRow]) -> Result<Vec<Refused>, BusError> {
        self.connected()?;
        self.declare_once().await?;
        let mut refused = Vec::new();
        for wave in waves(events) {
            let mut confirmations = Vec::with_capacity(wave.len());
            for event in wave {
                match self.send_one(source, event).await? {
                    Ok(confirmation) => confirmations.push(confirmation),
                    Err(reason) => refused.push((event.id, reason)),
                }
            }
            for confirmation in confirmations {
                confirmation.await.map_err(broken)?;
            }
        }
        Ok(refused)
    }

    /// Sends without waiting for the answer. The inner error is for good.
    async fn send_one(
        &self,
        source: &str,
        event: &OutboxRow,
    ) -> Result<Result<PublishAckFuture, String>, BusError> {
        let body = match envelope::write(source, event) {
            Ok(body) => body,
            Err(reason) => return Ok(Err(reason)),
        };
        let message = PublishMessage::build()
            .payload(body.into())
            .message_id(event.id.to_string())
            .header("Content-Type", CONTENT_TYPE);
        let subject = self.0.names.subject(&event.name);
        match self.0.context.send_publish(subject, message).await {
            Ok(confirmation) => Ok(Ok(confirmation)),
            Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                let most = self.0.client.max_payload();
                Ok(Err(format!(
                    "it is larger than the {most} bytes that the NATS server takes (max_payload)"
                )))
            }
            Err(error) => Err(broken(error)),
        }
    }
}
