//! The steps that led to what was sent and what was not.

use serde_json::json;
use stoa_auth_api::testing::FakeAuth;
use stoa_db::db_test;
use stoa_testkit::{assert_problem, eventually};

use crate::helpers::{App, deliveries, notify, operator, person, shipped, stands, steps};

#[db_test]
async fn why_somebody_got_no_mail_is_said_in_words(app: App) {
    let auth: &FakeAuth = app.stand_in();
    let (nobody, unverified, disabled) = (app.new_user(), app.new_user(), person(&app, "eve"));
    auth.contact(unverified, "ada@example.com", false);
    auth.disable(disabled);
    for (user, code) in [
        (nobody, "no_account"),
        (unverified, "address_unverified"),
        (disabled, "account_disabled"),
    ] {
        shipped(&app, user, "1").await;
        let all = deliveries(&app, user).await;
        assert_eq!(stands(&all[0], "email"), ("skipped".into(), code.into()));
        assert_eq!(steps(&all[0], "email"), ["queued", code]);
        assert_eq!(steps(&all[0], "in_app"), ["shown"]);
        let text = all[0]["steps"][2]["text"].as_str().unwrap();
        assert!(text.starts_with("Not sent: "), "{text}");
    }
    assert!(app.mails().await.is_empty());
    // What is critical is told to who cannot sign in as well.
    notify(&app, "shop.alarm", disabled, json!({})).await;
    assert_eq!(app.mails().await[0].to, "eve@example.com");
}

#[db_test]
async fn an_attempt_that_failed_is_made_again_and_each_is_a_step(app: App) {
    let ada = person(&app, "ada");
    let auth: &FakeAuth = app.stand_in();
    auth.contacts_away(true);
    let event =
        stoa_notifications_api::NotificationRequested::to("order.shipped", ada, json!({"order": "1"}));
    app.emit(&event).await;
    let failed = async || {
        let all = deliveries(&app, ada).await;
        !all.is_empty() && steps(&all[0], "email").len() > 1
    };
    eventually("the first attempt has failed", failed).await;
    let all = deliveries(&app, ada).await;
    assert_eq!(
        stands(&all[0], "email"),
        ("waiting".into(), "attempt_failed".into())
    );
    auth.contacts_away(false);
    app.advance(std::time::Duration::from_secs(60)).await;
    eventually("the next one sends it", async || app.mails().await.len() == 1).await;
    app.settle().await;
    let all = deliveries(&app, ada).await;
    let steps = steps(&all[0], "email");
    assert_eq!(
        (steps.first().unwrap().as_str(), steps.last().unwrap().as_str()),
        ("queued", "sent")
    );
    assert!(steps.contains(&"attempt_failed".to_owned()));
}

#[db_test]
async fn the_history_is_found_by_person_by_type_and_by_notification(app: App) {
    let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
    shipped(&app, ada, "1").await;
    shipped(&app, bob, "2").await;
    notify(&app, "shop.news", ada, json!({})).await;
    let token = operator(&app);
    let list = async |query: &str| {
        let path = format!("/api/v1/notifications/history?{query}");
        let page = app.get(&path).bearer(&token).send().await.expect(200).value();
        page["items"].as_array().unwrap().clone()
    };
    assert_eq!(list("").await.len(), 3);
    assert_eq!(list("type=order.shipped").await.len(), 2);
    assert_eq!(list(&format!("user_id={ada}")).await.len(), 2);
    let one = list(&format!("user_id={ada}&type=order.shipped")).await;
    assert_eq!(one.len(), 1);
    let notification = one[0]["notification_id"].as_str().unwrap();
    assert_eq!(list(&format!("notification_id={notification}")).await, one);
    let page = app
        .get("/api/v1/notifications/history?limit=2")
        .bearer(&token)
        .send()
        .await
        .expect(200)
        .value();
    let rest = list(&format!("cursor={}", page["next_cursor"].as_str().unwrap())).await;
    assert_eq!(rest.len(), 1);
    let answer = app
        .get("/api/v1/notifications/history")
        .bearer(&app.token(ada, &[]))
        .send()
        .await;
    assert_problem(&answer, 403, "forbidden", &[]);
}
