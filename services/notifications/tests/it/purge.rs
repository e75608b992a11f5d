//! What is kept no longer is deleted.

use std::time::Duration;

use stoa_db::db_test;
use stoa_kernel::Period;
use stoa_testkit::eventually;

use crate::helpers::{builder, counts, person, rows, shipped};

const DAY: u64 = 24 * 3600;

stoa_testkit::app!(
    Short,
    builder(|config| {
        config.history_keep = Period(Duration::from_secs(10 * DAY));
        config.inbox_keep = Period(Duration::from_secs(20 * DAY));
    })
);

#[db_test]
async fn the_history_goes_first_and_the_inbox_later_and_is_counted(app: Short) {
    let ada = person(&app, "ada");
    for order in ["1", "2"] {
        shipped(&app, ada, order).await;
    }
    app.clock().advance(Duration::from_secs(11 * DAY));
    shipped(&app, ada, "3").await;
    eventually("the old history is gone", async || {
        rows(&app, "deliveries").await == 1
    })
    .await;
    eventually("its notifications too", async || {
        rows(&app, "notifications").await == 1
    })
    .await;
    assert_eq!((rows(&app, "sends").await, rows(&app, "inbox").await), (2, 3));
    app.clock().advance(Duration::from_secs(10 * DAY));
    shipped(&app, ada, "4").await;
    eventually("what is old in the inbox is gone", async || {
        rows(&app, "inbox").await == 2
    })
    .await;
    assert_eq!(counts(&app, ada).await, (2, 2));
}
