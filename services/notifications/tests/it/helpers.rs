//! The app that the tests run: notifications, and a shop that has types of its own.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_auth_api::testing::FakeAuth;
use stoa_db::{Db, FromRow};
use stoa_kernel::UserId;
use stoa_notifications::{NotificationsConfig, SERVICE, service};
use stoa_notifications_api::NotificationRequested;
use stoa_service::{
    Channel, Criticality, DefaultTemplate, Descriptor, Env, NotificationType, Service, Throttle,
};
use stoa_testkit::{Builder, TestApp, settings};

/// A shop that writes to its customers.
pub(crate) static SHOP: Descriptor = Descriptor {
    about: "a shop",
    notifications: &[SHIPPED, ALARM, NEWS, BROKEN, PARCEL, DOOR, RESET, INVITATION],
    ..Descriptor::named("shop")
};

/// By mail and in the inbox, in two languages, three an hour.
const SHIPPED: NotificationType = NotificationType {
    about: "An order was shipped",
    channels: &[Channel::InApp, Channel::Email],
    throttle: Some(Throttle {
        most: 3,
        within: Duration::from_secs(3600),
    }),
    sample: r#"{"order": "A-1"}"#,
    templates: &[
        DefaultTemplate {
            subject: "Your order {{ order }} was shipped",
            text: "Order {{ order }} is on its way.",
            html: "{% extends 'layout.html' %}{% block body %}<p>Order <b>{{ order }}</b> is on its way.</p>{% endblock %}",
            link: "/orders/{{ order }}",
            ..DefaultTemplate::empty(Channel::Email, "en")
        },
        DefaultTemplate {
            subject: "Ihre Bestellung {{ order }} ist unterwegs",
            text: "Bestellung {{ order }} ist unterwegs.",
            ..DefaultTemplate::empty(Channel::Email, "de")
        },
        DefaultTemplate {
            subject: "Order {{ order }}",
            text: "It is on its way.",
            link: "/orders/{{ order }}",
            ..DefaultTemplate::empty(Channel::InApp, "en")
        },
    ],
    ..NotificationType::named("order.shipped", "orders")
};

/// Whatever people have chosen.
const ALARM: NotificationType = NotificationType {
    about: "Something is on fire",
    criticality: Criticality::Critical,
    channels: &[Channel::InApp, Channel::Email],
    templates: &[
        DefaultTemplate {
            subject: "Fire",
            text: "Leave the shop.",
            ..DefaultTemplate::empty(Channel::Email, "en")
        },
        DefaultTemplate {
            subject: "Fire",
            text: "Leave the shop.",
            ..DefaultTemplate::empty(Channel::InApp, "en")
        },
        DefaultTemplate {
            text: "Leave the shop.",
            ..DefaultTemplate::empty(Channel::Sms, "en")
        },
    ],
    ..NotificationType::named("shop.alarm", "security")
};

/// To many.
const NEWS: NotificationType = NotificationType {
    about: "News of the shop",
    criticality: Criticality::Bulk,
    channels: &[Channel::InApp],
    templates: &[DefaultTemplate {
        subject: "News",
        text: "Everything must go.",
        ..DefaultTemplate::empty(Channel::InApp, "en")
    }],
    ..NotificationType::named("shop.news", "news")
};

/// Its senders do not always give what its template wants.
const BROKEN: NotificationType = NotificationType {
    about: "Something with a template that wants much",
    channels: &[Channel::InApp, Channel::Email],
    sample: r#"{"much": "x"}"#,
    templates: &[
        DefaultTemplate {
            subject: "{{ much }}",
            text: "x",
            ..DefaultTemplate::empty(Channel::Email, "en")
        },
        DefaultTemplate {
            subject: "x",
            text: "{{ much }}",
            ..DefaultTemplate::empty(Channel::InApp, "en")
        },
    ],
    ..NotificationType::named("shop.broken", "orders")
};

