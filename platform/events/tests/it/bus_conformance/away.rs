//! A broker that goes away under load and comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::fixture::{Broker, Fixture, all_once_in_order, count, emit, made, until};

/// How long the broker is away, in seconds: `STOA_TEST_BROKER_PAUSE`, 5 without it.
#[expect(clippy::disallowed_methods, reason = "a setting of this suite alone")]
fn pause() -> Duration {
    let given = std::env::var("STOA_TEST_BROKER_PAUSE").ok();
    Duration::from_secs(given.map_or(5, |text| text.parse().expect("a number of seconds")))
}

async fn a_broker_that_crashes_under_load_loses_nothing(fixture: Arc<Fixture>) {
    goes_away(&fixture, Fixture::kill_broker).await;
}

async fn a_broker_that_is_stopped_under_load_loses_nothing(fixture: Arc<Fixture>) {
    goes_away(&fixture, Fixture::stop_broker).await;
}

async fn goes_away(fixture: &Arc<Fixture>, away: fn(&Fixture)) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let (there, here) = (fixture.bus().await, fixture.bus().await);
    let _sink = fixture.start(&sink, &here, made()).await;
    let _source = fixture.start(&source, &there, vec![]).await;
    let over = Arc::new(AtomicBool::new(false));
    let emitter = tokio::spawn({
        let (source, over) = (source.clone(), Arc::clone(&over));
        async move {
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                emit(&source, number % 3, number).await;
                number += 1;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            number
        }
    });
    until("the first effects", async || count(&sink).await > 50).await;
    assert!(there.ping().await.is_ok());
    if let Broker::Rabbit(_) = fixture.broker {
        // A queue that is some seconds young may be gone after a crash of RabbitMQ 3.10: it does not yet keep its name on the disk.
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
    away(fixture);
    until("health that says so", async || there.ping().await.is_err()).await;
    tokio::time::sleep(pause()).await;
    let before = count(&sink).await;
    fixture.start_broker_again();
    until("new effects", async || count(&sink).await > before).await;
    over.store(true, Ordering::Relaxed);
    let emitted = emitter.await.unwrap();
    assert!(there.ping().await.is_ok() && here.ping().await.is_ok());
    all_once_in_order(&sink, emitted).await;
}

conformance!(alone a_broker_that_crashes_under_load_loses_nothing on nats, rabbitmq);
conformance!(alone a_broker_that_is_stopped_under_load_loses_nothing on nats, rabbitmq);
