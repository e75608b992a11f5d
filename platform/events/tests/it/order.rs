//! Of one key, in the order of commits; also through failures.

use std::{collections::HashMap, sync::Arc, time::Duration};

use stoa_db::db_test;
use stoa_events::{JobError, Subscription, Work};

use crate::pair::{Pair, SOON, ThingMade, record, write_down};

fn by_key(effects: Vec<(i64, i64)>) -> HashMap<i64, Vec<i64>> {
    let mut keys: HashMap<_, Vec<_>> = HashMap::new();
    for (key, number) in effects {
        keys.entry(key).or_default().push(number);
    }
    keys
}

#[db_test]
async fn events_of_one_key_take_effect_in_order(pair: Pair) {
    let sink = pair
        .start_sink(
            vec![Subscription::new("sink.write_down", write_down)],
            vec![],
            vec![],
        )
        .await;
    let source = pair.start_source().await;
    for number in 0..60 {
        pair.emit(number % 5, number).await;
    }
    pair.settle(&source, &sink).await;
    let keys = by_key(pair.effects().await);
    assert_eq!(keys.len(), 5);
    assert!(
        keys.values()
            .all(|numbers| numbers.len() == 12 && numbers.is_sorted()),
        "{keys:?}"
    );
}

#[db_test]
async fn what_fails_holds_up_its_key_and_no_other(pair: Pair) {
    let failures = Arc::new(std::sync::Mutex::new(HashMap::<i64, u32>::new()));
    let flaky = move |work: Work<ThingMade>| {
        let failures = Arc::clone(&failures);
        async move {
            let number = work.payload().number;
            // Every third fails twice before it works.
            let failed = number % 3 == 0 && {
                let mut failures = failures.lock().unwrap();
                let count = failures.entry(number).or_default();
                *count += 1;
                *count <= 2
            };
            if failed {
                return Err(JobError::Retry("not yet".to_owned()));
            }
            let mut tx = work.begin().await?;
            record(&mut tx, work.payload().key, number).await?;
            work.commit(tx).await
        }
    };
    let sink = pair
        .start_sink(
            vec![Subscription::new("sink.flaky", flaky).retry(SOON)],
            vec![],
            vec![],
        )
        .await;
    let source = pair.start_source().await;
    for number in 0..40 {
        pair.emit(number % 4, number).await;
    }
    source.idle().await;
    tokio::time::timeout(Duration::from_secs(30), async {
        while pair.effects().await.len() < 40 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("all work in the end");
    sink.idle().await;
    let keys = by_key(pair.effects().await);
    assert!(
        keys.values()
            .all(|numbers| numbers.len() == 10 && numbers.is_sorted()),
        "{keys:?}"
    );
}
