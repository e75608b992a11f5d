//! Push messages: to a browser that decrypts them with a library that is not ours, and to push services that say no.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use stoa_auth_api::{
    events::{CredentialsRevoked, SessionRevoked, UserErased},
    testing::FakeAuth,
};
use stoa_db::{Engine, db_test, testing::DbTest as _};
use stoa_engines::PushService;
use stoa_kernel::{Id, SessionId, UserId};
use stoa_notifications_api::NotificationRequested;
use stoa_providers::testing::{Answer as Said, FakeApi};
use stoa_testkit::{Answer, TestApp, assert_problem, eventually};

use tokio::net::TcpListener;

use crate::helpers::{App, builder, deliveries, notify, one, person, rows, shipped_later, stands, steps};

const PUSH: &str = "/api/v1/notifications/push-subscriptions";
const P256DH: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

/// What `toJSON()` of a browser gives.
fn of_browser(endpoint: &str) -> Value {
    json!({ "endpoint": endpoint, "expirationTime": null, "keys": { "p256dh": P256DH, "auth": AUTH } })
}

async fn subscribe(app: &TestApp, user: UserId, body: &Value) -> Answer {
    app.post(PUSH)
        .bearer(&app.token(user, &[]))
        .json(body)
        .send()
        .await
}

/// A push service, and a browser of the person that it brings messages to.
async fn service(app: &TestApp, user: UserId) -> FakeApi {
    let api = FakeApi::start(Said::new(201, "")).await;
    let endpoint = format!("http://{}/push/1", api.address());
    subscribe(app, user, &of_browser(&endpoint)).await.expect(201);
    api
}

async fn list(app: &TestApp, user: UserId) -> Vec<Value> {
    let answer = app.get(PUSH).bearer(&app.token(user, &[])).send().await;
    answer.expect(200).value()["items"].as_array().unwrap().clone()
}

