//! When it is sent: quiet hours, digests, throttles.

use std::time::Duration;

use serde_json::json;
use stoa_auth_api::testing::FakeAuth;
use stoa_db::db_test;
use stoa_notifications_api::NotificationRequested;
use stoa_testkit::{TestApp, eventually};

use crate::{
    helpers::{App, counts, deliveries, notify, person, rows, shipped, stands, steps, titles},
    preferences::choose,
};

const HOUR: u64 = 3600;

/// The time of day in UTC, so many hours from now.
fn in_hours(app: &TestApp, hours: u64) -> String {
    let time = app.clock().after(Duration::from_secs(hours * HOUR)).to_string();
    time[11..16].to_owned()
}

#[db_test]
async fn quiet_hours_hold_mails_until_they_end_and_nothing_that_is_critical(app: App) {
    let ada = person(&app, "ada");
    let hours = json!({"from": in_hours(&app, 22), "until": in_hours(&app, 2)});
    choose(&app, ada, &json!({"choices": [], "quiet_hours": hours}))
        .await
        .expect(200);
    shipped(&app, ada, "1").await;
    notify(&app, "shop.alarm", ada, json!({})).await;
    let mails = app.mails().await;
    assert_eq!((mails.len(), &*mails[0].subject), (1, "Fire"));
    assert_eq!(
        titles(&app, ada, "").await,
        ["Fire", "Order 1"],
        "the inbox makes no sound"
    );
    let held = &deliveries(&app, ada).await[1];
    assert_eq!(
        (stands(held, "email"), steps(held, "email")),
        (("waiting".into(), "held".into()), vec!["held".to_owned()])
    );
    app.advance(Duration::from_secs(2 * HOUR + 60)).await;
    eventually("it is sent when they end", async || app.mails().await.len() == 2).await;
    app.settle().await;
    assert_eq!(steps(&deliveries(&app, ada).await[1], "email"), ["held", "sent"]);
}

#[db_test]
async fn what_is_held_is_not_sent_to_who_switches_it_off_meanwhile(app: App) {
    let ada = person(&app, "ada");
    let hours = json!({"from": in_hours(&app, 22), "until": in_hours(&app, 2)});
    choose(&app, ada, &json!({"choices": [], "quiet_hours": hours}))
        .await
        .expect(200);
    shipped(&app, ada, "1").await;
    let off = json!({"category": "orders", "channel": "email", "delivery": "off"});
    choose(&app, ada, &json!({"choices": [off]})).await.expect(200);
    app.advance(Duration::from_secs(3 * HOUR)).await;
    let ended = async || steps(&deliveries(&app, ada).await[0], "email").len() == 2;
    eventually("it is decided anew", ended).await;
    assert_eq!(
        steps(&deliveries(&app, ada).await[0], "email"),
        ["held", "switched_off"]
    );
    assert!(app.mails().await.is_empty());
}

#[db_test]
async fn a_digest_holds_all_of_its_time_in_one_mail(app: App) {
    let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
    for user in [ada, bob] {
        let hourly = json!({"category": "orders", "channel": "email", "delivery": "hourly"});
        choose(&app, user, &json!({"choices": [hourly]}))
            .await
            .expect(200);
    }
    for order in ["1", "2 <b>"] {
        shipped(&app, ada, order).await;
    }
    shipped(&app, bob, "3").await;
    notify(&app, "shop.broken", ada, json!({})).await;
    assert!(app.mails().await.is_empty());
    assert_eq!(counts(&app, ada).await.0, 2);
    assert_eq!(rows(&app, "digests").await, 2, "one each");
    app.advance(Duration::from_secs(HOUR)).await;
    eventually("both are sent", async || app.mails().await.len() == 2).await;
    app.settle().await;
    let mails = app.mails().await;
    let mail = mails.iter().find(|mail| mail.to == "ada@example.com").unwrap();
    assert_eq!(mail.subject, "2 notifications from Stoa");
    let text = &mail.text;
    assert!(
        text.contains("* Your order 1 was shipped") && text.contains("* Your order 2 <b> was shipped"),
        "{text}"
    );
    assert!(text.contains("/orders/1"), "{text}");
    assert!(
        mail.html
            .as_ref()
            .unwrap()
            .contains("Your order 2 &lt;b&gt; was shipped")
    );
    let all = deliveries(&app, ada).await;
    assert_eq!(
        steps(&all[0], "email"),
        ["digested", "template_broken"],
        "one that is broken keeps no other back"
    );
    assert_eq!(steps(&all[1], "email"), ["digested", "sent"]);
    assert_eq!(
        mails
            .iter()
            .find(|mail| mail.to == "bob@example.com")
            .unwrap()
            .subject,
        "1 notification from Stoa"
    );
    // What comes later is of the next.
    shipped(&app, ada, "4").await;
    assert_eq!(app.mails().await.len(), 2);
    app.advance(Duration::from_secs(HOUR)).await;
    eventually("the next is sent", async || app.mails().await.len() == 3).await;
}

