//! Asking for notifications: once each, to everybody who is named, when it is time.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use stoa_auth_api::testing::FakeAuth;
use stoa_db::{Engine, db_test};
use stoa_kernel::{OrganizationRole, UserId};
use stoa_notifications_api::NotificationRequested;
use stoa_testkit::{Answer, TestApp, assert_problem, eventually};

use crate::helpers::{App, counts, deliveries, one, operator, person, rows, stands, steps, titles};

const SEND: &str = "/api/v1/notifications/send";

async fn send(app: &TestApp, token: &str, body: &Value) -> Answer {
    app.post(SEND).bearer(token).json(body).send().await
}

async fn state(app: &TestApp, id: &str) -> (String, i64) {
    let path = format!("/api/v1/notifications/requests/{id}");
    let row = app
        .get(&path)
        .bearer(&operator(app))
        .send()
        .await
        .expect(200)
        .value();
    (
        row["state"].as_str().unwrap().to_owned(),
        row["recipients"].as_i64().unwrap(),
    )
}

#[db_test]
async fn an_operator_sends_and_it_is_written_down(app: App) {
    let ada = person(&app, "ada");
    let sender = app.new_user();
    let token = app.token(sender, &["notifications.send"]);
    let body = json!({"type": "order.shipped", "users": [ada, ada], "data": {"order": "A-1"}});
    let sent = send(&app, &token, &body).await.expect(202).value();
    assert_eq!(
        (&sent["type"], &sent["sender"]),
        (&json!("order.shipped"), &json!(format!("user:{sender}")))
    );
    app.settle().await;
    assert_eq!(
        state(&app, sent["id"].as_str().unwrap()).await,
        ("sent".to_owned(), 1)
    );
    let mails = app.mails().await;
    assert_eq!(
        (mails.len(), &*mails[0].subject),
        (1, "Your order A-1 was shipped")
    );
    assert!(
        mails[0]
            .html
            .as_ref()
            .unwrap()
            .contains("<p>Order <b>A-1</b> is on its way.</p>")
    );
    assert_eq!(titles(&app, ada, "").await, ["Order A-1"]);
    let entries = app.audited("notification.send").await;
    assert_eq!((entries.len(), entries[0].actor), (1, Some(sender)));
}

#[db_test]
async fn the_same_request_again_sends_nothing_more(app: App) {
    let ada = person(&app, "ada");
    let user = app.new_user();
    let body = json!({"type": "order.shipped", "users": [ada], "data": {"order": "A-1"}});
    let mut ids = BTreeSet::new();
    // Each by another session, so that what is done before the handler knows nothing of the others.
    for _ in 0..3 {
        let token = app.token(user, &["notifications.send"]);
        let answer = app
            .post(SEND)
            .bearer(&token)
            .idempotency_key("once")
            .json(&body)
            .send()
            .await;
        ids.insert(answer.expect(202).value()["id"].to_string());
    }
    assert_eq!(ids.len(), 1);
    let token = app.token(user, &["notifications.send"]);
    let other = json!({"type": "order.shipped", "users": [ada], "data": {"order": "A-2"}});
    let answer = app
        .post(SEND)
        .bearer(&token)
        .idempotency_key("once")
        .json(&other)
        .send()
        .await;
    assert_problem(&answer, 422, "idempotency_key_reused", &[]);
    // The key of somebody else is another.
    let answer = app
        .post(SEND)
        .bearer(&operator(&app))
        .idempotency_key("once")
        .json(&body)
        .send()
        .await;
    answer.expect(202);
    app.settle().await;
    assert_eq!(app.mails().await.len(), 2);
}

#[db_test]
async fn an_event_asks_once_by_its_key(app: App) {
    let ada = person(&app, "ada");
    let event = NotificationRequested::to("order.shipped", ada, json!({"order": "A-1"}));
    for _ in 0..3 {
        app.emit(&event).await;
    }
    app.settle().await;
    assert_eq!((app.mails().await.len(), counts(&app, ada).await), (1, (1, 1)));
}

