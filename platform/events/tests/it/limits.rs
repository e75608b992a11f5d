//! What is longer than can be kept is refused before it is written.

use serde::{Deserialize, Serialize};
use stoa_db::{Error, db_test};
use stoa_events::{Event, Job, Schedule, Subscription, TxExt, Worker, dead_letters};

use crate::pair::{Pair, options, write_down};

#[derive(Serialize, Deserialize)]
struct Keyed {
    key: String,
}

impl Event for Keyed {
    const NAME: &'static str = "thing.keyed";

    fn key(&self) -> String {
        self.key.clone()
    }
}

impl Job for Keyed {
    const NAME: &'static str = "source.keyed";

    fn key(&self) -> Option<String> {
        Some(self.key.clone())
    }
}

#[db_test]
async fn a_key_that_is_too_long_is_refused_with_words(pair: Pair) {
    let [fits, too_long] = [512, 513].map(|length| Keyed {
        key: "k".repeat(length),
    });
    let mut tx = pair.source.begin().await.unwrap();
    let refusals = [
        tx.emit(&too_long).await.err(),
        tx.enqueue(&too_long).await.err(),
        tx.enqueue_at(&too_long, tx.clock().now()).await.err(),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Some(Error::Data(_))), "{refusal:?}");
        let text = refusal.unwrap().to_string();
        assert!(
            text.contains("keyed: its key has 513 bytes, and 512 are the most"),
            "{text}"
        );
    }
    // Nothing was written, so the transaction goes on.
    tx.emit(&fits).await.unwrap();
    tx.enqueue(&fits).await.unwrap();
    tx.commit().await.unwrap();
    let sql = "SELECT (SELECT COUNT(*) FROM outbox), (SELECT COUNT(*) FROM jobs)";
    assert_eq!(
        pair.source.fetch_one::<(i64, i64)>(sql, &[]).await.unwrap(),
        (1, 1)
    );
    let schedule = Schedule::new("source.hourly", "0 * * * *", too_long);
    let (db, bus) = (pair.source.clone(), pair.bus.clone());
    let started = Worker::start(db, bus, vec![], vec![], vec![schedule], options()).await;
    assert!(started.err().unwrap().to_string().contains("its key has 513"));
}

/// An older version let it in.
#[db_test]
async fn a_key_that_is_too_long_and_in_the_outbox_holds_up_nothing(pair: Pair) {
    let sql = "INSERT INTO outbox (id, name, key, data, time) VALUES ($1, 'thing.made', $2, '{}', $3)";
    let (id, now) = (stoa_kernel::Id::<()>::new(&pair.clock), pair.clock.now());
    pair.source
        .execute(sql, &[&id, &"k".repeat(6000), &now])
        .await
        .unwrap();
    pair.emit(1, 1).await;
    let wanted = vec![Subscription::new("sink.write_down", write_down)];
    let sink = pair.start_sink(wanted, vec![], vec![]).await;
    let source = pair.start_source().await;
    pair.settle(&source, &sink).await;
    assert_eq!(pair.effects().await, [(1, 1)]);
    let dead = dead_letters(&pair.source, Some("bus.refused"), 10).await.unwrap();
    let reason = dead[0].last_error.clone().unwrap();
    assert!(
        dead.len() == 1 && reason.contains("its key has 6000 bytes"),
        "{dead:?}"
    );
}
