//! What can never be taken is put aside with its reason, and holds up nothing.

use std::sync::Arc;

use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicGetOptions, BasicPublishOptions},
};
use serde::{Deserialize, Serialize};
use stoa_db::Db;
use stoa_events::{Event, TxExt, dead_letters, replay};

use super::fixture::{Broker, Fixture, all_once_in_order, emit, emit_many, made, until};

const POISON: &[&[u8]] = &[b"\xff\xfe", b"not json", br#"{"specversion":"1.0","id":"no id"}"#];

/// Puts a message where events go, as somebody else's program might.
async fn slip_in(fixture: &Fixture, body: impl Into<Vec<u8>>) {
    let (url, prefix, body) = (&fixture.config.url, &fixture.config.prefix, body.into());
    match &fixture.broker {
        Broker::Local(_) => {}
        Broker::Nats(_) => {
            let client = async_nats::connect(url).await.unwrap();
            let stream = async_nats::jetstream::new(client);
            let subject = format!("{prefix}.events.thing.made");
            let sent = stream.publish(subject, body.into()).await.unwrap();
            sent.await.unwrap();
        }
        Broker::Rabbit(_) => {
            let channel = channel(url).await;
            let (exchange, options) = (format!("{prefix}.thing.events"), BasicPublishOptions::default());
            let properties = BasicProperties::default();
            channel
                .confirm_select(lapin::options::ConfirmSelectOptions::default())
                .await
                .unwrap();
            let sent =
                channel.basic_publish(exchange.into(), "thing.made".into(), options, &body, properties);
            sent.await.unwrap().await.unwrap();
        }
    }
}

async fn channel(url: &str) -> lapin::Channel {
    let connection = Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    // It lives as long as the test.
    std::mem::forget(connection);
    channel
}

async fn a_message_that_is_no_event_is_put_aside_and_holds_up_nothing(fixture: Arc<Fixture>) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let bus = fixture.bus().await;
    bus.declare(&[("sink", &["thing.made"])]).await.unwrap();
    let teller = fixture.start(&source, &bus, vec![]).await;
    emit_many(&source, 0, 10).await;
    teller.idle().await;
    for body in POISON {
        slip_in(&fixture, *body).await;
    }
    emit_many(&source, 10, 10).await;
    let _sink = fixture.start(&sink, &fixture.bus().await, made()).await;
    all_once_in_order(&sink, 20).await;
    let mut reasons: Vec<_> = dead_letters(&sink, None, 10)
        .await
        .unwrap()
        .into_iter()
        .filter(|dead| dead.queue == "bus.unreadable")
        .filter_map(|dead| dead.last_error)
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons.len(), POISON.len(), "{reasons:?}");
    for word in ["UTF-8", "no CloudEvent", "UUID"] {
        assert!(
            reasons.iter().any(|reason| reason.contains(word)),
            "{word}: {reasons:?}"
        );
    }
    if let Broker::Rabbit(_) = &fixture.broker {
        let (queue, channel) = (
            format!("{}.sink.dead", fixture.config.prefix),
            channel(&fixture.config.url).await,
        );
        let mut bodies = Vec::new();
        until("the messages themselves", async || {
            let options = BasicGetOptions { no_ack: true };
            let got = channel.basic_get(queue.as_str().into(), options).await.unwrap();
            bodies.extend(got.map(|got| got.delivery.data));
            bodies.len() == POISON.len()
        })
        .await;
        assert_eq!(bodies, POISON, "as they came, in order");
    }
}

#[derive(Serialize, Deserialize)]
struct Large {
    text: String,
}

impl Event for Large {
    const NAME: &'static str = "thing.grown";

    fn key(&self) -> String {
        "thing:large".to_owned()
    }
}

async fn an_event_too_large_for_the_broker_is_put_aside_and_holds_up_nothing(fixture: Arc<Fixture>) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let _sink = fixture.start(&sink, &fixture.bus().await, made()).await;
    let mut tx = source.begin().await.unwrap();
    let text = "x".repeat(3 * 1024 * 1024);
    tx.emit(&Large { text }).await.unwrap();
    tx.commit().await.unwrap();
    emit_many(&source, 0, 10).await;
    let _source = fixture.start(&source, &fixture.bus().await, vec![]).await;
    all_once_in_order(&sink, 10).await;
    until("it is put aside", async || {
        !dead_letters(&source, None, 10).await.unwrap().is_empty()
    })
    .await;
    let dead = dead_letters(&source, None, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    let reason = dead[0].last_error.clone().unwrap();
    assert!(
        reason.contains("thing.grown") && reason.contains("(max_"),
        "{reason}"
    );
    // It can be told again, whole: such as once the broker takes more.
    assert!(replay(&source, &dead[0].queue, dead[0].id).await.unwrap());
    until("it is put aside once more", async || {
        dead_letters(&source, None, 10).await.unwrap().len() == 1
    })
    .await;
    assert_eq!(
        dead_letters(&source, None, 10).await.unwrap()[0].last_error,
        Some(reason)
    );
}

