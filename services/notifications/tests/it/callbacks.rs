//! What providers tell of messages: signed, once, and what follows from it.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use stoa_db::{
    Engine, db_test,
    testing::{DbTest, Statements, analyze},
};
use stoa_mail::{MailConfig, Mailer};
use stoa_notifications_api::NotificationRequested;
use stoa_providers::testing::{Answer as Said, FakeApi};
use stoa_service::Env;
use stoa_testkit::{Answer, TestApp, assert_problem, eventually, settings};

use crate::{
    helpers::{App, deliveries, notify, person, rows, shipped, stands, steps, with_env},
    sms::{ByTwilio, CALLBACK},
};

const PATH: &str = "/api/v1/notifications/callbacks";
/// What stands before the point of a P-256 key in its usual form.
const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

/// notifications, whose mails go by SendGrid's API; and the key that it signs with.
struct BySendGrid(TestApp, FakeApi, EcdsaKeyPair);

impl std::ops::Deref for BySendGrid {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.0
    }
}

impl DbTest for BySendGrid {
    type Guard = TestApp;

    async fn setup(engine: Engine) -> (Self, TestApp) {
        let api = FakeApi::start(Said::new(202, "").with("x-message-id", "m1")).await;
        let random = SystemRandom::new();
        let kept = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, kept.as_ref(), &random).unwrap();
        let config = MailConfig {
            url: format!("sendgrid://:KEY@{}?tls=none", api.address()),
            event_key: STANDARD.encode([P256, pair.public_key().as_ref()].concat()),
            ..settings("mail")
        };
        let app = with_env(move |env| {
            let folder = env.data_dir.join("mail");
            let mailer = Mailer::new(&config, folder, &env.cache, &env.outbound, env.clock.clone());
            let mailer = mailer.unwrap();
            Env { mailer, ..env }
        });
        let app = app.start(engine).await;
        (Self(app.clone(), api, pair), app)
    }

    async fn teardown(app: TestApp) {
        app.stop().await;
    }
}

impl BySendGrid {
    /// As SendGrid sends it, signed at this time.
    async fn send(&self, body: &str, timestamp: i64) -> Answer {
        let signed = format!("{timestamp}{body}");
        let signature = self.2.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        self.post(&format!("{PATH}/sendgrid"))
            .header(
                "x-twilio-email-event-webhook-signature",
                &STANDARD.encode(signature),
            )
            .header("x-twilio-email-event-webhook-timestamp", &timestamp.to_string())
            .body("application/json", body.to_owned())
            .send()
            .await
    }

    /// Events of this mail, now.
    async fn tell(&self, events: &Value) {
        let now = self.clock().now().as_second();
        self.send(&events.to_string(), now).await.expect(204);
        self.settle().await;
    }

    /// The id that comes back with each event of the newest mail.
    fn mail_id(&self) -> String {
        let asked = self.1.asked().pop().unwrap();
        assert_eq!(asked.line, "POST /v3/mail/send");
        assert_eq!(asked.headers["authorization"], "Bearer KEY");
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        body["custom_args"]["mail_id"].as_str().unwrap().to_owned()
    }
}

fn event(kind: &str, id: &str, mail_id: &str, email: &str) -> Value {
    json!({
        "event": kind, "sg_event_id": id, "mail_id": mail_id, "email": email, "timestamp": 1_700_000_000,
        "reason": format!("550 5.1.1 <{email}> unknown"),
    })
}

#[db_test]
async fn what_sendgrid_tells_stands_in_the_history_once(app: BySendGrid) {
    let ada = person(&app, "ada");
    shipped(&app, ada, "1").await;
    let mail = app.mail_id();
    let delivered = event("delivered", "e1", &mail, "ada@example.com");
    for _ in 0..3 {
        app.tell(&json!([delivered, delivered])).await;
    }
    let delivery = &deliveries(&app, ada).await[0];
    assert_eq!(steps(delivery, "email"), ["queued", "sent", "delivered"]);
    assert_eq!(stands(delivery, "email"), ("sent".into(), "delivered".into()));
    // Events in one body, of which one says nothing, in any order.
    app.tell(&json!([
        event("spamreport", "e3", &mail, "ada@example.com"),
        {"event": "open", "timestamp": 1}, 7,
        event("delivered", "e4", &mail, "ada@example.com"),
    ]))
    .await;
    let delivery = &deliveries(&app, ada).await[0];
    assert_eq!(stands(delivery, "email"), ("sent".into(), "complained".into()));
    assert_eq!(rows(&app, "suppressions").await, 1);
    shipped(&app, ada, "2").await;
    assert_eq!(
        steps(&deliveries(&app, ada).await[0], "email"),
        ["queued", "suppressed"]
    );
}