#[db_test]
async fn a_digest_that_could_not_be_sent_is_sent_once_later(app: App) {
    let ada = person(&app, "ada");
    let hourly = json!({"category": "orders", "channel": "email", "delivery": "hourly"});
    choose(&app, ada, &json!({"choices": [hourly]})).await.expect(200);
    for order in ["1", "2"] {
        shipped(&app, ada, order).await;
    }
    let auth: &FakeAuth = app.stand_in();
    auth.contacts_away(true);
    app.clock().advance(Duration::from_secs(HOUR));
    let failed = async || steps(&deliveries(&app, ada).await[0], "email").len() > 1;
    eventually("the first attempt has failed", failed).await;
    // One that comes between the attempts is not of it.
    shipped_while_away(&app, ada).await;
    auth.contacts_away(false);
    app.clock().advance(Duration::from_secs(60));
    eventually("the next one sends it", async || app.mails().await.len() == 1).await;
    assert_eq!(app.mails().await[0].subject, "2 notifications from Stoa");
}

async fn shipped_while_away(app: &TestApp, user: stoa_kernel::UserId) {
    let before = rows(app, "deliveries").await;
    let event = NotificationRequested::to("order.shipped", user, json!({"order": "late"}));
    app.emit(&event).await;
    eventually("it is put into the next", async || {
        rows(app, "deliveries").await > before
    })
    .await;
}

#[db_test]
async fn many_make_several_mails_of_one_digest(app: App) {
    let ada = person(&app, "ada");
    let daily = json!({"category": "orders", "channel": "email", "delivery": "daily"});
    choose(&app, ada, &json!({"choices": [daily]})).await.expect(200);
    for number in 0..120 {
        let data = json!({"much": format!("n{number}")});
        app.emit(&NotificationRequested::to("shop.broken", ada, data))
            .await;
    }
    app.settle().await;
    assert_eq!((app.mails().await.len(), rows(&app, "digests").await), (0, 1));
    app.advance(Duration::from_secs(24 * HOUR)).await;
    eventually("all are sent", async || app.mails().await.len() == 3).await;
    app.settle().await;
    let mut subjects: Vec<_> = app.mails().await.into_iter().map(|mail| mail.subject).collect();
    subjects.sort();
    assert_eq!(
        subjects,
        [
            "20 notifications from Stoa",
            "50 notifications from Stoa",
            "50 notifications from Stoa"
        ]
    );
}

#[db_test]
async fn of_one_type_somebody_gets_so_many_within_a_time(app: App) {
    let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
    for order in 1..=5 {
        shipped(&app, ada, &order.to_string()).await;
    }
    shipped(&app, bob, "6").await;
    assert_eq!(app.mails().await.len(), 4);
    assert_eq!(counts(&app, ada).await, (5, 5), "the inbox has them all");
    let all = deliveries(&app, ada).await;
    assert_eq!(steps(&all[0], "email"), ["throttled"]);
    assert_eq!(stands(&all[2], "email"), ("sent".into(), "sent".into()));
    app.advance(Duration::from_secs(HOUR + 1)).await;
    shipped(&app, ada, "7").await;
    assert_eq!(app.mails().await.len(), 5);
}

#[db_test]
async fn a_throttle_holds_also_for_many_at_once(app: App) {
    let ada = person(&app, "ada");
    for order in 0..12 {
        let event = NotificationRequested::to("order.shipped", ada, json!({"order": order}));
        app.emit(&event).await;
    }
    app.settle().await;
    assert_eq!((app.mails().await.len(), counts(&app, ada).await), (3, (12, 12)));
}

#[db_test]
async fn a_jump_of_the_clock_sends_nothing_before_its_time(app: App) {
    const JUMP: Duration = Duration::from_secs(400 * 24 * HOUR);
    let (ada, bob, eve) = (person(&app, "ada"), person(&app, "bob"), person(&app, "eve"));
    let hours = json!({"from": in_hours(&app, 22), "until": in_hours(&app, 2)});
    choose(&app, ada, &json!({"choices": [], "quiet_hours": hours}))
        .await
        .expect(200);
    let hourly = json!({"category": "orders", "channel": "email", "delivery": "hourly"});
    choose(&app, bob, &json!({"choices": [hourly]})).await.expect(200);
    for user in [ada, bob] {
        shipped(&app, user, "1").await;
    }
    let mut event = NotificationRequested::to("order.shipped", eve, json!({"order": "2"}));
    event.send_at = Some(app.clock().after(Duration::from_secs(30 * 24 * HOUR)));
    app.emit(&event).await;
    app.settle().await;
    app.clock().jump(JUMP);
    // The worker is woken, and finds all of it due.
    app.emit(&NotificationRequested::to("shop.alarm", ada, json!({})))
        .await;
    let alarmed = async || app.mails().await.iter().any(|mail| mail.subject == "Fire");
    eventually("the worker has looked", alarmed).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    app.clock().set_back(JUMP);
    app.settle().await;
    assert_eq!(app.mails().await.len(), 1);
    app.clock().advance(Duration::from_secs(3 * HOUR));
    eventually("what was held and the digest", async || {
        app.mails().await.len() == 3
    })
    .await;
    app.clock().advance(Duration::from_secs(30 * 24 * HOUR));
    eventually("what was scheduled", async || app.mails().await.len() == 4).await;
}
