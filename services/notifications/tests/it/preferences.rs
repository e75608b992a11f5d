//! How people say how they want to be told.

use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_kernel::UserId;
use stoa_testkit::{Answer, TestApp, assert_problem};
use stoa_users_api::events::PreferenceChanged;

use crate::helpers::{App, counts, deliveries, notify, person, shipped, stands, steps, titles};

const PREFERENCES: &str = "/api/v1/notifications/preferences";

pub(crate) async fn choose(app: &TestApp, user: UserId, body: &Value) -> Answer {
    app.put(PREFERENCES)
        .bearer(&app.token(user, &[]))
        .json(body)
        .send()
        .await
}

pub(crate) async fn set_preference(app: &TestApp, user: UserId, key: &str, value: Option<Value>) {
    app.emit(&PreferenceChanged {
        user_id: user,
        key: key.to_owned(),
        deleted: value.is_none(),
        value,
    })
    .await;
    app.settle().await;
}

async fn read(app: &TestApp, user: UserId) -> Value {
    let answer = app.get(PREFERENCES).bearer(&app.token(user, &[])).send().await;
    answer.expect(200).value()
}

fn choice<'a>(all: &'a Value, category: &str, channel: &str) -> &'a Value {
    let choices = all["choices"].as_array().unwrap();
    let found = choices
        .iter()
        .find(|one| one["category"] == category && one["channel"] == channel);
    found.unwrap()
}

#[db_test]
async fn an_answer_says_where_it_comes_from(app: App) {
    let ada = person(&app, "ada");
    let all = read(&app, ada).await;
    let names: Vec<_> = all["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{} {}",
                one["category"].as_str().unwrap(),
                one["channel"].as_str().unwrap()
            )
        })
        .collect();
    // What is critical cannot be chosen for.
    assert_eq!(
        names,
        [
            "account in_app",
            "account email",
            "news in_app",
            "orders in_app",
            "orders email"
        ]
    );
    assert_eq!(choice(&all, "orders", "email")["delivery"], "at_once");
    assert_eq!(choice(&all, "orders", "email")["source"], "default");
    assert_eq!(
        (&all["quiet_hours"], &all["digest_at"], &all["timezone"]),
        (&json!(null), &json!("08:00"), &json!("UTC"))
    );
    let body = json!({
        "choices": [{"category": "orders", "channel": "email", "delivery": "daily"}],
        "quiet_hours": {"from": "22:00", "until": "07:30"}, "digest_at": "18:15",
    });
    let set = choose(&app, ada, &body).await.expect(200);
    let all = set.value();
    assert_eq!(
        (
            &choice(&all, "orders", "email")["delivery"],
            &choice(&all, "orders", "email")["source"]
        ),
        (&json!("daily"), &json!("person"))
    );
    assert_eq!(choice(&all, "orders", "in_app")["source"], "default");
    assert_eq!(
        (&all["quiet_hours"], &all["digest_at"]),
        (&body["quiet_hours"], &body["digest_at"])
    );
    assert_eq!(read(&app, ada).await, all);
    set_preference(&app, ada, "timezone", Some(json!("Europe/Athens"))).await;
    set_preference(&app, ada, "language", Some(json!("el"))).await;
    let after = read(&app, ada).await;
    assert_eq!(
        (&after["timezone"], &after["language"]),
        (&json!("Europe/Athens"), &json!("el"))
    );
    set_preference(&app, ada, "timezone", None).await;
    assert_eq!(read(&app, ada).await["timezone"], "UTC");
    // Another choice takes the place of all.
    let all = choose(&app, ada, &json!({"choices": []}))
        .await
        .expect(200)
        .value();
    assert_eq!(
        (&choice(&all, "orders", "email")["source"], &all["quiet_hours"]),
        (&json!("default"), &json!(null))
    );
    assert_eq!(app.audited("notification_preferences.set").await.len(), 2);
}

