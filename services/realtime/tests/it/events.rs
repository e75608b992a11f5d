//! Server-sent events.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_events::Channel;
use stoa_testkit::{TestApp, assert_problem};
use tokio::time::timeout;

use crate::helpers::{App, numbers, publish};

const PATH: &str = "/api/v1/realtime/events";

/// A client that reads one stream.
struct Reader {
    body: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
    /// Of the last event.
    id: String,
}

impl Reader {
    async fn open(app: &TestApp, query: &str, headers: &[(&str, &str)]) -> Self {
        let url = format!("http://{}{PATH}?{query}", app.address());
        let mut request = reqwest::Client::new().get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        Self {
            body: answer.bytes_stream().boxed(),
            text: String::new(),
            id: String::new(),
        }
    }

    /// The next event's data; none at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let lines = event.lines().filter_map(|line| line.strip_prefix(name));
                    lines.collect::<Vec<_>>().join("\n")
                };
                let id = field("id: ");
                if !id.is_empty() {
                    self.id = id;
                }
                let data = field("data: ");
                if !data.is_empty() {
                    return Some(serde_json::from_str(&data).unwrap());
                }
                continue;
            }
            let chunk = timeout(Duration::from_secs(10), self.body.next()).await;
            match chunk.expect("something is sent in time") {
                Some(Ok(bytes)) => self.text.push_str(std::str::from_utf8(&bytes).unwrap()),
                _ => return None,
            }
        }
    }

    async fn take(&mut self, count: usize) -> Vec<Value> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.push(self.next().await.unwrap());
        }
        taken
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[db_test]
async fn channels_are_followed_and_recovered_by_the_last_id(app: App) {
    let (user, organization) = (app.new_user(), app.new_organization());
    let token = app.member_token(user, organization, stoa_kernel::OrganizationRole::Member);
    let channels = [Channel::user(user), Channel::organization(organization)];
    let query = format!("channels={},{}", channels[0], channels[1]);
    let authorization = bearer(&token);
    let mut reader = Reader::open(&app, &query, &[("authorization", &authorization)]).await;
    for (begun, channel) in reader.take(2).await.iter().zip(&channels) {
        assert_eq!(begun["subscribed"]["channel"], json!(channel));
    }
    for number in 0..3 {
        publish(&app, &channels[0], number).await;
        publish(&app, &channels[1], number + 10).await;
    }
    let mut seen = numbers(&reader.take(6).await);
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 10, 11, 12]);
    let last = reader.id.clone();
    drop(reader);
    for number in 3..6 {
        publish(&app, &channels[0], number).await;
    }
    app.settle().await;
    let by_header = [
        ("authorization", authorization.as_str()),
        ("last-event-id", &last),
    ];
    let by_query = format!("{query}&last_event_id={last}");
    let readers = [
        Reader::open(&app, &query, &by_header).await,
        Reader::open(&app, &by_query, &by_header[..1]).await,
    ];
    for mut reader in readers {
        let begun = reader.next().await.unwrap();
        assert_eq!(begun["subscribed"]["recovered"], true);
        let events = reader.take(4).await;
        let messages: Vec<_> = events
            .into_iter()
            .filter(|event| event.get("data").is_some())
            .collect();
        assert_eq!(numbers(&messages), [3, 4, 5]);
    }
}

#[db_test]
async fn a_stream_is_opened_by_cookie_key_and_ticket(app: App) {
    let user = app.new_user();
    let channel = Channel::user(user);
    let query = format!("channels={channel}");
    let cookie = app.cookie_session(user, &[]);
    let cookies = format!("stoa_access={}", cookie.access);
    let mut by_cookie = Reader::open(&app, &query, &[("cookie", &cookies)]).await;
    let key = app.api_key(user, &["realtime.read"]);
    let mut by_key = Reader::open(&app, &query, &[("x-api-key", &key)]).await;
    let ticket = app
        .post("/api/v1/realtime/tickets")
        .session(&cookie)
        .send()
        .await
        .expect(201)
        .value();
    let ticket = ticket["ticket"].as_str().unwrap();
    let with_ticket = format!("{query}&ticket={ticket}");
    let mut by_ticket = Reader::open(&app, &with_ticket, &[]).await;
    publish(&app, &channel, 7).await;
    for reader in [&mut by_cookie, &mut by_key, &mut by_ticket] {
        assert_eq!(reader.take(2).await[1]["data"]["number"], 7);
    }
    let again = app.get(&format!("{PATH}?{with_ticket}")).send().await;
    assert_problem(&again, 401, "ticket_invalid", &[]);
    app.revoke_session(cookie.session);
    app.revoke_api_key(&key);
    for (reader, code) in [
        (&mut by_cookie, "token_revoked"),
        (&mut by_ticket, "token_revoked"),
        (&mut by_key, "unauthenticated"),
    ] {
        assert_eq!(reader.next().await.unwrap()["disconnect"]["code"], code);
        assert_eq!(reader.next().await, None);
    }
}

#[db_test]
async fn a_stream_that_may_not_be_is_refused_before_it_begins(app: App) {
    let user = app.new_user();
    let token = app.token(user, &["*"]);
    let own = Channel::user(user);
    let get = |query: String| app.get(&format!("{PATH}?{query}"));
    assert_problem(
        &get(format!("channels={own}")).send().await,
        401,
        "unauthenticated",
        &[],
    );
    let bad = get(format!("channels={own}")).bearer("nonsense").send().await;
    assert_problem(&bad, 401, "unauthenticated", &[]);
    let others = Channel::user(app.new_user());
    for (query, status, code) in [
        (format!("channels={own},{others}"), 403, "forbidden"),
        ("channels=nothing:1".to_owned(), 404, "not_found"),
    ] {
        assert_problem(&get(query).bearer(&token).send().await, status, code, &[]);
    }
    for query in [
        "channels=x".to_owned(),
        "channels=".to_owned(),
        format!("channels={own},{own}"),
    ] {
        let refused = get(query).bearer(&token).send().await;
        assert_problem(&refused, 422, "invalid_input", &["channels"]);
    }
    let many: Vec<_> = (0..21).map(|n| format!("order:{n}")).collect();
    let refused = get(format!("channels={}", many.join(",")))
        .bearer(&token)
        .send()
        .await;
    assert_problem(&refused, 422, "invalid_input", &["channels"]);
}

#[db_test]
async fn a_stream_ends_with_its_process(app: App) {
    let user = app.new_user();
    let authorization = bearer(&app.token(user, &[]));
    let query = format!("channels={}", Channel::user(user));
    let mut reader = Reader::open(&app, &query, &[("authorization", &authorization)]).await;
    reader.next().await.unwrap();
    app.drain();
    let told = reader.next().await.unwrap();
    assert_eq!(told["disconnect"]["code"], "shutdown");
    assert!(told["disconnect"]["reconnect_after_ms"].is_u64());
    assert_eq!(reader.next().await, None);
}