/// To phones.
const PARCEL: NotificationType = NotificationType {
    about: "A parcel arrives",
    channels: &[Channel::Sms],
    sample: r#"{"at": "10:30"}"#,
    templates: &[
        DefaultTemplate {
            text: "Your parcel comes at {{ at }}.",
            link: "/parcels",
            ..DefaultTemplate::empty(Channel::Sms, "en")
        },
        DefaultTemplate {
            text: "Ihr Paket kommt um {{ at }}.",
            ..DefaultTemplate::empty(Channel::Sms, "de")
        },
    ],
    ..NotificationType::named("shop.parcel", "parcels")
};

/// To browsers and phones.
const DOOR: NotificationType = NotificationType {
    about: "Somebody is at the door",
    channels: &[Channel::Push],
    sample: r#"{"who": "Bob"}"#,
    templates: &[DefaultTemplate {
        subject: "Somebody is at the door",
        text: "{{ who }} rings.",
        link: "/door",
        ..DefaultTemplate::empty(Channel::Push, "en")
    }],
    ..NotificationType::named("shop.door", "door")
};

/// With a link that auth makes when it is sent.
const RESET: NotificationType = NotificationType {
    about: "A link to a new password",
    criticality: Criticality::Critical,
    channels: &[Channel::Email],
    details: true,
    sample: r#"{"shop": "Engines", "link": "https://stoa.example/link?token=abc"}"#,
    templates: &[DefaultTemplate {
        subject: "A new password for {{ shop }}",
        text: "{{ shop }} for {{ email }}: {{ link }}",
        ..DefaultTemplate::empty(Channel::Email, "en")
    }],
    ..NotificationType::named("shop.reset", "security")
};

/// To people whom only auth knows.
const INVITATION: NotificationType = NotificationType {
    about: "An invitation",
    channels: &[Channel::Email],
    details: true,
    sample: r#"{"shop": "Engines", "link": "https://stoa.example/link?token=abc"}"#,
    templates: &[DefaultTemplate {
        subject: "Join {{ shop }}",
        text: "Join {{ shop }}, {{ email }}: {{ link }}",
        ..DefaultTemplate::empty(Channel::Email, "en")
    }],
    ..NotificationType::named("shop.invitation", "shop")
};

stoa_testkit::app!(
    /// notifications as it is by default.
    pub(crate) App,
    builder(|_| {})
);

pub(crate) fn builder(change: impl FnOnce(&mut NotificationsConfig)) -> Builder {
    let mut config: NotificationsConfig = settings("notifications");
    change(&mut config);
    built(config, |env| env)
}

/// The same with other providers.
pub(crate) fn with_env(change: impl FnOnce(Env) -> Env + Send + 'static) -> Builder {
    built(settings("notifications"), change)
}

fn built(config: NotificationsConfig, change: impl FnOnce(Env) -> Env + Send + 'static) -> Builder {
    TestApp::builder()
        .service(&SERVICE, |env| service(change(env), config).unwrap())
        .service(&SHOP, |_| bare(SHOP.name))
        .stand_in(FakeAuth::default(), FakeAuth::serve)
}

/// A service that does nothing.
pub(crate) fn bare(name: &'static str) -> Service {
    Service {
        name,
        router: Default::default(),
        rpc: None,
        subscriptions: Vec::new(),
        jobs: Vec::new(),
        schedules: Vec::new(),
        start: None,
    }
}

/// Somebody with an account and a verified address, `name@example.com`.
pub(crate) fn person(app: &TestApp, name: &str) -> UserId {
    let user = app.new_user();
    let auth: &FakeAuth = app.stand_in();
    auth.contact(user, &format!("{name}@example.com"), true);
    user
}

/// Sets somebody's number, and gives the code that was sent there.
pub(crate) async fn phone(app: &TestApp, user: UserId, number: &str) {
    let token = app.token(user, &[]);
    let path = "/api/v1/notifications/phone";
    let set = app.put(path).bearer(&token).json(&json!({ "number": number }));
    set.send().await.expect(202);
    app.settle().await;
    let code = code_to(app, number).await;
    let verify = app.post(&format!("{path}/verify")).bearer(&token);
    verify.json(&json!({ "code": code })).send().await.expect(200);
    // It is said to them.
    app.settle().await;
}

