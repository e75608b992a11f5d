//! Subscriptions to events of many types, filters before rows are made, and work that is put off.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use stoa_db::{Error, db_test};
use stoa_events::{AnyEvent, Audience, Event, Heading, Job, JobHandler, Subscription, TxExt as _, Work};

use crate::pair::{Pair, ThingMade, record};

#[derive(Serialize, Deserialize, Event)]
#[event(name = "thing.lost", key = "thing:{key}", audience = "internal")]
struct ThingLost {
    /// Which.
    key: i64,
    /// By how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[event(example = 7)]
    number: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Numbered {
    number: i64,
}

async fn write_down(_: (), work: Work<AnyEvent>) -> Result<stoa_events::Done, stoa_events::JobError> {
    let event = work.payload();
    let data: Numbered = serde_json::from_str(event.data.get()).unwrap();
    let sign = if event.name == ThingLost::NAME { -1 } else { 1 };
    let key: i64 = event.key.strip_prefix("thing:").unwrap().parse().unwrap();
    let mut tx = work.begin().await?;
    record(&mut tx, key, sign * data.number).await?;
    work.commit(tx).await
}

#[db_test]
async fn events_of_many_types_come_in_the_order_of_their_key(pair: Pair) {
    let asked: Arc<Mutex<usize>> = Arc::default();
    let filter = |asked: Arc<Mutex<usize>>, events: Vec<Heading>| async move {
        *asked.lock() += events.len();
        Ok::<_, Error>(events.iter().map(|event| event.key != "thing:2").collect())
    };
    let names = vec![ThingMade::NAME, ThingLost::NAME];
    let subscription = Subscription::to_many("sink.all", &(), names, write_down).only_if(&asked, filter);
    let sink = pair.start_sink(vec![subscription], vec![], vec![]).await;
    let source = pair.start_source().await;
    let mut expected = Vec::new();
    for number in 1..=20 {
        let mut tx = pair.source.begin().await.unwrap();
        let lost = |key| ThingLost {
            key,
            number: Some(number),
        };
        tx.emit(&ThingMade { key: 1, number }).await.unwrap();
        tx.emit(&lost(1)).await.unwrap();
        tx.emit(&lost(2)).await.unwrap();
        tx.commit().await.unwrap();
        expected.extend([(1, number), (1, -number)]);
    }
    pair.settle(&source, &sink).await;
    assert_eq!(pair.effects().await, expected);
    assert!(*asked.lock() >= 60);
    let rows = "SELECT COUNT(*) FROM jobs WHERE queue = 'sink.all'";
    let rows: i64 = pair.sink.fetch_one(rows, &[]).await.unwrap();
    assert_eq!(rows, 40, "what is not wanted has no row");
}

#[test]
fn an_event_says_what_it_is_made_of() {
    let info = ThingLost::INFO;
    assert_eq!(info.audience, Audience::Internal);
    assert_eq!(info.fields, ["key", "number"]);
    let (schema, sample) = (info.schema(), info.sample());
    assert_eq!(schema["required"], serde_json::json!(["key"]));
    assert_eq!(schema["properties"]["number"]["description"], "By how many.");
    assert_eq!(sample, serde_json::json!({"key": 1, "number": 7}));
    (info.reads)(sample).unwrap();
}

#[derive(Serialize, Deserialize, Job)]
#[job(name = "sink.put_off", key = "one")]
struct PutOff {
    number: i64,
}

#[db_test]
async fn work_that_is_put_off_keeps_those_behind_it_waiting(pair: Pair) {
    let begun = pair.clock.now();
    let due = move |work: &Work<PutOff>, now: stoa_kernel::Timestamp| {
        work.payload().number != 1 || now.duration_since(begun).as_secs() >= 600
    };
    let clock = pair.clock.clone();
    let handler = JobHandler::new(move |work: Work<PutOff>| {
        let clock = clock.clone();
        async move {
            let mut tx = work.begin().await?;
            if !due(&work, clock.now()) {
                record(&mut tx, 0, -work.payload().number).await?;
                return work.again(tx, clock.after(Duration::from_secs(300))).await;
            }
            record(&mut tx, 0, work.payload().number).await?;
            work.commit(tx).await
        }
    });
    let sink = pair.start_sink(vec![], vec![handler], vec![]).await;
    let mut tx = pair.sink.begin().await.unwrap();
    for number in 1..=3 {
        tx.enqueue(&PutOff { number }).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut expected = vec![(0, -1)];
    for _ in 0..2 {
        while pair.effects().await != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        pair.clock.advance(Duration::from_secs(301));
        expected.push((0, -1));
    }
    expected.pop();
    expected.extend([(0, 1), (0, 2), (0, 3)]);
    sink.idle().await;
    assert_eq!(pair.effects().await, expected);
}
