//! Push messages through the public surface: to a push service that decrypts them with a library that is not ours, and to FCM's API.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod fcm;
mod web;

use std::{collections::BTreeMap, time::Duration};

use stoa_kernel::Clock;
use stoa_providers::testing::outbound;
use stoa_push::{Push, PushConfig, PushSender, SendError, Urgency};

fn config() -> PushConfig {
    PushConfig {
        contact: "mailto:ops@example.com".to_owned(),
        ..PushConfig::default()
    }
}

fn opened(config: &PushConfig) -> Result<PushSender, SendError> {
    PushSender::new(config, "http://localhost:3000", &outbound(), Clock::system())
}

fn push() -> Push {
    Push {
        id: "n1".to_owned(),
        kind: "order.shipped".to_owned(),
        title: "Grüße".to_owned(),
        text: "Your order has left.".to_owned(),
        link: Some("https://stoa.example/orders/1".to_owned()),
        data: BTreeMap::from([("order".to_owned(), "1".to_owned())]),
        ttl: Duration::from_secs(3600),
        urgency: Urgency::High,
        topic: Some("order-1".to_owned()),
    }
}