/// The code of the newest message to a number.
pub(crate) async fn code_to(app: &TestApp, number: &str) -> String {
    let texts = app.texts().await;
    let newest = texts.iter().find(|sms| sms.to == number).unwrap();
    newest.text.chars().take(6).collect()
}

/// The shop asks for a notification to one person, and it goes out.
pub(crate) async fn notify(app: &TestApp, kind: &str, user: UserId, data: Value) {
    app.emit(&NotificationRequested::to(kind, user, data)).await;
    app.settle().await;
}

/// An order of theirs was shipped.
pub(crate) async fn shipped(app: &TestApp, user: UserId, order: &str) {
    notify(app, "order.shipped", user, json!({ "order": order })).await;
}

/// The same, without waiting for anything.
pub(crate) async fn shipped_later(app: &TestApp, user: UserId, order: &str) {
    let event = NotificationRequested::to("order.shipped", user, json!({ "order": order }));
    app.emit(&event).await;
}

/// Somebody's inbox, by a query.
pub(crate) async fn inbox(app: &TestApp, user: UserId, query: &str) -> Vec<Value> {
    let path = format!("/api/v1/notifications?limit=100{query}");
    let page = app.get(&path).bearer(&app.token(user, &[])).send().await;
    page.expect(200).value()["items"].as_array().unwrap().clone()
}

/// Titles of somebody's inbox, by a query.
pub(crate) async fn titles(app: &TestApp, user: UserId, query: &str) -> Vec<String> {
    let items = inbox(app, user, query).await;
    items
        .iter()
        .map(|item| item["title"].as_str().unwrap().to_owned())
        .collect()
}

/// How many are unread, and how many there are.
pub(crate) async fn counts(app: &TestApp, user: UserId) -> (i64, i64) {
    let answer = app
        .get("/api/v1/notifications/count")
        .bearer(&app.token(user, &[]))
        .send()
        .await;
    let counts = answer.expect(200).value();
    (
        counts["unread"].as_i64().unwrap(),
        counts["total"].as_i64().unwrap(),
    )
}

/// A token of somebody who may send and read the history.
pub(crate) fn operator(app: &TestApp) -> String {
    app.token(app.new_user(), &["notifications.send", "notifications.read"])
}

/// The deliveries to a person with their channels and steps, newest first.
pub(crate) async fn deliveries(app: &TestApp, user: UserId) -> Vec<Value> {
    let token = operator(app);
    let path = format!("/api/v1/notifications/history?limit=100&user_id={user}");
    let page = app.get(&path).bearer(&token).send().await.expect(200).value();
    let mut all = Vec::new();
    for row in page["items"].as_array().unwrap() {
        let path = format!("/api/v1/notifications/history/{}", row["id"].as_str().unwrap());
        all.push(app.get(&path).bearer(&token).send().await.expect(200).value());
    }
    all
}

/// The codes of the steps of a delivery by one channel, in order.
pub(crate) fn steps(delivery: &Value, channel: &str) -> Vec<String> {
    let steps = delivery["steps"].as_array().unwrap();
    let of = steps.iter().filter(|step| step["channel"] == channel);
    of.map(|step| step["code"].as_str().unwrap().to_owned()).collect()
}

/// State and code of a delivery by one channel.
pub(crate) fn stands(delivery: &Value, channel: &str) -> (String, String) {
    let channels = delivery["channels"].as_array().unwrap();
    let found = channels.iter().find(|one| one["channel"] == channel).unwrap();
    let text = |name: &str| found[name].as_str().unwrap().to_owned();
    (text("state"), text("code"))
}

/// Rows of a table.
pub(crate) async fn rows(app: &TestApp, table: &str) -> i64 {
    one(app.db(), &format!("SELECT COUNT(*) FROM {table}")).await
}

pub(crate) async fn one<T: FromRow>(db: &Db, sql: &str) -> T {
    db.fetch_one(sql, &[]).await.unwrap()
}