#[db_test]
async fn an_event_that_nothing_can_be_made_of_is_put_aside(app: App) {
    let ada = person(&app, "ada");
    let mut long = NotificationRequested::to("order.shipped", ada, json!({}));
    long.idempotency_key = "x".repeat(256);
    app.emit(&long).await;
    app.emit(&NotificationRequested::to("order.shipped", ada, json!([])))
        .await;
    app.settle().await;
    let dead = stoa_events::dead_letters(app.db(), None, 10).await.unwrap();
    let mut reasons: Vec<_> = dead.iter().map(|letter| format!("{letter:?}")).collect();
    reasons.sort();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(
        reasons.iter().any(|why| why.contains("1 to 255 bytes")),
        "{reasons:?}"
    );
    assert!(
        reasons.iter().any(|why| why.contains("Expected an object")),
        "{reasons:?}"
    );
    assert_eq!(rows(&app, "notifications").await, 0);
}

/// As while a deploy goes on: the service that sends it is newer than this process.
#[db_test]
async fn a_type_that_is_not_known_yet_is_waited_for(app: App) {
    let ada = person(&app, "ada");
    app.emit(&NotificationRequested::to("no.such", ada, json!({})))
        .await;
    app.settle().await;
    let sql = "SELECT COUNT(*) FROM jobs WHERE queue = 'notifications.request' AND state = 'waiting' AND attempts = 1";
    assert_eq!(one::<i64>(app.db(), sql).await, 1, "the event is tried again");
    // A notification, and a mail that is held back, of which this process does not know the type when they are due.
    let at = app.clock().after(Duration::from_secs(3600));
    let body = json!({"type": "order.shipped", "users": [ada], "data": {"order": "A-1"}, "send_at": at});
    let sent = send(&app, &operator(&app), &body).await.expect(202).value();
    let id = sent["id"].as_str().unwrap();
    let rename = async |table: &str, kind: &str| {
        let sql = format!("UPDATE {table} SET type = $1");
        app.db().execute(&sql, &[&kind]).await.unwrap();
    };
    rename("notifications", "no.such").await;
    app.advance(Duration::from_secs(3700)).await;
    let sql = "SELECT COUNT(*) FROM jobs WHERE queue = 'notifications.fan_out' AND attempts > 0";
    let tried = async || one::<i64>(app.db(), sql).await == 1;
    eventually("it was tried", tried).await;
    assert_eq!(state(&app, id).await, ("scheduled".to_owned(), 0));
    rename("notifications", "order.shipped").await;
    let auth: &FakeAuth = app.stand_in();
    auth.contacts_away(true);
    app.clock().advance(Duration::from_secs(60));
    eventually("it goes out", async || state(&app, id).await.0 == "sent").await;
    app.settle().await;
    for table in ["deliveries", "sends"] {
        rename(table, "no.such").await;
    }
    auth.contacts_away(false);
    app.clock().advance(Duration::from_secs(60));
    app.settle().await;
    let sends = "SELECT state FROM sends WHERE channel = 'email'";
    assert_eq!(one::<String>(app.db(), sends).await, "waiting");
    for table in ["deliveries", "sends"] {
        rename(table, "order.shipped").await;
    }
    app.clock().advance(Duration::from_secs(600));
    eventually("the mail is sent", async || app.mails().await.len() == 1).await;
}

#[db_test]
async fn everybody_who_is_named_has_it_once_in_batches(app: App) {
    let users: Vec<UserId> = (0..130)
        .map(|number| person(&app, &format!("p{number}")))
        .collect();
    let body = json!({"type": "shop.news", "users": users});
    let sent = send(&app, &operator(&app), &body).await.expect(202).value();
    app.settle().await;
    assert_eq!(
        state(&app, sent["id"].as_str().unwrap()).await,
        ("sent".to_owned(), 130)
    );
    assert_eq!(
        (rows(&app, "deliveries").await, rows(&app, "inbox").await),
        (130, 130)
    );
    for user in [users[0], users[64], users[129]] {
        assert_eq!(counts(&app, user).await, (1, 1));
    }
}

