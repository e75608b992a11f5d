//! The welcome, which follows from a registration.

use serde_json::json;
use stoa_auth_api::{
    events::{UserErased, UserRegistered},
    testing::FakeAuth,
};
use stoa_db::db_test;
use stoa_kernel::UserId;
use stoa_testkit::TestApp;
use stoa_users_api::events::PreferenceChanged;

use crate::helpers::{App, deliveries, inbox, stands, steps, titles};

fn registration(user_id: UserId) -> UserRegistered {
    UserRegistered {
        user_id,
        email: "ada@example.com".to_owned(),
        first_name: Some("Ada <script>".to_owned()),
        last_name: None,
    }
}

async fn register(app: &TestApp, language: Option<&str>) -> UserId {
    let user = app.new_user();
    app.stand_in::<FakeAuth>().contact(user, "ada@example.com", false);
    if let Some(language) = language {
        app.emit(&PreferenceChanged {
            user_id: user,
            key: "language".to_owned(),
            deleted: false,
            value: Some(json!(language)),
        })
        .await;
        app.settle().await;
    }
    app.emit(&registration(user)).await;
    app.settle().await;
    user
}

#[db_test]
async fn who_has_registered_is_welcomed_by_mail_and_in_the_inbox(app: App) {
    let user = register(&app, None).await;
    let mails = app.mails().await;
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert_eq!(
        (&*mail.to, &*mail.subject),
        ("ada@example.com", "Welcome to Stoa")
    );
    let public_url = &app.env().public_url;
    assert!(
        mail.text
            .contains(&format!("Your account is ready: {public_url}")),
        "{}",
        mail.text
    );
    let html = mail.html.as_ref().unwrap();
    assert!(html.contains(&format!("href=\"{public_url}\"")), "{html}");
    assert!(
        !format!("{mail:?}").contains("Ada"),
        "an unverified address gets nothing that a stranger wrote"
    );
    let items = inbox(&app, user, "").await;
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["title"], "Welcome to Stoa");
    assert_eq!(items[0]["body"], "Hello Ada <script>, your account is ready.");
    assert_eq!(
        (&items[0]["type"], &items[0]["category"]),
        (&json!("account.welcome"), &json!("account"))
    );
    let deliveries = deliveries(&app, user).await;
    assert_eq!(deliveries.len(), 1);
    assert_eq!(stands(&deliveries[0], "email"), ("sent".into(), "sent".into()));
    assert_eq!(steps(&deliveries[0], "email"), ["queued", "sent"]);
    assert_eq!(steps(&deliveries[0], "in_app"), ["shown"]);
    assert_eq!(deliveries[0]["channels"][0]["address"], "a***@example.com");
}

#[db_test]
async fn the_welcome_is_in_the_language_of_the_person_or_the_next_that_there_is(app: App) {
    for (language, subject) in [("de-CH", "Willkommen bei Stoa"), ("el", "Welcome to Stoa")] {
        let user = register(&app, Some(language)).await;
        assert_eq!(titles(&app, user, "").await, [subject], "{language}");
        assert_eq!(app.mails().await[0].subject, subject, "{language}");
    }
}

#[db_test]
async fn an_event_that_comes_again_welcomes_nobody_again(app: App) {
    let user = register(&app, None).await;
    // The same event as another delivery of it: the same row of jobs.
    let mut again = app.db().begin().await.unwrap();
    let sql = "UPDATE jobs SET state = 'ready', payload = $1 WHERE queue = 'notifications.welcome'";
    let payload = serde_json::to_string(&registration(user)).unwrap();
    assert_eq!(again.execute(sql, &[&payload]).await.unwrap(), 1);
    again.signal();
    again.commit().await.unwrap();
    app.settle().await;
    assert_eq!(app.mails().await.len(), 1);
    assert_eq!(inbox(&app, user, "").await.len(), 1);
}

#[db_test]
async fn nobody_is_welcomed_who_was_erased_before(app: App) {
    let user = app.new_user();
    app.emit(&UserErased { user_id: user }).await;
    app.settle().await;
    app.stand_in::<FakeAuth>().contact(user, "ada@example.com", false);
    app.emit(&registration(user)).await;
    app.settle().await;
    assert!(app.mails().await.is_empty());
    assert!(inbox(&app, user, "").await.is_empty());
}