#[db_test]
async fn hard_bounces_and_unsubscribing_suppress_and_others_do_not(app: BySendGrid) {
    for (name, kind, code, suppressed) in [
        ("ada", "bounce", "bounced", true),
        ("bob", "group_unsubscribe", "unsubscribed", true),
        ("eve", "dropped", "dropped", false),
        ("dan", "blocked", "blocked", false),
    ] {
        let user = person(&app, name);
        shipped(&app, user, "1").await;
        let address = format!("{name}@example.com");
        app.tell(&json!([event(kind, name, &app.mail_id(), &address)]))
            .await;
        let delivery = &deliveries(&app, user).await[0];
        assert_eq!(steps(delivery, "email"), ["queued", "sent", code]);
        assert!(!delivery.to_string().contains(&address), "{delivery}");
        shipped(&app, user, "2").await;
        let next = if suppressed { "suppressed" } else { "sent" };
        assert_eq!(
            steps(&deliveries(&app, user).await[0], "email"),
            ["queued", next],
            "{name}"
        );
    }
    let token = app.token(app.new_user(), &["suppressions.read"]);
    let page = app
        .get("/api/v1/notifications/suppressions")
        .bearer(&token)
        .send()
        .await;
    let reasons: Vec<_> = page.expect(200).value()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["reason"].clone())
        .collect();
    assert_eq!(reasons, ["unsubscribed", "bounced"]);
    // A mail that is not from here tells of its address all the same.
    app.tell(&json!([event(
        "bounce",
        "x",
        "something-else",
        "zoe@example.com"
    )]))
    .await;
    assert_eq!(rows(&app, "suppressions").await, 3);
}

#[db_test]
async fn what_is_not_signed_now_by_the_provider_does_nothing(app: BySendGrid) {
    let ada = person(&app, "ada");
    shipped(&app, ada, "1").await;
    let body = json!([event("bounce", "e1", &app.mail_id(), "ada@example.com")]).to_string();
    let now = app.clock().now().as_second();
    for timestamp in [now - 26 * 3600, now + 600, 0, i64::MAX] {
        assert_problem(&app.send(&body, timestamp).await, 403, "forbidden", &[]);
    }
    let plain = |body: String| {
        app.post(&format!("{PATH}/sendgrid"))
            .body("application/json", body)
    };
    assert_problem(&plain(body.clone()).send().await, 403, "forbidden", &[]);
    for (signature, timestamp) in [("", "x"), ("AAAA", &*now.to_string()), ("?", "")] {
        let call = plain(body.clone())
            .header("x-twilio-email-event-webhook-signature", signature)
            .header("x-twilio-email-event-webhook-timestamp", timestamp);
        assert_problem(&call.send().await, 403, "forbidden", &[]);
    }
    // Signed, but for another body.
    let good = STANDARD.encode(
        app.2
            .sign(&SystemRandom::new(), format!("{now}[]").as_bytes())
            .unwrap(),
    );
    let call = plain(body.clone())
        .header("x-twilio-email-event-webhook-signature", &good)
        .header("x-twilio-email-event-webhook-timestamp", &now.to_string());
    assert_problem(&call.send().await, 403, "forbidden", &[]);
    assert_problem(
        &plain("x".repeat(1024 * 1024 + 1)).send().await,
        413,
        "too_large",
        &[],
    );
    for provider in ["twilio", "mailgun", "..%2Fsend"] {
        let answer = app
            .post(&format!("{PATH}/{provider}"))
            .body("application/json", "[]")
            .send()
            .await;
        assert_problem(&answer, 404, "not_found", &[]);
    }
    app.settle().await;
    assert_eq!(
        steps(&deliveries(&app, ada).await[0], "email"),
        ["queued", "sent"]
    );
    assert_eq!(
        (
            rows(&app, "suppressions").await,
            rows(&app, "provider_events").await
        ),
        (0, 0)
    );
    // What is signed and tells nothing is taken.
    for body in ["[]", "{}", "nonsense"] {
        app.send(body, now).await.expect(204);
    }
    // Many that are refused from one address are not looked at any more, and others are.
    let bad = || plain("[]".to_owned()).from_address("203.0.113.9").send();
    let mut statuses = Vec::new();
    for _ in 0..35 {
        statuses.push(bad().await.status());
    }
    assert_eq!((statuses[0], statuses[34]), (403, 429));
    app.send("[]", now).await.expect(204);
}

