//! Mails with details that auth is asked for when they are sent, and those to recipients whom only auth knows.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_auth_api::{events::UserErased, testing::FakeAuth};
use stoa_db::{Db, Engine, db_test};
use stoa_kernel::{Id, UserId};
use stoa_notifications_api::{NotificationRequested, Recipients, Reference};
use stoa_testkit::{Builder, TestApp, assert_problem, eventually};
use uuid::Uuid;

use crate::{
    helpers::{App, deliveries, notify, operator, person, rows, stands, steps, with_env},
    smtp::MailServer,
};

fn new_id(app: &TestApp) -> Uuid {
    Id::<()>::new(app.clock()).uuid()
}

/// Has auth ask for a mail to an address without an account.
async fn invite(app: &TestApp, id: Uuid, key: &str) {
    let kind = "invitation".to_owned();
    app.emit(&NotificationRequested {
        kind: "shop.invitation".to_owned(),
        recipients: Recipients::Reference(Reference { kind, id }),
        data: json!({ "shop": "Engines" }),
        idempotency_key: key.to_owned(),
        send_at: None,
    })
    .await;
    app.settle().await;
}

/// The only delivery of invitations.
async fn invitation(app: &TestApp) -> Value {
    let token = operator(app);
    let path = "/api/v1/notifications/history?type=shop.invitation";
    let page = app.get(path).bearer(&token).send().await.expect(200).value();
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{items:?}");
    let path = format!(
        "/api/v1/notifications/history/{}",
        items[0]["id"].as_str().unwrap()
    );
    app.get(&path).bearer(&token).send().await.expect(200).value()
}

