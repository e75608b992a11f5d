//! Text messages: in the folder, and by Twilio's API.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_db::{Engine, db_test, testing::DbTest};
use stoa_providers::testing::{Answer, FakeApi};
use stoa_service::Env;
use stoa_sms::{SmsConfig, SmsSender};
use stoa_testkit::{TestApp, eventually, settings};

use crate::{
    helpers::{App, deliveries, notify, person, phone, stands, steps, with_env},
    preferences::{choose, set_preference},
};

pub(crate) const CALLBACK: &str = "https://stoa.example/api/v1/notifications/callbacks/twilio";

#[db_test]
async fn a_message_goes_to_a_verified_number_in_the_persons_language(app: App) {
    let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
    phone(&app, ada, "+491701234567").await;
    set_preference(&app, ada, "language", Some(json!("de"))).await;
    for user in [ada, bob] {
        notify(&app, "shop.parcel", user, json!({"at": "9:00"})).await;
    }
    let texts = app.texts().await;
    assert_eq!((texts.len(), &*texts[0].text), (2, "Ihr Paket kommt um 9:00."));
    let delivery = &deliveries(&app, ada).await[0];
    assert_eq!(
        texts[0].id,
        format!("notification-{}", delivery["id"].as_str().unwrap())
    );
    assert_eq!(steps(delivery, "sms"), ["queued", "sent"]);
    assert_eq!(delivery["channels"][0]["address"], "+49***67");
    assert!(!delivery.to_string().contains("1701234567"), "{delivery}");
    // To whom has no number nothing is even written down.
    assert_eq!(deliveries(&app, bob).await[0]["channels"], json!([]));
    phone(&app, bob, "+15005550006").await;
    notify(&app, "shop.parcel", bob, json!({"at": "9:00"})).await;
    let text = app.texts().await[0].text.clone();
    let link = format!("{}/parcels", app.env().public_url);
    assert_eq!(text, format!("Your parcel comes at 9:00.\n{link}"));
}

#[db_test]
async fn preferences_list_the_channel_of_those_who_have_a_number(app: App) {
    let ada = person(&app, "ada");
    let channels = async || {
        let call = app
            .get("/api/v1/notifications/preferences")
            .bearer(&app.token(ada, &[]));
        let all = call.send().await.expect(200).value();
        let all = all["choices"].as_array().unwrap().clone();
        all.iter().filter(|one| one["channel"] == "sms").count()
    };
    assert_eq!(channels().await, 0);
    phone(&app, ada, "+491701234567").await;
    assert_eq!(channels().await, 2);
    let off = json!({"choices": [{"category": "parcels", "channel": "sms", "delivery": "off"}]});
    choose(&app, ada, &off).await.expect(200);
    notify(&app, "shop.parcel", ada, json!({"at": "9:00"})).await;
    assert_eq!(app.texts().await.len(), 1, "the code alone");
    assert_eq!(steps(&deliveries(&app, ada).await[0], "sms"), ["switched_off"]);
}

#[db_test]
async fn what_is_critical_goes_by_text_message_to_those_who_have_chosen_it(app: App) {
    let ada = person(&app, "ada");
    phone(&app, ada, "+491701234567").await;
    let choice =
        |delivery| json!({"choices": [{"category": "security", "channel": "sms", "delivery": delivery}]});
    let alarm = async || {
        notify(&app, "shop.alarm", ada, json!({})).await;
        let newest = deliveries(&app, ada).await.remove(0);
        steps(&newest, "sms")
    };
    assert_eq!(alarm().await, [""; 0], "nobody has chosen it");
    choose(&app, ada, &choice("at_once")).await.expect(200);
    assert_eq!(alarm().await, ["queued", "sent"]);
    assert_eq!(app.texts().await[0].text, "Leave the shop.");
    choose(&app, ada, &choice("off")).await.expect(200);
    assert_eq!(alarm().await, ["switched_off"]);
    // By its own channels it goes whatever is chosen.
    let mail = json!({"choices": [{"category": "security", "channel": "email", "delivery": "off"}]});
    assert_eq!(choose(&app, ada, &mail).await.status(), 422);
}

/// notifications, whose text messages go by Twilio's API.
pub(crate) struct ByTwilio(pub(crate) TestApp, pub(crate) FakeApi);

impl std::ops::Deref for ByTwilio {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.0
    }
}

impl DbTest for ByTwilio {
    type Guard = TestApp;

    async fn setup(engine: Engine) -> (Self, TestApp) {
        let api = FakeApi::start(Answer::new(201, json!({ "sid": "SM1" }))).await;
        let config = SmsConfig {
            url: format!("twilio://AC1:token@{}?from=Stoa&tls=none", api.address()),
            callback_url: CALLBACK.to_owned(),
            prefixes: vec!["+49".to_owned()],
            ..settings("sms")
        };
        let app = with_env(move |env| {
            let folder = env.data_dir.join("sms");
            let sms = SmsSender::new(&config, folder, &env.cache, &env.outbound, env.clock.clone());
            let sms = sms.unwrap();
            Env { sms, ..env }
        });
        let app = app.start(engine).await;
        (Self(app.clone(), api), app)
    }

    async fn teardown(app: TestApp) {
        app.stop().await;
    }
}

impl ByTwilio {
    /// What Twilio was asked to send: to whom, and what.
    pub(crate) fn sent(&self) -> Vec<(String, String)> {
        let asked = self.1.asked().into_iter();
        asked
            .map(|asked| {
                assert_eq!(asked.line, "POST /2010-04-01/Accounts/AC1/Messages.json");
                assert_eq!(asked.headers["authorization"], "Basic QUMxOnRva2Vu");
                let form = String::from_utf8(asked.body.to_vec()).unwrap();
                let form = reqwest_form(&form);
                assert_eq!(form["StatusCallback"], CALLBACK);
                (form["To"].clone(), form["Body"].clone())
            })
            .collect()
    }