#[db_test]
async fn what_is_scheduled_goes_out_at_its_time_and_not_when_it_is_cancelled(app: App) {
    let ada = person(&app, "ada");
    let token = operator(&app);
    let at = app.clock().after(Duration::from_secs(3600));
    let body = |order: &str| json!({"type": "order.shipped", "users": [ada], "data": {"order": order}, "send_at": at});
    let first = send(&app, &token, &body("1")).await.expect(202).value();
    let second = send(&app, &token, &body("2")).await.expect(202).value();
    let (first, second) = (first["id"].as_str().unwrap(), second["id"].as_str().unwrap());
    app.settle().await;
    assert_eq!(state(&app, first).await, ("scheduled".to_owned(), 0));
    assert!(app.mails().await.is_empty());
    let cancel = async |id: &str| {
        let path = format!("/api/v1/notifications/requests/{id}/cancel");
        app.post(&path).bearer(&token).send().await
    };
    let cancelled = cancel(second).await.expect(200).value();
    assert_eq!(
        (&cancelled["state"], &cancelled["stopped"]),
        (&json!("cancelled"), &json!(0))
    );
    assert_problem(&cancel(second).await, 409, "notification_over", &[]);
    app.advance(Duration::from_secs(3700)).await;
    let token = operator(&app);
    eventually("it is sent", async || state(&app, first).await.0 == "sent").await;
    app.settle().await;
    assert_eq!(titles(&app, ada, "").await, ["Order 1"]);
    assert_eq!(app.mails().await.len(), 1);
    let path = format!("/api/v1/notifications/requests/{first}/cancel");
    assert_problem(
        &app.post(&path).bearer(&token).send().await,
        409,
        "notification_over",
        &[],
    );
    assert_eq!(app.audited("notification.cancel").await.len(), 1);
}

#[db_test]
async fn a_text_that_lacks_its_data_is_told_and_holds_up_nothing(app: App) {
    let ada = person(&app, "ada");
    app.emit(&NotificationRequested::to("shop.broken", ada, json!({})))
        .await;
    app.settle().await;
    assert!(titles(&app, ada, "").await.is_empty());
    let all = deliveries(&app, ada).await;
    for channel in ["email", "in_app"] {
        assert_eq!(
            stands(&all[0], channel),
            ("failed".into(), "template_broken".into()),
            "{channel}"
        );
    }
    assert_eq!(steps(&all[0], "email"), ["queued", "template_broken"]);
}

#[db_test]
async fn what_could_never_be_sent_is_refused(app: App) {
    let ada = person(&app, "ada");
    let token = operator(&app);
    let many: Vec<UserId> = (0..1001).map(|_| app.new_user()).collect();
    for (body, field) in [
        (json!({"users": [ada]}), "type"),
        (json!({"type": "no.such", "users": [ada]}), "type"),
        (json!({"type": "order.shipped"}), "users"),
        (json!({"type": "order.shipped", "users": []}), "users"),
        (json!({"type": "order.shipped", "users": many}), "users"),
        (json!({"type": "order.shipped", "users": ["nobody"]}), "users[0]"),
        (
            json!({"type": "order.shipped", "users": [ada], "data": []}),
            "data",
        ),
        (
            json!({"type": "order.shipped", "users": [ada], "data": {"x": "y".repeat(17_000)}}),
            "data",
        ),
        (
            json!({"type": "order.shipped", "users": [ada], "send_at": "soon"}),
            "send_at",
        ),
        (
            json!({"type": "order.shipped", "users": [ada], "send_at": "2999-01-01T00:00:00Z"}),
            "send_at",
        ),
        (
            json!({"type": "order.shipped", "users": [ada], "color": 1}),
            "color",
        ),
    ] {
        assert_problem(&send(&app, &token, &body).await, 422, "invalid_input", &[field]);
    }
    let body = json!({"type": "order.shipped", "users": [ada], "data": {"order": "1"}});
    assert_problem(
        &send(&app, &app.token(ada, &[]), &body).await,
        403,
        "forbidden",
        &[],
    );
    assert_problem(
        &send(&app, &app.token(ada, &["notifications.read"]), &body).await,
        403,
        "forbidden",
        &[],
    );
    assert_problem(
        &app.post(SEND).json(&body).send().await,
        401,
        "unauthenticated",
        &[],
    );
    assert_eq!(rows(&app, "notifications").await, 0);
    let id = app.new_user();
    for path in [format!("requests/{id}"), format!("history/{id}")] {
        let answer = app
            .get(&format!("/api/v1/notifications/{path}"))
            .bearer(&token)
            .send()
            .await;
        assert_problem(&answer, 404, "not_found", &[]);
    }
}