/// Tables that have a row with this in it.
async fn tables_with(db: &Db, text: &str) -> Vec<String> {
    let (tables, columns) = match db.begin().await.unwrap().engine() {
        Engine::Sqlite => (
            "SELECT name FROM sqlite_master WHERE type = 'table'".to_owned(),
            "SELECT name FROM pragma_table_info($1)",
        ),
        Engine::Postgres => (
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = current_schema()".to_owned(),
            "SELECT CAST(column_name AS TEXT) FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1",
        ),
    };
    let mut found = Vec::new();
    for table in db.fetch_all::<String>(&tables, &[]).await.unwrap() {
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
async fn a_mail_says_its_details_and_they_are_kept_nowhere(app: App) {
    let ada = person(&app, "ada");
    let auth: &FakeAuth = app.stand_in();
    auth.mail("shop.reset", None);
    notify(&app, "shop.reset", ada, json!({ "shop": "Engines" })).await;
    let mails = app.mails().await;
    let (link, text) = (auth.links().remove(0), &mails[0].text);
    assert_eq!(text, &format!("Engines for ada@example.com: {link}"));
    assert!(link.contains("secret-1"));
    let delivery = &deliveries(&app, ada).await[0];
    assert_eq!(steps(delivery, "email"), ["queued", "sent"]);
    assert_eq!(tables_with(app.db(), "secret-").await, [""; 0]);
    // The search does find what is there.
    assert!(
        tables_with(app.db(), "Engines")
            .await
            .contains(&"notifications.data".to_owned())
    );
}

#[db_test]
async fn a_mail_that_is_no_longer_needed_is_not_sent_and_the_history_says_why(app: App) {
    let ada = person(&app, "ada");
    notify(&app, "shop.reset", ada, json!({ "shop": "x" })).await;
    assert!(app.mails().await.is_empty());
    let delivery = &deliveries(&app, ada).await[0];
    assert_eq!(stands(delivery, "email"), ("skipped".into(), "not_needed".into()));
    let words = delivery["steps"][1]["text"].as_str().unwrap();
    assert_eq!(words, "Not sent: it was withdrawn");
}

#[db_test]
async fn who_was_erased_gets_no_link(app: App) {
    let ada = person(&app, "ada");
    let auth: &FakeAuth = app.stand_in();
    auth.mail("shop.reset", None);
    auth.contacts_away(true);
    app.emit(&NotificationRequested::to(
        "shop.reset",
        ada,
        json!({ "shop": "x" }),
    ))
    .await;
    let waits = async || rows(&app, "deliveries").await == 1;
    eventually("it is on its way", waits).await;
    app.emit(&UserErased { user_id: ada }).await;
    eventually("all is erased", async || rows(&app, "deliveries").await == 0).await;
    auth.contacts_away(false);
    app.advance(Duration::from_secs(600)).await;
    app.settle().await;
    assert!(auth.links().is_empty() && app.mails().await.is_empty());
}

#[db_test]
async fn a_recipient_without_an_account_gets_a_mail_where_auth_says(app: App) {
    let auth: &FakeAuth = app.stand_in();
    auth.mail("shop.invitation", Some("grace@example.org"));
    let id = new_id(&app);
    invite(&app, id, "once").await;
    // The same event again.
    invite(&app, id, "once").await;
    let mails = app.mails().await;
    assert_eq!(mails.len(), 1);
    let link = auth.links().remove(0);
    assert_eq!(
        (&*mails[0].to, mails[0].text.as_str()),
        (
            "grace@example.org",
            format!("Join Engines, grace@example.org: {link}").as_str()
        )
    );
    let delivery = invitation(&app).await;
    assert_eq!(
        (&delivery["user_id"], &delivery["reference"]),
        (&Value::Null, &json!({ "kind": "invitation", "id": id }))
    );
    assert_eq!(delivery["channels"][0]["address"], "g***@example.org");
    assert_eq!(steps(&delivery, "email"), ["queued", "sent"]);
    assert_eq!(tables_with(app.db(), "grace").await, [""; 0]);
    let people: i64 = app
        .db()
        .fetch_one("SELECT COUNT(*) FROM people", &[])
        .await
        .unwrap();
    assert_eq!(people, 0, "nothing is known of a person");
}

#[db_test]
async fn an_invitation_that_was_withdrawn_before_it_is_sent_is_not(app: App) {
    invite(&app, new_id(&app), "once").await;
    assert!(app.mails().await.is_empty());
    let delivery = invitation(&app).await;
    assert_eq!(
        stands(&delivery, "email"),
        ("skipped".into(), "not_needed".into())
    );
}

#[db_test]
async fn nobody_but_a_service_asks_for_them_and_each_goes_to_whom_it_is_for(app: App) {
    let ada = person(&app, "ada");
    let token = app.token(app.new_user(), &["notifications.send", "templates.write"]);
    let body = json!({ "type": "shop.reset", "users": [ada], "data": {} });
    let answer = app
        .post("/api/v1/notifications/send")
        .bearer(&token)
        .json(&body)
        .send()
        .await;
    assert_problem(&answer, 422, "invalid_input", &["type"]);
    let text = json!({ "subject": "x", "text": "https://evil.example/?{{ link }}", "html": "", "link": "" });
    let answer = app
        .put("/api/v1/notifications/templates/shop.reset/email/en")
        .bearer(&token)
        .json(&text)
        .send()
        .await;
    assert_problem(&answer, 409, "template_fixed", &[]);
    // What is no person's has no digest to wait in, and what goes to people has details only where it is critical.
    app.emit(&NotificationRequested::to("shop.invitation", ada, json!({})))
        .await;
    let kind = "invitation".to_owned();
    app.emit(&NotificationRequested {
        recipients: Recipients::Reference(Reference {
            kind,
            id: new_id(&app),
        }),
        ..NotificationRequested::to("order.shipped", ada, json!({ "order": "1" }))
    })
    .await;
    let dead = async || {
        let sql = "SELECT COUNT(*) FROM jobs WHERE queue = 'notifications.request' AND state = 'dead'";
        app.db().fetch_one::<i64>(sql, &[]).await.unwrap() == 2
    };
    eventually("their senders have made a mistake", dead).await;
    assert!(app.mails().await.is_empty());
}

/// With a mail server; `more` goes to the end of its address.
fn with_server(more: &'static str) -> Builder {
    let server = MailServer::default();
    let serving = server.clone();
    let app = with_env(move |mut env| {
        serving.serve(&mut env, more);
        env
    });
    app.stand_in(server, |_, _| {})
}

async fn reset(app: &TestApp, user: UserId) {
    app.emit(&NotificationRequested::to(
        "shop.reset",
        user,
        json!({ "shop": "x" }),
    ))
    .await;
}

mod away {
    use super::*;

    stoa_testkit::app!(App, with_server(""));

    #[db_test]
    async fn while_the_mail_server_is_away_for_an_hour_nothing_is_lost(app: App) {
        let (ada, server) = (person(&app, "ada"), app.stand_in::<MailServer>());
        let auth: &FakeAuth = app.stand_in();
        auth.mail("shop.reset", None);
        server.set_away(true);
        reset(&app, ada).await;
        for attempt in 1..=5 {
            let failed = async || {
                let all = deliveries(&app, ada).await;
                let steps = all.first().map(|one| steps(one, "email")).unwrap_or_default();
                steps.iter().filter(|code| *code == "attempt_failed").count() == attempt
            };
            eventually("an attempt has failed", failed).await;
            app.clock().advance(Duration::from_secs(900));
        }
        // It waits until the last of these is over.
        server.set_away(false);
        app.clock().advance(Duration::from_secs(900));
        eventually("it is sent", async || !server.taken().is_empty()).await;
        app.settle().await;
        let (taken, links) = (server.taken(), auth.links());
        assert_eq!(taken.len(), 1);
        // Each attempt has a link of its own.
        let last = links.last().unwrap();
        assert!(
            links.len() > 5 && taken[0].contains(last),
            "{last} in {}",
            taken[0]
        );
        let all = deliveries(&app, ada).await;
        assert_eq!(stands(&all[0], "email"), ("sent".into(), "sent".into()));
        assert_eq!(tables_with(app.db(), "secret-").await, [""; 0]);
    }
}

mod capped {
    use super::*;

    stoa_testkit::app!(App, with_server("&per_minute=1"));

    #[db_test]
    async fn a_provider_that_asks_to_wait_is_waited_for_without_an_attempt(app: App) {
        let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
        let server: &MailServer = app.stand_in();
        app.stand_in::<FakeAuth>().mail("shop.reset", None);
        reset(&app, ada).await;
        eventually("the first is sent", async || server.taken().len() == 1).await;
        reset(&app, bob).await;
        let postponed = async || {
            let all = deliveries(&app, bob).await;
            !all.is_empty() && stands(&all[0], "email").1 == "put_off"
        };
        eventually("the second waits", postponed).await;
        let attempts: i64 = app
            .db()
            .fetch_one(
                "SELECT CAST(SUM(attempts) AS BIGINT) FROM jobs WHERE queue = 'notifications.send_critical'",
                &[],
            )
            .await
            .unwrap();
        assert_eq!(attempts, 0, "no attempt was used up");
        app.clock().advance(Duration::from_secs(80));
        eventually("it is sent", async || server.taken().len() == 2).await;
        app.settle().await;
        assert_eq!(
            steps(&deliveries(&app, bob).await[0], "email"),
            ["queued", "put_off", "sent"]
        );
    }
}