async fn ring(app: &TestApp, user: UserId) {
    notify(app, "shop.door", user, json!({"who": "Bob"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_decrypts_what_it_is_sent() {
    let push = tokio::task::spawn_blocking(PushService::start).await.unwrap();
    let (app, guard) = App::setup(Engine::Sqlite).await;
    let ada = person(&app, "ada");
    let token = app.token(ada, &[]);
    let key = app.get(&format!("{PUSH}/key")).bearer(&token).send().await;
    let key = key.expect(200).value()["public_key"].as_str().unwrap().to_owned();
    let mut names = Vec::new();
    for _ in 0..2 {
        let given: Value = serde_json::from_str(&push.subscribe(&key)).unwrap();
        let keys = json!({ "p256dh": given["p256dh"], "auth": given["auth"] });
        let body = json!({ "endpoint": given["endpoint"], "expirationTime": null, "keys": keys });
        subscribe(&app, ada, &body).await.expect(201);
        let endpoint = given["endpoint"].as_str().unwrap();
        names.push(endpoint.rsplit('/').next().unwrap().to_owned());
    }
    ring(&app, ada).await;
    notify(&app, "shop.door", ada, json!({"who": "ä\"".repeat(4000)})).await;
    let all = deliveries(&app, ada).await;
    for name in names {
        let got: Value = serde_json::from_str(&push.messages(&name)).unwrap();
        let text: Value = serde_json::from_str(got[0]["text"].as_str().unwrap()).unwrap();
        let expected = json!({
            "id": all[1]["id"], "type": "shop.door", "title": "Somebody is at the door",
            "body": "Bob rings.", "url": format!("{}/door", app.env().public_url),
        });
        assert_eq!(text, expected);
        let topic = all[1]["id"].as_str().unwrap().replace('-', "");
        assert_eq!(got[0]["headers"]["Topic"], topic);
        let text: Value = serde_json::from_str(got[1]["text"].as_str().unwrap()).unwrap();
        let body = text["body"].as_str().unwrap();
        assert!(
            body.starts_with("ä\"") && body.ends_with('…') && body.len() > 1000,
            "{body}"
        );
        assert!(
            got[1]["length"].as_i64().unwrap() <= 3070,
            "what Firefox for Android takes"
        );
    }
    assert_eq!(steps(&all[0], "push"), ["queued", "sent"]);
    App::teardown(guard).await;
}

/// A push service that takes connections and never answers: its address, and how many it has taken.
async fn silent() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    (address, taken)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_service_that_never_answers_keeps_no_mail_back() {
    let (app, guard) = App::setup(Engine::Sqlite).await;
    let (eve, bob) = (person(&app, "eve"), person(&app, "bob"));
    let (address, taken) = silent().await;
    let body = of_browser(&format!("http://{address}/push/1"));
    subscribe(&app, eve, &body).await.expect(201);
    // More than there are workers.
    for _ in 0..12 {
        let event = NotificationRequested::to("shop.door", eve, json!({"who": "Eve"}));
        app.emit(&event).await;
    }
    eventually("all wait to be sent", async || {
        rows(&app, "sends").await == 12 && taken.load(Ordering::Relaxed) > 0
    })
    .await;
    for order in ["1", "2", "3"] {
        shipped_later(&app, bob, order).await;
    }
    eventually("mails go out", async || app.mails().await.len() == 3).await;
    App::teardown(guard).await;
}

#[db_test]
async fn one_that_has_ended_is_deleted_and_fails_no_other(app: App) {
    let ada = person(&app, "ada");
    let (first, second) = (service(&app, ada).await, service(&app, ada).await);
    assert_eq!(list(&app, ada).await.len(), 2);
    first.otherwise(Said::new(410, "unsubscribed"));
    ring(&app, ada).await;
    let delivery = &deliveries(&app, ada).await[0];
    assert_eq!(stands(delivery, "push"), ("sent".into(), "sent".into()));
    let words = delivery["steps"].to_string();
    assert!(
        words.contains("Sent to 1 of 2") && words.contains("1 had ended"),
        "{words}"
    );
    let left = list(&app, ada).await;
    assert_eq!(left[0]["service"], format!("http://{}", second.address()));
    second.otherwise(Said::new(404, ""));
    ring(&app, ada).await;
    assert_eq!(
        stands(&deliveries(&app, ada).await[0], "push"),
        ("skipped".into(), "no_subscription".into())
    );
    assert!(list(&app, ada).await.is_empty());
    // To whom has none nothing is written down.
    ring(&app, ada).await;
    assert_eq!(deliveries(&app, ada).await[0]["channels"], json!([]));
    assert_eq!((first.asked().len(), second.asked().len()), (1, 2));
}

#[db_test]
async fn what_arrived_is_not_sent_again_when_another_is_tried_again(app: App) {
    let ada = person(&app, "ada");
    let (good, busy) = (service(&app, ada).await, service(&app, ada).await);
    busy.next(Said::new(429, "slow down").with("retry-after", "60"));
    busy.next(Said::new(503, ""));
    app.emit(&NotificationRequested::to(
        "shop.door",
        ada,
        json!({"who": "Bob"}),
    ))
    .await;
    let stands_so = async |code: &str| {
        let all = deliveries(&app, ada).await;
        all.first()
            .is_some_and(|one| steps(one, "push").last().is_some_and(|last| last == code))
    };
    eventually("it is put off", async || stands_so("put_off").await).await;
    app.clock().advance(Duration::from_secs(61));
    eventually("it fails", async || stands_so("attempt_failed").await).await;
    app.clock().advance(Duration::from_secs(60));
    eventually("it is sent", async || stands_so("sent").await).await;
    app.settle().await;
    assert_eq!((good.asked().len(), busy.asked().len()), (1, 3));
    let topics: Vec<_> = busy
        .asked()
        .iter()
        .map(|asked| asked.headers["topic"].clone())
        .collect();
    assert!(topics.windows(2).all(|two| two[0] == two[1]), "{topics:?}");
    assert_eq!(rows(&app, "push_sends").await, 0, "nothing of it is kept");
    let words = deliveries(&app, ada).await[0]["steps"].to_string();
    assert!(words.contains("Sent to 2 of 2"), "{words}");
}

#[db_test]
async fn registering_again_renews_and_what_another_account_registers_is_theirs(app: App) {
    let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
    let body = of_browser("https://push.example/1");
    let session: SessionId = Id::new(app.clock());
    let token = app.session_token(ada, session, &[]);
    let again = async || app.post(PUSH).bearer(&token).json(&body).send().await;
    let first = again().await.expect(201).value();
    assert_eq!(
        (&first["kind"], &first["service"], &first["current"]),
        (&json!("web"), &json!("https://push.example"), &json!(true))
    );
    assert_eq!(again().await.expect(200).value(), first);
    // By another session it is that one's.
    let other = subscribe(&app, ada, &body).await.expect(200).value();
    assert_eq!(other["id"], first["id"]);
    let mut renewed = body.clone();
    renewed["keys"]["auth"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(
        subscribe(&app, ada, &renewed).await.expect(200).value()["id"],
        first["id"]
    );
    let theirs = subscribe(&app, bob, &body).await.expect(201).value();
    assert_ne!(theirs["id"], first["id"]);
    assert_eq!((list(&app, ada).await.len(), list(&app, bob).await.len()), (0, 1));
    let counts: Vec<i64> = app
        .db()
        .fetch_all("SELECT push_count FROM people WHERE push_count <> 0", &[])
        .await
        .unwrap();
    assert_eq!(counts, [1]);
    // Many at once are one.
    let body = of_browser("https://push.example/2");
    let all = (0..8).map(|at| subscribe(&app, if at % 2 == 0 { ada } else { bob }, &body));
    for answer in futures::future::join_all(all).await {
        assert!([200, 201, 409].contains(&answer.status()), "{}", answer.text());
    }
    let count: i64 = one(app.db(), "SELECT CAST(SUM(push_count) AS BIGINT) FROM people").await;
    assert_eq!((rows(&app, "push_subscriptions").await, count), (2, 2));
}

#[db_test]
async fn an_ended_session_takes_what_it_has_registered_with_it(app: App) {
    let ada = person(&app, "ada");
    let (mine, lost): (SessionId, SessionId) = (Id::new(app.clock()), Id::new(app.clock()));
    for (session, name) in [(mine, "mine"), (lost, "lost"), (lost, "lost-2")] {
        let body = of_browser(&format!("https://push.example/{name}"));
        let token = app.session_token(ada, session, &[]);
        app.post(PUSH).bearer(&token).json(&body).send().await.expect(201);
    }
    let until = app.clock().after(Duration::from_secs(3600));
    let revoked = SessionRevoked {
        user_id: ada,
        session_id: lost,
        until,
    };
    app.emit(&revoked).await;
    app.settle().await;
    assert_eq!(list(&app, ada).await.len(), 1);
    // A token of it that is still about makes none any more.
    let token = app.session_token(ada, lost, &[]);
    let answer = app
        .post(PUSH)
        .bearer(&token)
        .json(&of_browser("https://push.example/3"))
        .send()
        .await;
    assert_problem(&answer, 401, "token_revoked", &[]);
    assert_eq!(one::<i64>(app.db(), "SELECT push_count FROM people").await, 1);
    app.advance(Duration::from_secs(2 * 3600)).await;
    eventually("it is purged", async || rows(&app, "ended_sessions").await == 0).await;
}

stoa_testkit::app!(Few, builder(|config| config.push_subscriptions_max = 2));

#[db_test]
async fn a_person_has_so_many_and_deletes_only_their_own(app: Few) {
    let (ada, eve) = (person(&app, "ada"), person(&app, "eve"));
    let mut ids = Vec::new();
    for name in ["1", "2"] {
        let body = of_browser(&format!("https://push.example/{name}"));
        let made = subscribe(&app, ada, &body).await.expect(201).value();
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    let third = of_browser("https://push.example/3");
    assert_problem(
        &subscribe(&app, ada, &third).await,
        409,
        "push_subscriptions_full",
        &[],
    );
    let delete = async |user: UserId, id: &str| {
        let call = app.delete(&format!("{PUSH}/{id}")).bearer(&app.token(user, &[]));
        call.send().await
    };
    assert_problem(&delete(eve, &ids[0]).await, 404, "not_found", &[]);
    assert_eq!(list(&app, ada).await.len(), 2);
    delete(ada, &ids[0]).await.expect(204);
    assert_problem(&delete(ada, &ids[0]).await, 404, "not_found", &[]);
    subscribe(&app, ada, &third).await.expect(201);
    assert_eq!(app.audited("push_subscription.create").await.len(), 3);
    assert_eq!(app.audited("push_subscription.delete").await.len(), 1);
}

#[db_test]
async fn what_is_no_subscription_is_refused_with_the_part_that_is_wrong(app: App) {
    let ada = person(&app, "ada");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = of_browser("https://push.example/1");
        change(&mut body);
        body
    };
    for (body, field) in [
        (json!({}), "endpoint"),
        (
            with(&|body| body["endpoint"] = json!("https://169.254.169.254/latest")),
            "endpoint",
        ),
        (
            with(&|body| body["endpoint"] = json!("https://10.0.0.1/x")),
            "endpoint",
        ),
        (
            with(&|body| body["endpoint"] = json!("ftp://push.example/x")),
            "endpoint",
        ),
        (
            with(&|body| body["endpoint"] = json!(format!("https://push.example/{}", "x".repeat(2048)))),
            "endpoint",
        ),
        (with(&|body| body["keys"] = json!(null)), "keys"),
        (with(&|body| body["keys"]["p256dh"] = json!(AUTH)), "keys.p256dh"),
        (with(&|body| body["keys"]["auth"] = json!(P256DH)), "keys.auth"),
        (with(&|body| body["fcm_token"] = json!("x")), "fcm_token"),
        (with(&|body| body["color"] = json!("x")), "color"),
        (json!({"fcm_token": "x"}), "fcm_token"),
    ] {
        assert_problem(&subscribe(&app, ada, &body).await, 422, "invalid_input", &[field]);
    }
    let body = of_browser("https://push.example/1");
    let key = app.api_key(ada, &["inbox.write"]);
    assert_problem(
        &app.post(PUSH).api_key(&key).json(&body).send().await,
        403,
        "forbidden",
        &[],
    );
    assert_problem(
        &app.post(PUSH).json(&body).send().await,
        401,
        "unauthenticated",
        &[],
    );
    assert_eq!(rows(&app, "push_subscriptions").await, 0);
}

#[db_test]
async fn all_who_need_the_key_first_at_once_have_the_same_which_is_sealed(app: App) {
    let token = app.token(app.new_user(), &[]);
    let path = format!("{PUSH}/key");
    let all = (0..10).map(|_| app.get(&path).bearer(&token).send());
    let mut keys: Vec<String> = Vec::new();
    for answer in futures::future::join_all(all).await {
        keys.push(
            answer.expect(200).value()["public_key"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    keys.dedup();
    assert_eq!((keys.len(), rows(&app, "vapid_keys").await), (1, 1));
    let sealed: Vec<u8> = one(app.db(), "SELECT sealed FROM vapid_keys").await;
    assert!(stoa_push::VapidKey::parse(&sealed).is_none());
    // As another process reads it.
    let kept = app.env().secrets.open("vapid", &sealed).unwrap();
    assert_eq!(stoa_push::VapidKey::parse(&kept).unwrap().public(), keys[0]);
    assert_problem(&app.get(&path).send().await, 401, "unauthenticated", &[]);
}

#[db_test]
async fn endpoints_do_not_stand_in_the_database_and_are_erased(app: App) {
    let ada = person(&app, "ada");
    let api = FakeApi::start(Said::new(503, "")).await;
    let endpoint = format!("http://{}/push/sekret-endpoint", api.address());
    subscribe(&app, ada, &of_browser(&endpoint)).await.expect(201);
    app.emit(&NotificationRequested::to(
        "shop.door",
        ada,
        json!({"who": "Bob"}),
    ))
    .await;
    eventually("it was tried", async || !api.asked().is_empty()).await;
    for table in [
        "push_subscriptions",
        "push_sends",
        "jobs",
        "steps",
        "sends",
        "audit",
    ] {
        for word in ["sekret-endpoint", "btbzmqhh6r4tts7j"] {
            assert!(!crate::erasure::speaks(&app, table, word).await, "{table}");
        }
    }
    app.stand_in::<FakeAuth>().erase(ada);
    app.emit(&UserErased { user_id: ada }).await;
    eventually("all is gone", async || {
        let left = [
            rows(&app, "push_subscriptions").await,
            rows(&app, "push_sends").await,
            rows(&app, "sends").await,
        ];
        left == [0, 0, 0]
    })
    .await;
    assert_problem(
        &subscribe(&app, ada, &of_browser(&endpoint)).await,
        401,
        "token_revoked",
        &[],
    );
}

#[db_test]
async fn a_reset_ends_all_that_was_registered_before_it_and_nothing_that_comes_after(app: App) {
    let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
    let body = |name: &str| of_browser(&format!("https://push.example/{name}"));
    // By sessions that have expired since, or that nobody has ended.
    for (user, name) in [(ada, "1"), (ada, "2"), (bob, "3")] {
        subscribe(&app, user, &body(name)).await.expect(201);
    }
    app.clock().advance(Duration::from_secs(3600));
    app.emit(&CredentialsRevoked { user_id: ada }).await;
    app.settle().await;
    assert_eq!((list(&app, ada).await.len(), list(&app, bob).await.len()), (0, 1));
    let count: i64 = one(app.db(), "SELECT CAST(SUM(push_count) AS BIGINT) FROM people").await;
    assert_eq!(count, 1);
    // Where the event comes late, what was registered anew meanwhile stays.
    subscribe(&app, ada, &body("1")).await.expect(201);
    app.clock().advance(Duration::from_secs(60));
    subscribe(&app, ada, &body("1")).await.expect(200);
    app.clock().set_back(Duration::from_secs(30));
    app.emit(&CredentialsRevoked { user_id: ada }).await;
    app.settle().await;
    assert_eq!(list(&app, ada).await.len(), 1);
}