#[db_test]
async fn the_types_of_all_services_are_listed(app: App) {
    let answer = app
        .get("/api/v1/notifications/types")
        .bearer(&app.token(app.new_user(), &[]))
        .send()
        .await;
    let types = answer.expect(200).value();
    let names: Vec<_> = types["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "account.phone_changed",
            "account.phone_removed",
            "account.welcome",
            "order.shipped",
            "shop.alarm",
            "shop.broken",
            "shop.door",
            "shop.invitation",
            "shop.news",
            "shop.parcel",
            "shop.reset"
        ]
    );
    assert_eq!(types["items"][3]["channels"], json!(["in_app", "email"]));
    assert_eq!(types["items"][4]["criticality"], "critical");
}

#[db_test]
async fn what_waits_of_a_notification_is_stopped_also_after_all_have_their_delivery(app: App) {
    let users: Vec<UserId> = (0..3).map(|at| person(&app, &format!("p{at}"))).collect();
    // One gets it at once, one in a digest, one after quiet hours that last all day but a minute.
    let daily = json!({"choices": [{"category": "orders", "channel": "email", "delivery": "daily"}]});
    let quiet = json!({"choices": [], "quiet_hours": {"from": "00:01", "until": "00:00"}});
    let minute = app.clock().now().as_second().rem_euclid(86_400) / 60;
    if minute == 0 {
        app.advance(Duration::from_secs(120)).await;
    }
    for (user, body) in [(users[1], &daily), (users[2], &quiet)] {
        crate::preferences::choose(&app, user, body).await.expect(200);
    }
    let token = operator(&app);
    let body = json!({"type": "order.shipped", "users": users, "data": {"order": "1"}});
    let sent = send(&app, &token, &body).await.expect(202).value();
    let id = sent["id"].as_str().unwrap();
    app.settle().await;
    assert_eq!(
        (state(&app, id).await.0.as_str(), app.mails().await.len()),
        ("sent", 1)
    );
    let path = format!("/api/v1/notifications/requests/{id}/cancel");
    let cancelled = app.post(&path).bearer(&token).send().await.expect(200).value();
    assert_eq!(
        (
            &cancelled["state"],
            &cancelled["stopped"],
            &cancelled["recipients"]
        ),
        (&json!("cancelled"), &json!(2), &json!(3))
    );
    app.settle().await;
    for (user, codes) in [
        (users[0], vec!["queued", "sent"]),
        (users[1], vec!["digested", "cancelled"]),
        (users[2], vec!["held", "cancelled"]),
    ] {
        let delivery = &deliveries(&app, user).await[0];
        assert_eq!(steps(delivery, "email"), codes);
        assert_eq!(steps(delivery, "in_app"), ["shown"], "what is shown stays");
    }
    assert_problem(
        &app.post(&path).bearer(&token).send().await,
        409,
        "notification_over",
        &[],
    );
    app.advance(Duration::from_secs(2 * 86_400)).await;
    app.settle().await;
    assert_eq!(app.mails().await.len(), 1);
}

