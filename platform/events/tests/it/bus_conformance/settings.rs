//! What a wrong setting says.

use std::sync::Arc;

use stoa_events::{Bus, BusConfig, BusKind};

use super::fixture::Fixture;

async fn refusal(config: &BusConfig) -> String {
    Bus::open(config).await.err().expect("a refusal").to_string()
}

async fn the_bus_is_chosen_by_its_address(fixture: Arc<Fixture>) {
    let bus = fixture.bus().await;
    let kind = if fixture.config.url.starts_with("nats") {
        BusKind::Nats
    } else {
        BusKind::RabbitMq
    };
    assert_eq!(bus.kind(), kind);
    assert!(bus.ping().await.unwrap().contains("127.0.0.1"));
    let none = Bus::open(&BusConfig::default()).await.unwrap();
    assert_eq!(none.kind(), BusKind::Local);
}

async fn what_cannot_be_reached_is_named_without_its_password(fixture: Arc<Fixture>) {
    let scheme = fixture.config.url.split(':').next().unwrap();
    let nobody = stoa_engines::free_port();
    let url = format!("{scheme}://stoa:s3cret-w0rd@127.0.0.1:{nobody}");
    let refusal = refusal(&BusConfig::new(&url)).await;
    assert!(refusal.starts_with("bus.url: "), "{refusal}");
    assert!(
        refusal.contains(&format!("127.0.0.1:{nobody} cannot be reached")),
        "{refusal}"
    );
    assert!(!refusal.contains("s3cret"), "{refusal}");
    assert!(!format!("{:?}", BusConfig::new(&url)).contains("s3cret"));
}

async fn a_wrong_password_is_called_one(fixture: Arc<Fixture>) {
    let url = fixture.config.url.replace("guest:guest", "guest:s3cret-w0rd");
    let refusal = refusal(&BusConfig::new(&url)).await;
    assert!(
        refusal.contains("bus.url") && refusal.contains("password"),
        "{refusal}"
    );
    assert!(!refusal.contains("s3cret"), "{refusal}");
}

conformance!(the_bus_is_chosen_by_its_address on nats, rabbitmq);
conformance!(what_cannot_be_reached_is_named_without_its_password on nats, rabbitmq);
conformance!(a_wrong_password_is_called_one on rabbitmq);

#[tokio::test]
async fn an_address_of_something_else_is_refused_with_examples() {
    for url in ["kafka://host:9092", "localhost", "http://s3cret@x"] {
        let refusal = refusal(&BusConfig::new(url)).await;
        assert!(
            refusal.starts_with("bus.url: ") && refusal.contains("nats://"),
            "{refusal}"
        );
        assert!(!refusal.contains("s3cret"), "{refusal}");
    }
    let config = BusConfig {
        prefix: "No Spaces".to_owned(),
        ..BusConfig::default()
    };
    assert!(refusal(&config).await.starts_with("bus.prefix"));
}
