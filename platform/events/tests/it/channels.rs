//! What is published to channels follows the commit, as events do.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use stoa_db::{Error, db_test};
use stoa_events::{Channel, ChannelPublished, Event, Subscription, TxExt, Work, stats};

use crate::pair::{Pair, ThingMade};

#[derive(Serialize, Deserialize)]
struct Text {
    text: String,
}

impl Event for Text {
    const NAME: &'static str = "text.sent";

    fn key(&self) -> String {
        String::new()
    }
}

/// Channel, name and data of what arrived, in order.
type Arrived = Arc<Mutex<Vec<(String, String, String)>>>;

fn follow(arrived: &Arrived) -> Subscription {
    let arrived = Arc::clone(arrived);
    Subscription::new("sink.published", move |work: Work<ChannelPublished>| {
        let ChannelPublished { channel, event, data } = work.payload();
        let one = (channel.to_string(), event.clone(), data.get().to_owned());
        arrived.lock().unwrap().push(one);
        work.done()
    })
}

async fn publish(pair: &Pair, channel: &Channel, number: i64) {
    let mut tx = pair.source.begin().await.unwrap();
    tx.publish(channel, &ThingMade { key: 1, number }).await.unwrap();
    tx.commit().await.unwrap();
}

#[db_test]
async fn what_is_published_arrives_once_and_in_the_order_of_the_commits(pair: Pair) {
    let arrived = Arrived::default();
    let sink = pair.start_sink(vec![follow(&arrived)], vec![], vec![]).await;
    let source = pair.start_source().await;
    let channels = [1, 2].map(|id| Channel::named("thing", id).unwrap());
    for number in 0..20 {
        for channel in &channels {
            publish(&pair, channel, number).await;
        }
    }
    pair.settle(&source, &sink).await;
    for channel in &channels {
        let arrived = arrived.lock().unwrap();
        let here = arrived.iter().filter(|one| one.0 == channel.as_str());
        let data: Vec<_> = here
            .map(|(_, name, data)| (name.as_str(), data.clone()))
            .collect();
        let expected = (0..20).map(|n| ("thing.made", format!(r#"{{"key":1,"number":{n}}}"#)));
        assert_eq!(data, expected.collect::<Vec<_>>());
    }
}

#[db_test]
async fn what_is_rolled_back_is_never_published(pair: Pair) {
    let arrived = Arrived::default();
    let sink = pair.start_sink(vec![follow(&arrived)], vec![], vec![]).await;
    let source = pair.start_source().await;
    let channel = Channel::named("thing", 1).unwrap();
    let mut tx = pair.source.begin().await.unwrap();
    tx.publish(&channel, &ThingMade { key: 1, number: 1 })
        .await
        .unwrap();
    tx.rollback().await;
    publish(&pair, &channel, 2).await;
    pair.settle(&source, &sink).await;
    assert_eq!(arrived.lock().unwrap().len(), 1);
    assert!(arrived.lock().unwrap()[0].2.contains(r#""number":2"#));
}

#[db_test]
async fn what_is_too_large_is_refused_and_the_transaction_goes_on(pair: Pair) {
    let channel = Channel::named("thing", 1).unwrap();
    let mut tx = pair.source.begin().await.unwrap();
    for (length, fits) in [(64 * 1024 - 11, true), (64 * 1024 - 10, false)] {
        let text = "x".repeat(length);
        let published = tx.publish(&channel, &Text { text }).await;
        assert_eq!(published.is_ok(), fits, "{published:?}");
        assert_eq!(matches!(published, Err(Error::Data(_))), !fits);
    }
    tx.commit().await.unwrap();
    assert_eq!(stats(&pair.source).await.unwrap().outbox, 1);
}
