//! Tickets are good once, and not for long.

use std::time::Duration;

use serde_json::json;
use stoa_db::db_test;
use stoa_events::Channel;
use stoa_testkit::{TestApp, assert_problem};

use crate::{client::Client, helpers::App};

const PATH: &str = "/api/v1/realtime/tickets";

async fn connect(app: &TestApp, ticket: &str) -> (Client, Option<String>) {
    let mut client = Client::open(app).await;
    let answer = client.ask(json!({ "connect": { "ticket": ticket } })).await;
    let code = answer["problem"]["code"].as_str().map(str::to_owned);
    (client, code)
}

fn text(answer: &stoa_testkit::Answer) -> String {
    answer.value()["ticket"].as_str().unwrap().to_owned()
}

#[db_test]
async fn a_ticket_stands_for_the_credentials_it_was_got_with_once(app: App) {
    let user = app.new_user();
    let cookie = app.cookie_session(user, &[]);
    let by_token = app
        .post(PATH)
        .bearer(&app.token(user, &[]))
        .send()
        .await
        .expect(201);
    assert_eq!(by_token.header("cache-control"), Some("no-store"));
    let by_cookie = app.post(PATH).session(&cookie).send().await.expect(201);
    let by_key = app
        .post(PATH)
        .api_key(&app.api_key(user, &["realtime.read"]))
        .send()
        .await
        .expect(201);
    for answer in [&by_token, &by_cookie, &by_key] {
        let (mut client, refused) = connect(&app, &text(answer)).await;
        assert_eq!(refused, None);
        client.subscribe(&Channel::user(user)).await;
        assert_eq!(
            connect(&app, &text(answer)).await.1.as_deref(),
            Some("ticket_invalid")
        );
    }
    let sessions = app.post(PATH).session(&cookie).send().await.expect(201);
    let (mut client, _) = connect(&app, &text(&sessions)).await;
    app.revoke_session(cookie.session);
    assert_eq!(client.closed().await.1, 4500);
}

#[db_test]
async fn a_ticket_is_soon_over_and_not_for_just_anybody(app: App) {
    let token = app.token(app.new_user(), &[]);
    let answer = app.post(PATH).bearer(&token).send().await.expect(201);
    app.clock().advance(Duration::from_secs(31));
    assert_eq!(
        connect(&app, &text(&answer)).await.1.as_deref(),
        Some("ticket_invalid")
    );
    for text in ["", "x", "ä", &"A".repeat(43)] {
        assert_eq!(
            connect(&app, text).await.1.as_deref(),
            Some("ticket_invalid"),
            "{text}"
        );
    }
    assert_problem(&app.post(PATH).send().await, 401, "unauthenticated", &[]);
    let cookie = app.cookie_session(app.new_user(), &[]);
    let forged = app.post(PATH).cookie("stoa_access", &cookie.access).send().await;
    assert_problem(&forged, 403, "csrf_mismatch", &[]);
}

#[db_test]
async fn of_many_who_show_one_ticket_one_is_let_in(app: App) {
    let token = app.token(app.new_user(), &[]);
    let ticket = text(&app.post(PATH).bearer(&token).send().await.expect(201));
    let tries = (0..10).map(|_| connect(&app, &ticket));
    let let_in = futures::future::join_all(tries).await;
    assert_eq!(let_in.iter().filter(|(_, refused)| refused.is_none()).count(), 1);
}

#[db_test]
async fn what_is_kept_of_a_ticket_shows_neither_it_nor_the_token(app: App) {
    let token = app.token(app.new_user(), &[]);
    app.post(PATH).bearer(&token).send().await.expect(201);
    let kept: Vec<u8> = app
        .db()
        .fetch_one("SELECT sealed FROM tickets", &[])
        .await
        .unwrap();
    assert!(kept.len() > token.len());
    let part = &token.as_bytes()[..20];
    assert!(!kept.windows(part.len()).any(|window| window == part));
    app.advance(Duration::from_secs(3600)).await;
    stoa_testkit::eventually("what nobody has used is gone", async || {
        let left: i64 = app
            .db()
            .fetch_one("SELECT COUNT(*) FROM tickets", &[])
            .await
            .unwrap();
        left == 0
    })
    .await;
}