#[db_test]
async fn a_choice_is_made_only_over_what_was_read(app: App) {
    let ada = person(&app, "ada");
    let set = choose(&app, ada, &json!({"choices": []})).await.expect(200);
    let tag = set.header("etag").unwrap().to_owned();
    let with = async |tag: &str| {
        app.put(PREFERENCES)
            .bearer(&app.token(ada, &[]))
            .header("if-match", tag)
            .json(&json!({"choices": []}))
            .send()
            .await
    };
    with(&tag).await.expect(200);
    assert_problem(&with(&tag).await, 412, "precondition_failed", &[]);
}

#[db_test]
async fn what_is_switched_off_is_not_sent_and_what_is_critical_is(app: App) {
    let ada = person(&app, "ada");
    let off = |channel: &str| json!({"category": "orders", "channel": channel, "delivery": "off"});
    choose(&app, ada, &json!({"choices": [off("email"), off("in_app")]}))
        .await
        .expect(200);
    shipped(&app, ada, "1").await;
    let all = deliveries(&app, ada).await;
    for channel in ["email", "in_app"] {
        assert_eq!(
            stands(&all[0], channel),
            ("skipped".into(), "switched_off".into())
        );
        assert_eq!(steps(&all[0], channel), ["switched_off"]);
    }
    assert_eq!((app.mails().await.len(), counts(&app, ada).await), (0, (0, 0)));
    notify(&app, "shop.alarm", ada, json!({})).await;
    assert_eq!(
        (app.mails().await.len(), titles(&app, ada, "").await),
        (1, vec!["Fire".to_owned()])
    );
}

#[db_test]
async fn who_wants_no_mails_gets_critical_ones_alone(app: App) {
    let ada = person(&app, "ada");
    set_preference(&app, ada, "email_notifications", Some(json!(false))).await;
    shipped(&app, ada, "1").await;
    assert_eq!(steps(&deliveries(&app, ada).await[0], "email"), ["mails_off"]);
    assert_eq!(counts(&app, ada).await, (1, 1));
    notify(&app, "shop.alarm", ada, json!({})).await;
    assert_eq!(app.mails().await.len(), 1);
    set_preference(&app, ada, "email_notifications", None).await;
    shipped(&app, ada, "2").await;
    assert_eq!(app.mails().await.len(), 2);
}

#[db_test]
async fn what_cannot_be_chosen_is_refused(app: App) {
    let ada = person(&app, "ada");
    let one = |category: &str, channel: &str, delivery: &str| json!({"choices": [{"category": category, "channel": channel, "delivery": delivery}]});
    for (body, field) in [
        (json!({}), "choices"),
        (one("no.such", "email", "off"), "choices[0]"),
        (one("security", "email", "off"), "choices[0]"),
        (one("news", "email", "off"), "choices[0]"),
        (one("orders", "pigeon", "off"), "choices[0]"),
        (one("orders", "in_app", "daily"), "choices[0]"),
        (one("orders", "email", "never"), "choices[0].delivery"),
        (
            json!({"choices": [], "quiet_hours": {"from": "25:00", "until": "07:00"}}),
            "quiet_hours.from",
        ),
        (
            json!({"choices": [], "quiet_hours": {"from": "07:00", "until": "07:00"}}),
            "quiet_hours.until",
        ),
        (json!({"choices": [], "digest_at": "8"}), "digest_at"),
        (json!({"choices": [], "color": 1}), "color"),
    ] {
        assert_problem(&choose(&app, ada, &body).await, 422, "invalid_input", &[field]);
    }
    assert_problem(&app.get(PREFERENCES).send().await, 401, "unauthenticated", &[]);
    let key = app.api_key(ada, &["notification_preferences.read"]);
    app.get(PREFERENCES).api_key(&key).send().await.expect(200);
    let answer = app
        .put(PREFERENCES)
        .api_key(&key)
        .json(&json!({"choices": []}))
        .send()
        .await;
    assert_problem(&answer, 403, "forbidden", &[]);
}