impl ByTwilio {
    /// As Twilio sends it.
    async fn tell(&self, fields: &[(&str, &str)]) -> Answer {
        let mut sorted = fields.to_vec();
        sorted.sort_unstable();
        let signed: String = sorted
            .iter()
            .map(|(name, value)| format!("{name}{value}"))
            .collect();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"token");
        let tag = hmac::sign(&key, format!("{CALLBACK}{signed}").as_bytes());
        let answer = self.form(fields, &STANDARD.encode(tag)).await;
        self.settle().await;
        answer
    }

    async fn form(&self, fields: &[(&str, &str)], signature: &str) -> Answer {
        let encoded = |text: &str| text.replace('+', "%2B").replace(' ', "+");
        let body: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        self.post(&format!("{PATH}/twilio"))
            .header("x-twilio-signature", signature)
            .body("application/x-www-form-urlencoded", body.join("&"))
            .send()
            .await
    }
}

#[db_test]
async fn what_twilio_tells_stands_in_the_history_and_stop_suppresses(app: ByTwilio) {
    let statements = Statements::of(app.db());
    analyze(app.db()).await;
    let ada = app.somebody("ada", "+491701234567").await;
    app.1.otherwise(Said::new(201, json!({ "sid": "SM2" })));
    notify(&app, "shop.parcel", ada, json!({"at": "9"})).await;
    let status = |status: &'static str| {
        [
            ("MessageSid", "SM2"),
            ("MessageStatus", status),
            ("To", "+491701234567"),
        ]
    };
    for one in ["queued", "sent", "delivered", "delivered"] {
        app.tell(&status(one)).await.expect(204);
    }
    let delivery = &deliveries(&app, ada).await[0];
    assert_eq!(steps(delivery, "sms"), ["queued", "sent", "delivered"]);
    for signature in ["", "AAAA", "RSOYDt4T1cUTdK1PDd93/VVr8B8="] {
        let answer = app.form(&status("failed"), signature).await;
        assert_problem(&answer, 403, "forbidden", &[]);
    }
    let reply = |word: &'static str, sid: &'static str| {
        [
            ("MessageSid", sid),
            ("SmsStatus", "received"),
            ("From", "+491701234567"),
            ("To", "+15005550006"),
            ("Body", word),
        ]
    };
    app.tell(&reply("Hello", "SM3")).await.expect(204);
    assert_eq!(rows(&app, "suppressions").await, 0);
    app.tell(&reply("Stop", "SM4")).await.expect(204);
    notify(&app, "shop.parcel", ada, json!({"at": "10"})).await;
    let delivery = &deliveries(&app, ada).await[0];
    assert_eq!(steps(delivery, "sms"), ["queued", "suppressed"]);
    app.tell(&reply("start", "SM5")).await.expect(204);
    assert_eq!(rows(&app, "suppressions").await, 0);
    // The same where the number was refused when something was sent there.
    let refusal = json!({ "code": 21610, "message": "Attempt to send to unsubscribed recipient" });
    app.1.next(Said::new(400, refusal));
    notify(&app, "shop.parcel", ada, json!({"at": "11"})).await;
    assert_eq!(rows(&app, "suppressions").await, 1);
    app.tell(&reply("UNSTOP", "SM6")).await.expect(204);
    assert_eq!(rows(&app, "suppressions").await, 0);
    // The old one again is none.
    app.tell(&reply("Stop", "SM4")).await.expect(204);
    assert_eq!(rows(&app, "suppressions").await, 0);
    app.tell(&[
        ("MessageSid", "SM2"),
        ("MessageStatus", "undelivered"),
        ("To", "+491701234567"),
        ("ErrorCode", "30005"),
    ])
    .await
    .expect(204);
    let delivery = &deliveries(&app, ada).await[2];
    assert_eq!(stands(delivery, "sms"), ("failed".into(), "bounced".into()));
    let token = app.token(app.new_user(), &["suppressions.write"]);
    let release = async |body: Value| {
        let call = app
            .post("/api/v1/notifications/suppressions/release")
            .bearer(&token);
        call.json(&body).send().await
    };
    for (body, field) in [
        (json!({}), "email"),
        (json!({"email": "a@b.example", "phone": "+491701234567"}), "email"),
        (json!({"phone": "0170"}), "phone"),
    ] {
        assert_problem(&release(body).await, 422, "invalid_input", &[field]);
    }
    release(json!({"phone": "+491701234567"})).await.expect(204);
    assert_problem(
        &release(json!({"phone": "+491701234567"})).await,
        404,
        "not_found",
        &[],
    );
    crate::plans::no_waste(app.db(), &statements).await;
    for table in ["jobs", "provider_events", "suppressions", "steps"] {
        assert!(
            !crate::erasure::speaks(&app, table, "1701234567").await,
            "{table}"
        );
    }
}

