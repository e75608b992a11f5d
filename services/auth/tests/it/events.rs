//! What the others are told.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use serde::Serialize;
use serde_json::{Value, json};
use stoa_auth_api::events::{AccessChanged, RoleChanged, SessionRevoked, UserErased, UserRegistered};
use stoa_db::{Engine, db_test};
use stoa_events::{Event, Subscription, Work};
use stoa_service::{Descriptor, Service};
use stoa_testkit::TestApp;
use utoipa_axum::router::OpenApiRouter;

use crate::{PASSWORD, SignedIn, auth, claims};

/// Auth, and a service that receives all of its events.
struct App {
    app: TestApp,
    received: Notice,
}

type Notice = Arc<Mutex<Vec<(&'static str, Value)>>>;

impl stoa_db::testing::DbTest for App {
    type Guard = TestApp;

    async fn setup(engine: Engine) -> (Self, TestApp) {
        let received = Notice::default();
        let kept = Arc::clone(&received);
        let app = auth(|_| {})
            .service(&LISTENER, move |_| listener(&kept))
            .start(engine)
            .await;
        (
            Self {
                app: app.clone(),
                received,
            },
            app,
        )
    }

    async fn teardown(app: TestApp) {
        app.stop().await;
    }
}

impl App {
    async fn received(&self) -> Vec<(&'static str, Value)> {
        self.app.settle().await;
        std::mem::take(&mut *self.received.lock().unwrap())
    }
}

const LISTENER: Descriptor = Descriptor {
    wants: &[
        UserRegistered::NAME,
        SessionRevoked::NAME,
        AccessChanged::NAME,
        RoleChanged::NAME,
        UserErased::NAME,
    ],
    ..Descriptor::named("listener")
};

fn listener(received: &Notice) -> Service {
    Service {
        name: "listener",
        router: OpenApiRouter::new(),
        rpc: None,
        subscriptions: vec![
            receive::<UserRegistered>("listener.registered", received),
            receive::<SessionRevoked>("listener.revoked", received),
            receive::<AccessChanged>("listener.access", received),
            receive::<RoleChanged>("listener.role", received),
            receive::<UserErased>("listener.erased", received),
        ],
        jobs: Vec::new(),
        schedules: Vec::new(),
        start: None,
    }
}

fn receive<E: Event + Serialize>(name: &'static str, received: &Notice) -> Subscription {
    let received = Arc::clone(received);
    Subscription::new(name, move |work: Work<E>| {
        let received = Arc::clone(&received);
        async move {
            received
                .lock()
                .unwrap()
                .push((E::NAME, serde_json::to_value(work.payload()).unwrap()));
            work.done().await
        }
    })
}

#[db_test]
async fn a_registration_is_told_once_and_a_refused_one_never(app: App) {
    let body =
        json!({ "email": "Ada@example.org", "password": PASSWORD, "first_name": " Ada ", "last_name": " " });
    let answer = app
        .app
        .post("/api/v1/auth/register")
        .json(&body)
        .send()
        .await
        .expect(201);
    app.app
        .post("/api/v1/auth/register")
        .json(&body)
        .send()
        .await
        .expect(409);
    let id = &answer.value()["user"]["id"];
    let told = json!({ "user_id": id, "email": "Ada@example.org", "first_name": "Ada", "last_name": null });
    assert_eq!(app.received().await, [("user.registered", told)]);
}

#[db_test]
async fn names_are_told_in_one_form_without_what_cannot_be_seen(app: App) {
    let body = json!({
        "email": "ada@example.org", "password": PASSWORD, "first_name": "\u{feff} Jose\u{301}\u{a0}",
    });
    let register = app.app.post("/api/v1/auth/register").json(&body);
    register.send().await.expect(201);
    assert_eq!(app.received().await[0].1["first_name"], "Jos\u{e9}");
}

#[db_test]
async fn an_ended_session_is_told_with_the_end_of_its_last_token(app: App) {
    let ada = crate::register(&app.app, "ada@example.org").await;
    app.app.clock().advance(std::time::Duration::from_secs(600));
    let again = SignedIn::of(&crate::refresh(&app.app, &ada.refresh).await.expect(200));
    app.received().await;
    app.app
        .post("/api/v1/auth/logout")
        .bearer(&ada.access)
        .send()
        .await
        .expect(204);
    let received = app.received().await;
    let [("session.revoked", event)] = &received[..] else {
        panic!("{received:?}")
    };
    assert_eq!(event["session_id"], claims(&ada.access)["sid"]);
    let until: stoa_kernel::Timestamp = serde_json::from_value(event["until"].clone()).unwrap();
    assert_eq!(until.as_second(), claims(&again.access)["exp"].as_i64().unwrap());
}

#[db_test]
async fn changed_access_and_erasure_are_told(app: App) {
    let root = crate::admin::root(&app.app).await;
    let ada = crate::register(&app.app, "ada@example.org").await;
    app.received().await;
    crate::admin::give(&app.app, &root, ada.id, "admin")
        .await
        .expect(204);
    let received = app.received().await;
    let [("access.changed", event)] = &received[..] else {
        panic!("{received:?}")
    };
    assert_eq!(
        (&event["user_id"], &event["version"]),
        (&json!(ada.id), &json!(1))
    );
    // As long as any access token may live that was issued under another setting.
    let until: stoa_kernel::Timestamp = serde_json::from_value(event["until"].clone()).unwrap();
    let lives = until.duration_since(app.app.clock().now());
    assert!(lives >= SignedDuration::from_hours(24), "{lives}");

    let ada = crate::admin::sign_in(&app.app, "ada@example.org").await;
    let body = json!({ "password": PASSWORD });
    let erase = app
        .app
        .delete("/api/v1/auth/account")
        .bearer(&ada.access)
        .json(&body);
    erase.send().await.expect(204);
    let mut received = app.received().await;
    received.sort_by_key(|(name, _)| *name);
    let names: Vec<_> = received.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["session.revoked", "session.revoked", "user.erased"]);
    assert_eq!(received[2].1, json!({ "user_id": ada.id }));
}
