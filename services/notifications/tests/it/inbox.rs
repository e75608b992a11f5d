//! What people find in their inbox, and what they do with it.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_db::{db_test, testing::Statements};
use stoa_kernel::UserId;
use stoa_testkit::{Answer, TestApp, assert_problem};

use crate::helpers::{App, builder, counts, inbox, notify, person, shipped, titles};

stoa_testkit::app!(Small, builder(|config| config.inbox_max = 3));

async fn change(app: &TestApp, user: UserId, id: &str, body: Value) -> Answer {
    app.patch(&format!("/api/v1/notifications/{id}"))
        .bearer(&app.token(user, &[]))
        .json(&body)
        .send()
        .await
}

async fn id_of(app: &TestApp, user: UserId, title: &str) -> String {
    let items = inbox(app, user, "").await;
    let found = items.iter().find(|item| item["title"] == title).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

#[db_test]
async fn an_inbox_is_newest_first_and_ones_own(app: App) {
    let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
    for order in ["1", "2", "3"] {
        shipped(&app, ada, order).await;
    }
    shipped(&app, bob, "4").await;
    notify(&app, "shop.news", ada, json!({})).await;
    assert_eq!(
        titles(&app, ada, "").await,
        ["News", "Order 3", "Order 2", "Order 1"]
    );
    assert_eq!(titles(&app, bob, "").await, ["Order 4"]);
    assert_eq!(
        titles(&app, ada, "&category=orders").await,
        ["Order 3", "Order 2", "Order 1"]
    );
    assert_eq!(inbox(&app, ada, "").await[1]["link"], "/orders/3");
    assert_eq!(
        (counts(&app, ada).await, counts(&app, bob).await),
        ((4, 4), (1, 1))
    );
    let id = id_of(&app, bob, "Order 4").await;
    assert_problem(
        &change(&app, ada, &id, json!({"read": true})).await,
        404,
        "not_found",
        &[],
    );
    assert_eq!(counts(&app, bob).await, (1, 1));
    let page = app
        .get("/api/v1/notifications?limit=3")
        .bearer(&app.token(ada, &[]))
        .send()
        .await
        .expect(200)
        .value();
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(titles(&app, ada, &format!("&cursor={cursor}")).await, ["Order 1"]);
}

#[db_test]
async fn what_is_read_archived_or_snoozed_is_counted_so(app: App) {
    let ada = person(&app, "ada");
    for order in ["1", "2", "3"] {
        shipped(&app, ada, order).await;
    }
    let ids = [
        id_of(&app, ada, "Order 1").await,
        id_of(&app, ada, "Order 2").await,
        id_of(&app, ada, "Order 3").await,
    ];
    let read = change(&app, ada, &ids[0], json!({"read": true}))
        .await
        .expect(200)
        .value();
    assert_eq!(
        (&read["read"], &read["archived"], &read["snoozed_until"]),
        (&json!(true), &json!(false), &json!(null))
    );
    assert_eq!(counts(&app, ada).await, (2, 3));
    assert_eq!(titles(&app, ada, "&unread=true").await, ["Order 3", "Order 2"]);
    assert_eq!(titles(&app, ada, "&unread=false").await, ["Order 1"]);
    change(&app, ada, &ids[1], json!({"archived": true}))
        .await
        .expect(200);
    assert_eq!(counts(&app, ada).await, (1, 3));
    assert_eq!(titles(&app, ada, "&archived=true").await, ["Order 2"]);
    assert_eq!(titles(&app, ada, "").await, ["Order 3", "Order 1"]);
    // Twice the same counts once.
    for _ in 0..2 {
        change(&app, ada, &ids[0], json!({"read": false}))
            .await
            .expect(200);
        change(&app, ada, &ids[1], json!({"archived": false}))
            .await
            .expect(200);
    }
    assert_eq!(counts(&app, ada).await, (3, 3));
    let read_all = app
        .post("/api/v1/notifications/read-all")
        .bearer(&app.token(ada, &[]))
        .send()
        .await;
    read_all.expect(204);
    assert_eq!(counts(&app, ada).await, (0, 3));
    assert!(titles(&app, ada, "&unread=true").await.is_empty());
}

#[db_test]
async fn what_is_snoozed_comes_back_unread_at_its_time(app: App) {
    let ada = person(&app, "ada");
    shipped(&app, ada, "1").await;
    let id = id_of(&app, ada, "Order 1").await;
    let at = |seconds: u64| app.clock().after(Duration::from_secs(seconds)).to_string();
    change(&app, ada, &id, json!({"snoozed_until": at(3600), "read": true}))
        .await
        .expect(200);
    assert!(titles(&app, ada, "").await.is_empty());
    assert_eq!(titles(&app, ada, "&snoozed=true").await, ["Order 1"]);
    assert_eq!(counts(&app, ada).await, (0, 1));
    // Put off once more: the first time does nothing.
    change(&app, ada, &id, json!({"snoozed_until": at(7200)}))
        .await
        .expect(200);
    app.advance(Duration::from_secs(3700)).await;
    assert!(titles(&app, ada, "").await.is_empty());
    app.advance(Duration::from_secs(3700)).await;
    let shown = async || titles(&app, ada, "&unread=true").await == ["Order 1"];
    stoa_testkit::eventually("it is shown again", shown).await;
    assert_eq!(counts(&app, ada).await, (1, 1));
    // Null shows it at once.
    change(&app, ada, &id, json!({"snoozed_until": at(3600)}))
        .await
        .expect(200);
    assert_eq!(counts(&app, ada).await, (0, 1));
    change(&app, ada, &id, json!({"snoozed_until": null}))
        .await
        .expect(200);
    assert_eq!(counts(&app, ada).await, (1, 1));
    for wrong in [
        json!("2020-01-01T00:00:00Z"),
        json!(at(400 * 24 * 3600)),
        json!("soon"),
        json!(1),
    ] {
        let answer = change(&app, ada, &id, json!({"snoozed_until": wrong})).await;
        assert_problem(&answer, 422, "invalid_input", &["snoozed_until"]);
    }
}

#[db_test]
async fn an_inbox_holds_so_many_and_the_oldest_go(app: Small) {
    let ada = person(&app, "ada");
    for order in ["1", "2", "3"] {
        shipped(&app, ada, order).await;
    }
    let id = id_of(&app, ada, "Order 1").await;
    change(&app, ada, &id, json!({"read": true})).await.expect(200);
    for order in ["4", "5"] {
        shipped(&app, ada, order).await;
    }
    assert_eq!(titles(&app, ada, "").await, ["Order 5", "Order 4", "Order 3"]);
    assert_eq!(counts(&app, ada).await, (3, 3));
}

#[db_test]
async fn changes_at_once_are_counted_each(app: App) {
    let ada = person(&app, "ada");
    for order in 0..8 {
        shipped(&app, ada, &order.to_string()).await;
    }
    let items = inbox(&app, ada, "").await;
    let changes = items.iter().map(|item| {
        let id = item["id"].as_str().unwrap().to_owned();
        let app = &app;
        async move {
            for read in [true, false, true] {
                change(app, ada, &id, json!({"read": read})).await.expect(200);
            }
        }
    });
    futures::future::join_all(changes).await;
    assert_eq!(counts(&app, ada).await, (0, 8));
}

#[db_test]
async fn what_is_no_change_is_refused_and_so_are_strangers(app: App) {
    let ada = person(&app, "ada");
    shipped(&app, ada, "1").await;
    let id = id_of(&app, ada, "Order 1").await;
    assert_problem(
        &change(&app, ada, &id, json!({"read": "yes"})).await,
        422,
        "invalid_input",
        &["read"],
    );
    assert_problem(
        &change(&app, ada, &id, json!({"color": 1})).await,
        422,
        "invalid_input",
        &["color"],
    );
    assert_problem(
        &change(&app, ada, "nonsense", json!({})).await,
        404,
        "not_found",
        &[],
    );
    for path in ["/api/v1/notifications", "/api/v1/notifications/count"] {
        assert_problem(&app.get(path).send().await, 401, "unauthenticated", &[]);
        let key = app.api_key(ada, &["profile.read"]);
        assert_problem(&app.get(path).api_key(&key).send().await, 403, "forbidden", &[]);
        let key = app.api_key(ada, &["inbox.read"]);
        app.get(path).api_key(&key).send().await.expect(200);
    }
    for query in ["limit=0", "cursor=x", "unread=maybe", "color=red"] {
        let answer = app
            .get(&format!("/api/v1/notifications?{query}"))
            .bearer(&app.token(ada, &[]))
            .send()
            .await;
        let field = query.split('=').next().unwrap();
        assert_problem(&answer, 422, "invalid_input", &[field]);
    }
}

#[db_test]
async fn what_is_deleted_is_gone_and_counted_so_and_only_ones_own(app: App) {
    let (ada, eve) = (person(&app, "ada"), person(&app, "eve"));
    for order in ["1", "2"] {
        shipped(&app, ada, order).await;
    }
    let ids: Vec<String> = inbox(&app, ada, "")
        .await
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect();
    let delete = async |user: UserId, id: &str| {
        let call = app.delete(&format!("/api/v1/notifications/{id}"));
        call.bearer(&app.token(user, &[])).send().await
    };
    assert_problem(&delete(eve, &ids[0]).await, 404, "not_found", &[]);
    delete(ada, &ids[0]).await.expect(204);
    assert_problem(&delete(ada, &ids[0]).await, 404, "not_found", &[]);
    assert_eq!(
        (counts(&app, ada).await, titles(&app, ada, "").await),
        ((1, 1), vec!["Order 1".to_owned()])
    );
    let key = app.api_key(ada, &["inbox.read"]);
    let call = app
        .delete(&format!("/api/v1/notifications/{}", ids[1]))
        .api_key(&key);
    assert_problem(&call.send().await, 403, "forbidden", &[]);
    let read = app
        .patch(&format!("/api/v1/notifications/{}", ids[1]))
        .bearer(&app.token(ada, &[]));
    read.json(&json!({"read": true})).send().await.expect(200);
    delete(ada, &ids[1]).await.expect(204);
    assert_eq!(counts(&app, ada).await, (0, 0));
}

#[db_test]
async fn no_flood_of_others_takes_what_is_critical_away(app: Small) {
    let statements = Statements::of(app.db());
    let ada = person(&app, "ada");
    notify(&app, "shop.alarm", ada, json!({})).await;
    for order in ["1", "2", "3", "4"] {
        shipped(&app, ada, order).await;
    }
    assert_eq!(titles(&app, ada, "").await, ["Order 4", "Order 3", "Fire"]);
    // A critical one takes the place of another.
    notify(&app, "shop.alarm", ada, json!({})).await;
    assert_eq!(titles(&app, ada, "").await, ["Fire", "Order 4", "Fire"]);
    // There is a bound for critical ones too, so that they do not keep all others out.
    notify(&app, "shop.alarm", ada, json!({})).await;
    assert_eq!(titles(&app, ada, "").await, ["Fire", "Fire", "Order 4"]);
    assert_eq!(counts(&app, ada).await, (3, 3));
    shipped(&app, ada, "5").await;
    assert_eq!(titles(&app, ada, "").await, ["Order 5", "Fire", "Fire"]);
    assert_eq!(counts(&app, ada).await, (3, 3));
    for makes_room in [
        "AND NOT is_critical ORDER BY id",
        "AND is_critical ORDER BY id DESC",
    ] {
        assert!(statements.any(makes_room), "{makes_room}");
    }
    let mut waste = statements.waste(app.db()).await;
    waste.retain(|one| one.sql.contains("is_critical ORDER BY"));
    assert!(waste.is_empty(), "{waste:#?}");
}