#[db_test]
async fn what_comes_before_its_message_is_known_waits_for_it(app: ByTwilio) {
    let ada = app.somebody("ada", "+491701234567").await;
    app.1.otherwise(Said::new(201, json!({ "sid": "SM7" })));
    let told = [
        ("MessageSid", "SM7"),
        ("MessageStatus", "delivered"),
        ("To", "+491701234567"),
    ];
    app.tell(&told).await.expect(204);
    assert_eq!(rows(&app, "provider_events").await, 0);
    notify(&app, "shop.parcel", ada, json!({"at": "9"})).await;
    app.clock().advance(Duration::from_secs(16));
    eventually("it is found", async || {
        steps(&deliveries(&app, ada).await[0], "sms") == ["queued", "sent", "delivered"]
    })
    .await;
    // One of a message that never was is looked for some times.
    app.tell(&[("MessageSid", "SM8"), ("MessageStatus", "delivered")])
        .await
        .expect(204);
    for _ in 0..8 {
        app.clock().advance(Duration::from_secs(600));
        app.settle().await;
    }
    eventually("it is given up", async || {
        rows(&app, "provider_events").await == 2
    })
    .await;
}

#[db_test]
async fn where_nothing_is_set_up_nobody_tells_anything(app: App) {
    for provider in ["sendgrid", "twilio"] {
        let answer = app
            .post(&format!("{PATH}/{provider}"))
            .body("application/json", "[]")
            .send()
            .await;
        assert_problem(&answer, 404, "not_found", &[]);
    }
}

#[db_test]
async fn a_provider_that_asks_to_wait_is_asked_again_then_also_for_a_digest(app: BySendGrid) {
    let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
    let hourly = json!({"choices": [{"category": "orders", "channel": "email", "delivery": "hourly"}]});
    crate::preferences::choose(&app, bob, &hourly).await.expect(200);
    for (user, first) in [(ada, "queued"), (bob, "digested")] {
        let busy = || Said::new(429, "too many requests").with("retry-after", "1800");
        let before = app.1.asked().len();
        app.1.next(busy());
        app.emit(&NotificationRequested::to(
            "order.shipped",
            user,
            json!({"order": "1"}),
        ))
        .await;
        eventually("it is decided", async || !deliveries(&app, user).await.is_empty()).await;
        if first == "digested" {
            app.clock().advance(Duration::from_secs(3600));
        }
        let last = async || steps(&deliveries(&app, user).await[0], "email").pop().unwrap();
        eventually("it is put off", async || last().await == "put_off").await;
        app.settle().await;
        assert_eq!(app.1.asked().len(), before + 1);
        app.clock().advance(Duration::from_secs(1801));
        eventually("it is sent", async || last().await == "sent").await;
        assert_eq!(
            steps(&deliveries(&app, user).await[0], "email"),
            [first, "put_off", "sent"]
        );
        assert_eq!(app.1.asked().len(), before + 2);
    }
}