#[db_test]
async fn an_organization_is_notified_by_those_who_manage_it(app: App) {
    let organization = app.new_organization();
    let auth: &FakeAuth = app.stand_in();
    let [owner, admin, member, other] = ["owner", "admin", "member", "other"].map(|name| person(&app, name));
    for (user, role) in [
        (owner, OrganizationRole::Owner),
        (admin, OrganizationRole::Admin),
        (member, OrganizationRole::Member),
    ] {
        auth.member(user, organization, role);
    }
    auth.member(other, app.new_organization(), OrganizationRole::Owner);
    // While auth is away it waits.
    auth.contacts_away(true);
    let asked = NotificationRequested::to_owner("order.shipped", organization.into(), json!({"order": "1"}));
    app.emit(&asked).await;
    eventually("it is asked for", async || rows(&app, "notifications").await == 1).await;
    auth.contacts_away(false);
    app.advance(Duration::from_secs(600)).await;
    app.settle().await;
    for (user, count) in [(owner, 1), (admin, 1), (member, 0), (other, 0)] {
        assert_eq!(titles(&app, user, "").await.len(), count);
    }
    let mails = app.mails().await.into_iter();
    let to: BTreeSet<_> = mails.map(|mail| mail.to.clone()).collect();
    assert_eq!(
        to,
        BTreeSet::from(["admin@example.com".to_owned(), "owner@example.com".to_owned()])
    );
}

#[db_test]
async fn an_attempt_that_fails_changes_nothing_of_what_was_cancelled_meanwhile(app: App) {
    if app.db().engine() == Engine::Sqlite {
        // Nothing is attempted there while another transaction is open.
        return;
    }
    let ada = person(&app, "ada");
    let auth: &FakeAuth = app.stand_in();
    auth.contacts_away(true);
    let body = json!({"type": "order.shipped", "users": [ada], "data": {"order": "1"}});
    send(&app, &operator(&app), &body).await.expect(202);
    app.settle().await;
    // The row is taken, as by the job that stops it, while another attempt is made.
    let mut tx = app.db().begin().await.unwrap();
    let sql =
        "UPDATE sends SET state = 'skipped', code = 'cancelled', unsent_of = NULL WHERE channel = 'email'";
    assert_eq!(tx.execute(sql, &[]).await.unwrap(), 1);
    app.clock().advance(Duration::from_secs(60));
    let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waits = async || one::<i64>(app.db(), sql).await > 0;
    eventually("the attempt has failed", waits).await;
    tx.commit().await.unwrap();
    app.settle().await;
    let delivery = &deliveries(&app, ada).await[0];
    assert_eq!(stands(delivery, "email"), ("skipped".into(), "cancelled".into()));
}

#[db_test]
async fn data_that_a_text_cannot_be_made_of_is_refused_with_the_variable(app: App) {
    let ada = person(&app, "ada");
    let token = operator(&app);
    let asked = async |data: Value| {
        let body = json!({"type": "order.shipped", "users": [ada], "data": data});
        send(&app, &token, &body).await
    };
    for data in [json!({}), json!({"other": 1})] {
        let answer = asked(data).await;
        assert_problem(&answer, 422, "invalid_input", &["data.order"]);
        assert_eq!(answer.value()["errors"][0]["code"], "required");
    }
    let body = json!({"type": "order.shipped", "users": [ada]});
    assert_problem(
        &send(&app, &token, &body).await,
        422,
        "invalid_input",
        &["data.order"],
    );
    // Each language is looked at, also one that was added.
    let path = "/api/v1/notifications/templates/order.shipped/in_app/fr";
    let text =
        json!({"subject": "Commande {% if order is mapping %}{{ order.of.whom }}{% endif %}", "text": "x"});
    let editor = app.token(app.new_user(), &["templates.write"]);
    app.put(path).bearer(&editor).json(&text).send().await.expect(200);
    let answer = asked(json!({"order": {"number": 1}})).await;
    assert_problem(&answer, 422, "invalid_input", &["data.order.of.whom"]);
    let text = answer.text();
    assert!(text.contains("in_app") && text.contains("fr"), "{text}");
    asked(json!({"order": "1"})).await.expect(202);
    app.settle().await;
    assert_eq!(titles(&app, ada, "").await, ["Order 1"]);
}
