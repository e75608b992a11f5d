//! The app that the tests run, and what they do with it again and again.

use serde_json::{Value, json, value::RawValue};
use stoa_auth_api::testing::FakeAuth;
use stoa_events::{Channel, ChannelPublished};
use stoa_realtime::RealtimeConfig;
use stoa_service::{ChannelHistory, ChannelInfo, ChannelPermission, ChannelSubject, Descriptor, Service};
use stoa_testkit::{Builder, TestApp, settings};

stoa_testkit::app!(
    /// realtime as it is by default, beside a service with channels of its own.
    pub(crate) App,
    builder(|_| {})
);

/// A service that publishes to orders.
pub(crate) const SHOP: Descriptor = Descriptor {
    channels: &[ChannelInfo {
        prefix: "order",
        about: "what becomes of an order",
        subject: ChannelSubject::Thing("order"),
        subscribe: ChannelPermission::named("orders.read"),
        publish: None,
        presence: false,
        history: ChannelHistory {
            size: 20,
            seconds: 3600,
        },
    }],
    ..Descriptor::named("shop")
};

pub(crate) fn builder(change: impl FnOnce(&mut RealtimeConfig)) -> Builder {
    let mut config: RealtimeConfig = settings("realtime");
    change(&mut config);
    TestApp::builder()
        .service(&stoa_realtime::SERVICE, |env| stoa_realtime::service(env, config))
        .service(&SHOP, |_| Service {
            name: "shop",
            router: utoipa_axum::router::OpenApiRouter::new(),
            rpc: None,
            subscriptions: Vec::new(),
            jobs: Vec::new(),
            schedules: Vec::new(),
            start: None,
        })
        .stand_in(FakeAuth::default(), FakeAuth::serve)
}

/// Publishes as a service does.
pub(crate) async fn publish(app: &TestApp, channel: &Channel, number: i64) {
    let data = RawValue::from_string(json!({ "number": number }).to_string()).unwrap();
    let published = ChannelPublished {
        channel: channel.clone(),
        event: "order.packed".to_owned(),
        data,
    };
    app.emit(&published).await;
}

/// As [`publish`], with this many bytes of text.
pub(crate) async fn publish_long(app: &TestApp, channel: &Channel, number: i64, bytes: usize) {
    let data = json!({ "number": number, "text": "x".repeat(bytes) });
    let published = ChannelPublished {
        channel: channel.clone(),
        event: "order.packed".to_owned(),
        data: RawValue::from_string(data.to_string()).unwrap(),
    };
    app.emit(&published).await;
}

/// The numbers of messages.
pub(crate) fn numbers(messages: &[Value]) -> Vec<i64> {
    let numbers = messages
        .iter()
        .map(|message| message["data"]["number"].as_i64().unwrap());
    numbers.collect()
}
