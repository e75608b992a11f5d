//! What one owner may have.

use futures::{StreamExt, stream};
use serde_json::json;
use stoa_db::db_test;
use stoa_testkit::{TestApp, assert_problem, eventually};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    helpers::{BUCKETS, builder, bytes, count, put, somebody, stored, url, usage},
    leftovers::nothing_pending,
};

stoa_testkit::app!(
    Full,
    builder(|config| (config.bytes_max, config.objects_max, config.uploads_per_caller) = (100_000, 5, 2))
);

#[db_test]
async fn there_is_room_for_so_many_bytes_announced_or_not(app: Full) {
    let token = somebody(&app, "data").await;
    put(&app, &token, &url("data", "a"), bytes(60_000))
        .await
        .expect(201);
    assert_problem(
        &put(&app, &token, &url("data", "b"), bytes(60_000)).await,
        409,
        "quota_exceeded",
        &[],
    );
    for (length, status) in [(60_000, 409), (40_000, 201)] {
        let chunks: Vec<_> = bytes(length)
            .chunks(999)
            .map(|c| Ok::<_, std::io::Error>(c.to_vec()))
            .collect();
        let body = reqwest::Body::wrap_stream(stream::iter(chunks));
        let call = reqwest::Client::new().put(format!("http://{}{}", app.address(), url("data", "b")));
        let answer = call.bearer_auth(&token).body(body).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    nothing_pending(&app).await;
    assert_eq!(usage(&app, &token).await, (1, 2, 100_000));
    assert_eq!(stored(&app).await.len(), 2);
}

#[db_test]
async fn there_is_room_for_so_many_objects_also_when_all_come_at_once(app: Full) {
    let token = somebody(&app, "data").await;
    let puts = stream::iter(0..20).map(|n| {
        let (app, token) = (&app, &token);
        async move { put(app, token, &format!("/api/v1/storage/data/{n}"), "12345").await }
    });
    let answers: Vec<_> = puts.buffer_unordered(2).collect().await;
    let made = answers.iter().filter(|answer| answer.status() == 201).count();
    for answer in answers.iter().filter(|answer| answer.status() != 201) {
        assert_problem(answer, 409, "quota_exceeded", &[]);
    }
    nothing_pending(&app).await;
    assert_eq!(made, 5);
    assert_eq!(usage(&app, &token).await, (1, 5, 25));
}

/// An upload that has begun, and ends once it is finished.
struct Begun {
    finish: oneshot::Sender<()>,
    answer: JoinHandle<reqwest::Result<reqwest::Response>>,
}

impl Begun {
    /// Of somebody at this address.
    fn new(app: &TestApp, path: &str, token: Option<&str>, address: &str) -> Self {
        let (finish, waits) = oneshot::channel::<()>();
        let begin = stream::once(async { Ok::<_, std::io::Error>(b"begin".to_vec()) });
        let rest = stream::once(async move { Ok(waits.await.map(|()| Vec::new()).unwrap_or_default()) });
        let mut call = reqwest::Client::new()
            .put(format!("http://{}{path}", app.address()))
            .header("x-forwarded-for", address)
            .body(reqwest::Body::wrap_stream(begin.chain(rest)));
        if let Some(token) = token {
            call = call.bearer_auth(token);
        }
        let answer = tokio::spawn(call.send());
        Self { finish, answer }
    }

    async fn finish(self) -> u16 {
        self.finish.send(()).unwrap();
        self.answer.await.unwrap().unwrap().status().as_u16()
    }
}

async fn have_begun(app: &TestApp, number: i64) {
    eventually("they have begun", || async {
        count(app, "pending_blobs").await == number
    })
    .await;
}

stoa_testkit::app!(
    Narrow,
    builder(|config| {
        (config.uploads_per_caller, config.uploads_max) = (2, 4);
        config.uploads_per_network = 3;
    })
);

#[db_test]
async fn the_accounts_of_one_network_do_not_take_all_places(app: Narrow) {
    let mut begun = Vec::new();
    let strangers = [
        ("one", "203.0.113.1"),
        ("two", "203.0.113.2"),
        ("three", "203.0.113.3"),
    ];
    for (bucket, address) in strangers {
        let token = somebody(&app, bucket).await;
        begun.push(Begun::new(&app, &url(bucket, "a"), Some(&token), address));
    }
    have_begun(&app, 3).await;
    let token = somebody(&app, "data").await;
    let store = |address: &'static str| {
        let call = app.put(&url("data", "a")).bearer(&token);
        call.from_address(address).body("text/plain", "x").send()
    };
    let refused = store("203.0.113.4").await;
    assert_problem(&refused, 429, "rate_limited", &[]);
    assert!(refused.text().contains("one network"), "{}", refused.text());
    store("198.51.100.1").await.expect(201);
    for upload in begun {
        assert_eq!(upload.finish().await, 201);
    }
    store("203.0.113.4").await.expect(200);
}

#[db_test]
async fn who_has_a_link_does_not_take_the_places_of_its_owner(app: Full) {
    let token = somebody(&app, "data").await;
    let body = json!({"kind": "upload", "path": "a", "expires_in": 600});
    let made = app.post(&format!("{BUCKETS}/data/links")).bearer(&token);
    let made = made.json(&body).send().await.expect(201).value();
    let link = made["url"].as_str().unwrap();
    let begun = [0, 1].map(|_| Begun::new(&app, link, None, "203.0.113.1"));
    have_begun(&app, 2).await;
    let third = app.put(link).body("text/plain", "x").send().await;
    assert_problem(&third, 429, "rate_limited", &[]);
    put(&app, &token, &url("data", "b"), "x").await.expect(201);
    for upload in begun {
        assert!(upload.finish().await < 300);
    }
}

#[db_test]
async fn one_caller_has_so_many_uploads_under_way(app: Full) {
    let token = somebody(&app, "data").await;
    let begun = ["a", "b"].map(|path| Begun::new(&app, &url("data", path), Some(&token), "203.0.113.1"));
    have_begun(&app, 2).await;
    assert_problem(
        &put(&app, &token, &url("data", "c"), "x").await,
        429,
        "rate_limited",
        &[],
    );
    let other = somebody(&app, "other").await;
    put(&app, &other, &url("other", "c"), "x").await.expect(201);
    for upload in begun {
        assert_eq!(upload.finish().await, 201);
    }
    put(&app, &token, &url("data", "c"), "x").await.expect(201);
}