/// Why each of these was put aside.
async fn put_aside(db: &Db) -> Vec<String> {
    let dead = dead_letters(db, Some("bus.unreadable"), 10).await.unwrap();
    dead.into_iter().filter_map(|dead| dead.last_error).collect()
}

async fn an_event_whose_key_is_too_long_is_put_aside_and_holds_up_nothing(fixture: Arc<Fixture>) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let bus = fixture.bus().await;
    bus.declare(&[("sink", &["thing.made"])]).await.unwrap();
    let teller = fixture.start(&source, &bus, vec![]).await;
    emit_many(&source, 0, 10).await;
    teller.idle().await;
    // Random, for PostgreSQL packs what repeats.
    let key = hex(&stoa_kernel::random::bytes::<3000>());
    let event = format!(
        r#"{{"specversion":"1.0","id":"0197a1b2-0000-7000-8000-000000000000","source":"x","type":"thing.made","subject":"{key}","time":"2026-01-01T00:00:00Z","data":{{"key":0,"number":99}}}}"#
    );
    slip_in(&fixture, event).await;
    emit_many(&source, 10, 10).await;
    let _sink = fixture.start(&sink, &fixture.bus().await, made()).await;
    all_once_in_order(&sink, 20).await;
    let reasons = put_aside(&sink).await;
    assert!(
        reasons.len() == 1 && reasons[0].contains("its key has 6000 bytes, and 512 are the most"),
        "{reasons:?}"
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Such as what is against a rule that only its database knows.
async fn what_the_database_does_not_take_is_put_aside_alone(fixture: Arc<Fixture>) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let rule = "CREATE UNIQUE INDEX picky ON jobs (payload) WHERE payload <> ''";
    sink.execute(rule, &[]).await.unwrap();
    let there = "INSERT INTO jobs (queue, id, priority, state, payload, source, time, run_at, attempts, finished_at) \
        VALUES ('other', $1, 0, 'dead', $2, 'sink', $3, $3, 1, $3)";
    let now = sink.clock().now();
    for number in [100, 101, 103] {
        let payload = format!(r#"{{"key":0,"number":{number}}}"#);
        let id = stoa_kernel::Id::<()>::new(sink.clock());
        sink.execute(there, &[&id, &payload, &now]).await.unwrap();
    }
    let bus = fixture.bus().await;
    bus.declare(&[("sink", &["thing.made"])]).await.unwrap();
    emit(&source, 0, 100).await;
    emit_many(&source, 0, 10).await;
    emit(&source, 0, 101).await;
    emit_many(&source, 10, 10).await;
    emit(&source, 0, 103).await;
    let _sink = fixture.start(&sink, &bus, made()).await;
    let _source = fixture.start(&source, &bus, vec![]).await;
    all_once_in_order(&sink, 20).await;
    until("three are put aside", async || put_aside(&sink).await.len() == 3).await;
    let reasons = put_aside(&sink).await;
    assert!(
        reasons.iter().all(|reason| reason.contains("cannot be kept")),
        "{reasons:?}"
    );
}

async fn a_service_that_cannot_keep_its_events_says_so(fixture: Arc<Fixture>) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let bus = fixture.bus().await;
    let _sink = fixture.start(&sink, &bus, made()).await;
    let _source = fixture.start(&source, &bus, vec![]).await;
    emit_many(&source, 0, 3).await;
    all_once_in_order(&sink, 3).await;
    assert_eq!([bus.trouble("sink"), bus.trouble("source")], [None, None]);
    // No fault of the data: these are tried until it passes.
    sink.execute("ALTER TABLE jobs RENAME TO away", &[])
        .await
        .unwrap();
    emit_many(&source, 3, 3).await;
    // Inside one process it is the relay that writes into the subscriber's database.
    let (who, what) = match &fixture.broker {
        Broker::Local(_) => ("source", "handing events on has failed for"),
        _ => ("sink", "taking events in has failed for"),
    };
    until("it says so", async || bus.trouble(who).is_some()).await;
    let trouble = bus.trouble(who).unwrap();
    assert!(trouble.starts_with(what) && trouble.contains("jobs"), "{trouble}");
    sink.execute("ALTER TABLE away RENAME TO jobs", &[])
        .await
        .unwrap();
    all_once_in_order(&sink, 6).await;
    assert_eq!([bus.trouble("sink"), bus.trouble("source")], [None, None]);
}

conformance!(a_message_that_is_no_event_is_put_aside_and_holds_up_nothing on nats, rabbitmq);
conformance!(an_event_too_large_for_the_broker_is_put_aside_and_holds_up_nothing on nats, rabbitmq);
conformance!(an_event_whose_key_is_too_long_is_put_aside_and_holds_up_nothing on nats, nats_on_postgres, rabbitmq, rabbitmq_on_postgres);
conformance!(what_the_database_does_not_take_is_put_aside_alone on local, local_on_postgres, nats, nats_on_postgres, rabbitmq, rabbitmq_on_postgres);
conformance!(a_service_that_cannot_keep_its_events_says_so on local, nats, nats_on_postgres, rabbitmq);
