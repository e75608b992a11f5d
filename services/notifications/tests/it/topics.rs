//! Topics that people follow.

use serde_json::{Value, json};
use stoa_auth_api::events::UserErased;
use stoa_db::db_test;
use stoa_kernel::UserId;
use stoa_notifications_api::NotificationRequested;
use stoa_testkit::{Answer, TestApp, assert_problem};

use crate::helpers::{App, builder, counts, operator, person, rows};

stoa_testkit::app!(Few, builder(|config| config.topics_max = 2));

async fn follow(app: &TestApp, user: UserId, topic: &str) -> Answer {
    let path = format!("/api/v1/notifications/topics/{topic}/follow");
    app.post(&path).bearer(&app.token(user, &[])).send().await
}

async fn unfollow(app: &TestApp, user: UserId, topic: &str) -> Answer {
    let path = format!("/api/v1/notifications/topics/{topic}/follow");
    app.delete(&path).bearer(&app.token(user, &[])).send().await
}

async fn topics(app: &TestApp, user: UserId) -> Vec<Value> {
    let path = "/api/v1/notifications/topics";
    let page = app
        .get(path)
        .bearer(&app.token(user, &[]))
        .send()
        .await
        .expect(200)
        .value();
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["topic"].clone())
        .collect()
}

#[db_test]
async fn everybody_who_follows_a_topic_gets_what_is_sent_to_it(app: App) {
    let users: Vec<UserId> = (0..120)
        .map(|number| person(&app, &format!("p{number}")))
        .collect();
    for user in &users {
        follow(&app, *user, "release-notes").await.expect(204);
    }
    follow(&app, users[0], "release-notes").await.expect(204);
    follow(&app, users[0], "other").await.expect(204);
    unfollow(&app, users[1], "release-notes").await.expect(204);
    unfollow(&app, users[1], "release-notes").await.expect(204);
    assert_eq!(topics(&app, users[0]).await, ["other", "release-notes"]);
    assert!(topics(&app, users[1]).await.is_empty());
    app.emit(&NotificationRequested::to_topic(
        "shop.news",
        "release-notes",
        json!({}),
    ))
    .await;
    app.settle().await;
    assert_eq!(rows(&app, "deliveries").await, 119);
    assert_eq!(
        (counts(&app, users[0]).await, counts(&app, users[1]).await),
        ((1, 1), (0, 0))
    );
    let body = json!({"type": "shop.news", "topic": "release-notes"});
    let sent = app
        .post("/api/v1/notifications/send")
        .bearer(&operator(&app))
        .json(&body)
        .send()
        .await;
    sent.expect(202);
    app.settle().await;
    assert_eq!(rows(&app, "deliveries").await, 238);
    app.emit(&UserErased { user_id: users[0] }).await;
    app.settle().await;
    assert_eq!(rows(&app, "followers").await, 118);
}

#[db_test]
async fn there_is_room_for_so_many_also_when_all_come_at_once(app: Few) {
    let ada = person(&app, "ada");
    let calls = (0..8).map(|number| {
        let app = &app;
        async move { follow(app, ada, &format!("topic-{number}")).await }
    });
    let answers = futures::future::join_all(calls).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status() == 204);
    assert_eq!(made.len(), 2);
    for answer in refused {
        assert_problem(answer, 409, "topics_full", &[]);
    }
    assert_eq!(topics(&app, ada).await.len(), 2);
}

#[db_test]
async fn what_is_no_topic_is_refused(app: App) {
    let ada = person(&app, "ada");
    for topic in ["Release", "a%20b", "%C3%A9", &"x".repeat(101)] {
        assert_problem(&follow(&app, ada, topic).await, 422, "invalid_input", &["topic"]);
    }
    let answer = app.post("/api/v1/notifications/topics/news/follow").send().await;
    assert_problem(&answer, 401, "unauthenticated", &[]);
    for body in [
        json!({"type": "shop.news", "topic": "a", "users": [ada]}),
        json!({"type": "shop.news"}),
    ] {
        let answer = app
            .post("/api/v1/notifications/send")
            .bearer(&operator(&app))
            .json(&body)
            .send()
            .await;
        assert_problem(&answer, 422, "invalid_input", &["users"]);
    }
    let body = json!({"type": "shop.news", "topic": "A B"});
    let answer = app
        .post("/api/v1/notifications/send")
        .bearer(&operator(&app))
        .json(&body)
        .send()
        .await;
    assert_problem(&answer, 422, "invalid_input", &["topic"]);
}
