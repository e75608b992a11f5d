//! A broker that goes away under load and comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use stoa_db::Db;
use stoa_events::{Bus, Worker};
use tokio::task::JoinHandle;

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

/// RabbitMQ announces such an end, which a client sees otherwise than a connection that breaks.
async fn connections_that_are_closed_again_and_again_lose_nothing(fixture: Arc<Fixture>) {
    let load = Load::begin(&fixture).await;
    fixture.close_connections(100, Duration::from_millis(120));
    load.end().await;
}

async fn goes_away(fixture: &Arc<Fixture>, away: fn(&Fixture)) {
    let load = Load::begin(fixture).await;
    if let Broker::Rabbit(_) = fixture.broker {
        // A queue that is some seconds young may be gone after a crash of RabbitMQ 3.10: it does not yet keep its name on the disk.
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
    away(fixture);
    until("health that says so", async || load.there.ping().await.is_err()).await;
    tokio::time::sleep(pause()).await;
    fixture.start_broker_again();
    load.end().await;
}

/// Events on their way from one service to another, more of them every moment.
struct Load {
    sink: Db,
    there: Bus,
    here: Bus,
    over: Arc<AtomicBool>,
    emitter: JoinHandle<i64>,
    _workers: [Worker; 2],
}

impl Load {
    /// Returns once the first have arrived.
    async fn begin(fixture: &Arc<Fixture>) -> Self {
        let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
        let (there, here) = (fixture.bus().await, fixture.bus().await);
        let workers = [
            fixture.start(&sink, &here, made()).await,
            fixture.start(&source, &there, vec![]).await,
        ];
        let over = Arc::new(AtomicBool::new(false));
        let emitter = tokio::spawn({
            let over = Arc::clone(&over);
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
        Self {
            sink,
            there,
            here,
            over,
            emitter,
            _workers: workers,
        }
    }

    /// Sees that more arrive, and all of them once.
    async fn end(self) {
        let before = count(&self.sink).await;
        until("new effects", async || count(&self.sink).await > before).await;
        self.over.store(true, Ordering::Relaxed);
        let emitted = self.emitter.await.unwrap();
        let both = async || self.there.ping().await.is_ok() && self.here.ping().await.is_ok();
        until("health on both sides", both).await;
        all_once_in_order(&self.sink, emitted).await;
    }
}

conformance!(alone a_broker_that_crashes_under_load_loses_nothing on nats, rabbitmq);
conformance!(alone a_broker_that_is_stopped_under_load_loses_nothing on nats, rabbitmq);
conformance!(alone connections_that_are_closed_again_and_again_lose_nothing on rabbitmq);
