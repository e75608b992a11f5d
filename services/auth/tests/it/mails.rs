//! What notifications is told when it is about to send a mail that auth has asked for.

use std::time::Duration;

use serde_json::{Map, Value, json};
use stoa_auth_api::{Asked, Mails, Prepared, v1::PrepareMailRequest};
use stoa_db::{Db, Engine, db_test};
use stoa_kernel::UserId;
use stoa_notifications_api::{NotificationRequested, Recipients};
use stoa_testkit::TestApp;
use tonic::Code;

use crate::{
    App, PASSWORD,
    organizations::{found, invite, verified},
    register,
    rpc::client,
    text,
};

/// What auth has asked for of this type, the newest first.
async fn asked(app: &TestApp, kind: &str) -> Vec<NotificationRequested> {
    let mut all = app.emitted::<NotificationRequested>().await;
    all.retain(|one| one.kind == kind);
    all.reverse();
    all
}

/// What auth says to one attempt at a mail.
async fn prepare(app: &TestApp, asked: &NotificationRequested, user: Option<UserId>) -> Prepared {
    let mails = Mails::new(&app.env().rpc);
    let asked = Asked {
        kind: &asked.kind,
        key: &asked.idempotency_key,
        data: asked.data.as_object().unwrap(),
        user,
    };
    mails.prepare(asked).await.unwrap()
}

#[track_caller]
fn details(prepared: Prepared) -> (Option<String>, Map<String, Value>) {
    match prepared {
        Prepared::Mail { address, details } => (address, details),
        Prepared::NotNeeded(why) => panic!("it is not needed: {why}"),
    }
}

#[track_caller]
fn why_not(prepared: Prepared) -> String {
    match prepared {
        Prepared::Mail { details, .. } => panic!("it is needed: {details:?}"),
        Prepared::NotNeeded(why) => why,
    }
}

/// Tables that have a row with this in it.
async fn tables_with(db: &Db, text: &str) -> Vec<String> {
    let (tables, columns) = match db.begin().await.unwrap().engine() {
        Engine::Sqlite => (
            "SELECT name FROM sqlite_master WHERE type = 'table'",
            "SELECT name FROM pragma_table_info($1)",
        ),
        Engine::Postgres => (
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = current_schema()",
            "SELECT CAST(column_name AS TEXT) FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1",
        ),
    };
    let mut found = Vec::new();
    for table in db.fetch_all::<String>(tables, &[]).await.unwrap() {
        for column in db.fetch_all::<String>(columns, &[&table]).await.unwrap() {
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE CAST({column} AS TEXT) LIKE $1");
            if db.fetch_one::<i64>(&sql, &[&format!("%{text}%")]).await.unwrap() > 0 {
                found.push(format!("{table}.{column}"));
            }
        }
    }
    found
}

#[db_test]
async fn a_link_is_made_for_each_attempt_and_stands_in_no_event_and_no_table(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let event = asked(&app, "account.verify_email").await.remove(0);
    assert_eq!(event.recipients, Recipients::Users(vec![ada.id]));
    assert_eq!(event.data, json!({ "user_id": ada.id }));
    let (address, first) = details(prepare(&app, &event, Some(ada.id)).await);
    let (_, second) = details(prepare(&app, &event, Some(ada.id)).await);
    assert_eq!((address, &first["works_for"]), (None, &json!(172_800)));
    assert_ne!(first["link"], second["link"]);
    let token = |of: &Map<String, Value>| text(&of["link"]).split("token=").nth(1).unwrap().to_owned();
    for name in ["auth", "notifications"] {
        assert_eq!(
            tables_with(&app.env_of(name).db, &token(&first)).await,
            [""; 0],
            "{name}"
        );
    }
    // The search does find what is there.
    assert_eq!(
        tables_with(app.db(), "ada@example.org").await,
        ["accounts.email", "accounts.email_key"]
    );
    // Whichever attempt's mail arrives, its link works.
    let body = json!({ "token": token(&first), "password": PASSWORD });
    let verify = app.post("/api/v1/auth/email/verify").json(&body).send();
    verify.await.expect(204);
    let why = why_not(prepare(&app, &event, Some(ada.id)).await);
    assert_eq!(why, "the address is verified already");
}

#[db_test]
async fn only_what_auth_has_asked_for_is_prepared_and_for_a_week(app: App) {
    let (ada, bob) = (
        register(&app, "ada@example.org").await,
        register(&app, "bob@example.org").await,
    );
    let to_ada = |event: &NotificationRequested| event.recipients == Recipients::Users(vec![ada.id]);
    let all = asked(&app, "account.verify_email").await;
    let event = all.into_iter().find(to_ada).unwrap();
    let with = |change: &dyn Fn(&mut NotificationRequested)| {
        let mut changed = event.clone();
        change(&mut changed);
        changed
    };
    let not_asked = "auth has not asked for it, or too long ago";
    for changed in [
        with(&|event| event.kind = "account.password_reset".to_owned()),
        with(&|event| event.kind = "organization.invitation".to_owned()),
        with(&|event| event.kind = "no.such_type".to_owned()),
        with(&|event| event.data = json!({ "user_id": bob.id })),
        with(&|event| event.data = json!({})),
        with(&|event| event.idempotency_key = "once".to_owned()),
        with(&|event| event.idempotency_key.clear()),
        with(&|event| event.idempotency_key.insert(3, 'x')),
    ] {
        let why = why_not(prepare(&app, &changed, Some(ada.id)).await);
        assert_eq!(why, not_asked, "{changed:?}");
    }
    // A link of one person is none of another's.
    for user in [Some(bob.id), None] {
        let why = why_not(prepare(&app, &event, user).await);
        assert_eq!(why, "there is no account any more");
    }
    for (user_id, data) in [(Some("ada".to_owned()), "{}"), (None, "{")] {
        let request = PrepareMailRequest {
            user_id,
            data: data.to_owned(),
            ..PrepareMailRequest::default()
        };
        let refused = client(&app).prepare_mail(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    app.clock().advance(Duration::from_secs(7 * 86_400 + 1));
    let why = why_not(prepare(&app, &event, Some(ada.id)).await);
    assert_eq!(why, not_asked);
}

#[db_test]
async fn who_is_erased_gets_no_link(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let event = asked(&app, "account.verify_email").await.remove(0);
    let erase = app.delete("/api/v1/auth/account").bearer(&ada.access);
    erase
        .json(&json!({ "password": PASSWORD }))
        .send()
        .await
        .expect(204);
    let why = why_not(prepare(&app, &event, Some(ada.id)).await);
    assert_eq!(why, "there is no account any more");
}

#[db_test]
async fn an_invitation_is_prepared_with_its_address_until_it_is_withdrawn(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let made = invite(&app, &ada, &id, "grace@example.org", "member")
        .await
        .expect(201);
    let event = asked(&app, "organization.invitation").await.remove(0);
    let told = serde_json::to_string(&event).unwrap();
    assert!(!told.contains("grace"), "the event names nobody: {told}");
    let (address, said) = details(prepare(&app, &event, None).await);
    assert_eq!(address.as_deref(), Some("grace@example.org"));
    assert_eq!(
        (&said["organization"], &said["by"]),
        (&json!("Engines"), &json!("ada@example.org"))
    );
    let invitation = text(&made.value()["id"]);
    let path = format!("/api/v1/auth/organizations/{id}/invitations/{invitation}");
    app.delete(&path).bearer(&ada.access).send().await.expect(204);
    let why = why_not(prepare(&app, &event, None).await);
    assert_eq!(why, "it was withdrawn or answered");
}