    /// Somebody with a number that Twilio was asked to send a code to.
    pub(crate) async fn somebody(&self, name: &str, number: &str) -> stoa_kernel::UserId {
        let user = person(self, name);
        let token = self.token(user, &[]);
        let path = "/api/v1/notifications/phone";
        let set = self.put(path).bearer(&token).json(&json!({ "number": number }));
        set.send().await.expect(202);
        self.settle().await;
        let (to, text) = self.sent().pop().unwrap();
        assert_eq!(to, number);
        let body = json!({ "code": text[..6] });
        let verify = self.post(&format!("{path}/verify")).bearer(&token).json(&body);
        verify.send().await.expect(200);
        // It is said to them.
        self.settle().await;
        user
    }
}

fn reqwest_form(body: &str) -> std::collections::BTreeMap<String, String> {
    let url = format!("http://localhost/?{body}");
    let uri: http::Uri = url.parse().unwrap();
    let query = axum::extract::Query::<std::collections::BTreeMap<String, String>>::try_from_uri(&uri);
    query.unwrap().0
}

fn problem(status: u16, code: u32, message: &str) -> Answer {
    Answer::new(
        status,
        json!({ "code": code, "message": message, "status": status }),
    )
}

#[db_test]
async fn a_busy_provider_is_asked_again_when_it_says_and_that_is_no_failure(app: ByTwilio) {
    let ada = app.somebody("ada", "+491701234567").await;
    app.1
        .next(problem(429, 20429, "Too Many Requests").with("retry-after", "120"));
    let event = stoa_notifications_api::NotificationRequested::to("shop.parcel", ada, json!({"at": "9"}));
    app.emit(&event).await;
    let stands_so = async |code: &str| {
        let all = deliveries(&app, ada).await;
        all.first()
            .is_some_and(|one| steps(one, "sms").last().is_some_and(|last| last == code))
    };
    eventually("it is put off", async || stands_so("put_off").await).await;
    assert_eq!(
        stands(&deliveries(&app, ada).await[0], "sms"),
        ("waiting".into(), "put_off".into())
    );
    app.advance(Duration::from_secs(60)).await;
    assert_eq!(app.sent().len(), 2, "it is not asked before its time");
    app.clock().advance(Duration::from_secs(61));
    eventually("it is sent", async || stands_so("sent").await).await;
    assert_eq!(app.sent().len(), 3);
    assert_eq!(
        steps(&deliveries(&app, ada).await[0], "sms"),
        ["queued", "put_off", "sent"]
    );
}

#[db_test]
async fn a_number_that_is_refused_gets_nothing_more_and_what_twilio_says_shows_none(app: ByTwilio) {
    let ada = app.somebody("ada", "+491701234567").await;
    app.1.next(problem(
        400,
        21610,
        "Attempt to send to unsubscribed recipient +491701234567",
    ));
    notify(&app, "shop.parcel", ada, json!({"at": "9"})).await;
    notify(&app, "shop.parcel", ada, json!({"at": "10"})).await;
    let all = deliveries(&app, ada).await;
    assert_eq!(steps(&all[1], "sms"), ["queued", "refused"]);
    assert_eq!(steps(&all[0], "sms"), ["queued", "suppressed"]);
    assert!(!format!("{all:?}").contains("1701234567"), "{all:?}");
    assert_eq!(app.sent().len(), 2);
    let call = app.get("/api/v1/notifications/suppressions");
    let token = app.token(app.new_user(), &["suppressions.read"]);
    let page: Value = call.bearer(&token).send().await.expect(200).value();
    assert_eq!(
        (&page["items"][0]["channel"], &page["items"][0]["address"]),
        (&json!("sms"), &json!("+49***67"))
    );
    // The number shows by a new code that it takes messages.
    let delete = app
        .delete("/api/v1/notifications/phone")
        .bearer(&app.token(ada, &[]));
    delete.send().await.expect(204);
    let bob = app.somebody("bob", "+491701234567").await;
    notify(&app, "shop.parcel", bob, json!({"at": "11"})).await;
    assert_eq!(steps(&deliveries(&app, bob).await[0], "sms"), ["queued", "sent"]);
}

#[db_test]
async fn a_code_that_is_refused_says_so_and_unserved_numbers_get_none(app: ByTwilio) {
    let ada = person(&app, "ada");
    let token = app.token(ada, &[]);
    let path = "/api/v1/notifications/phone";
    let set = async |number: &str| {
        app.put(path)
            .bearer(&token)
            .json(&json!({ "number": number }))
            .send()
            .await
    };
    stoa_testkit::assert_problem(&set("+15005550006").await, 422, "invalid_input", &["number"]);
    assert!(app.sent().is_empty());
    app.1
        .next(problem(400, 21614, "'To' number is not a valid mobile number"));
    set("+491701234567").await.expect(202);
    app.settle().await;
    let mine = app.get(path).bearer(&token).send().await.expect(200).value();
    assert_eq!(mine["pending"]["state"], "refused");
    // A busy provider is waited for.
    app.1
        .next(problem(503, 20503, "Service unavailable").with("retry-after", "5"));
    set("+491701234568").await.expect(202);
    eventually("it was asked", async || app.sent().len() == 2).await;
    app.clock().advance(Duration::from_secs(6));
    eventually("it is sent", async || app.sent().len() == 3).await;
    app.settle().await;
    let mine = app.get(path).bearer(&token).send().await.expect(200).value();
    assert_eq!(mine["pending"]["state"], "sent");
}
