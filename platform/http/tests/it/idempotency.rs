//! POSTs that are sent again.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request, State},
    middleware,
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::json;
use stoa_cache::Cache;
use stoa_http::{Failure, Idempotency, RequestFacts, RequestInfo, codes, idempotent, with_request_id};
use stoa_kernel::{Clock, Id, Principal, PrincipalKind};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::{Answer, request, send};

/// Counts its calls, and answers when it is let.
#[derive(Clone)]
struct Work {
    calls: Arc<AtomicU32>,
    let_go: Arc<Semaphore>,
}

async fn work(State(work): State<Work>, body: String) -> Response {
    let call = work.calls.fetch_add(1, Ordering::SeqCst) + 1;
    match body.as_str() {
        "wait" => work.let_go.acquire().await.unwrap().forget(),
        "fail" => return Failure::internal("broken").into_response(),
        "panic" => panic!("as asked"),
        "busy" => return Failure::new(codes::RATE_LIMITED).into_response(),
        "refuse" => return Failure::invalid("email", "taken", "Taken").into_response(),
        "large" => return vec![b'x'; 300 * 1024].into_response(),
        _ => {}
    }
    let cookies = [(header::SET_COOKIE, "a=1"), (header::ETAG, "\"7\"")];
    let cookies = axum::response::AppendHeaders(cookies);
    let more = axum::response::AppendHeaders([(header::SET_COOKIE, "b=2")]);
    (
        StatusCode::CREATED,
        cookies,
        more,
        json!({ "call": call }).to_string(),
    )
        .into_response()
}

pub(crate) struct Fixture {
    router: Router,
    work: Work,
}

fn fixture() -> Fixture {
    ground_on(Cache::local(10 * 1024 * 1024))
}

pub(crate) fn ground_on(cache: Cache) -> Fixture {
    let work_state = Work {
        calls: Arc::default(),
        let_go: Arc::new(Semaphore::new(0)),
    };
    let router = Router::new()
        .route("/things", post(work).put(work))
        .route("/others", post(work))
        .with_state(work_state.clone())
        .layer(middleware::from_fn_with_state(
            Idempotency::new(cache),
            idempotent,
        ))
        .layer(DefaultBodyLimit::max(1000))
        .layer(middleware::map_response(|response: Response| async {
            with_request_id(response, "r-2")
        }));
    Fixture {
        router,
        work: work_state,
    }
}

fn from(address: &str) -> RequestInfo {
    RequestInfo(Arc::new(RequestFacts {
        request_id: "r".to_owned(),
        traceparent: String::new(),
        address: address.parse::<IpAddr>().unwrap(),
        user_agent: None,
        secure: false,
    }))
}

fn keyed(uri: &str, key: &str, body: &str) -> Request {
    let request = request(Method::POST, uri)
        .header("idempotency-key", key)
        .extension(from("192.0.2.1"));
    request.body(Body::from(body.to_owned())).unwrap()
}

impl Fixture {
    pub(crate) fn calls(&self) -> u32 {
        self.work.calls.load(Ordering::SeqCst)
    }

    pub(crate) async fn send(&self, key: &str, body: &str) -> Answer {
        send(&self.router, keyed("/things", key, body)).await
    }

    async fn until_calls(&self, calls: u32) {
        while self.calls() < calls {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn code(answer: &Answer) -> (u16, &str) {
    (
        answer.status.as_u16(),
        answer.body["code"].as_str().unwrap_or_default(),
    )
}

#[tokio::test]
async fn the_same_again_gets_the_same_answer_and_does_nothing() {
    let fixture = fixture();
    let first = fixture.send("k", "a").await;
    let again = fixture.send("k", "a").await;
    assert_eq!(
        (first.status.as_u16(), first.header("idempotency-replayed")),
        (201, "")
    );
    assert_eq!(
        (again.status.as_u16(), again.header("idempotency-replayed")),
        (201, "true")
    );
    assert_eq!((&again.body, fixture.calls()), (&json!({"call": 1}), 1));
    assert_eq!(again.header("etag"), "\"7\"");
    let cookies: Vec<_> = again.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
}

#[tokio::test]
async fn a_refusal_is_not_kept_and_its_key_may_be_used_with_what_was_put_right() {
    let fixture = fixture();
    for call in 1..=2 {
        let refused = fixture.send("k", "refuse").await;
        assert_eq!((code(&refused), fixture.calls()), ((422, "invalid_input"), call));
        assert_eq!(refused.header("idempotency-replayed"), "");
    }
    assert_eq!(fixture.send("k", "right").await.body, json!({"call": 3}));
}

#[tokio::test]
async fn the_key_with_another_request_is_refused() {
    let fixture = fixture();
    fixture.send("k", "a").await;
    assert_eq!(
        code(&fixture.send("k", "b").await),
        (422, "idempotency_key_reused")
    );
    let other_query = send(&fixture.router, keyed("/things?x=1", "k", "a")).await;
    assert_eq!(code(&other_query), (422, "idempotency_key_reused"));
    assert_eq!(fixture.calls(), 1);
}

#[tokio::test]
async fn while_the_first_runs_the_same_key_has_to_wait() {
    let fixture = fixture();
    let first = tokio::spawn(send_owned(fixture.router.clone(), keyed("/things", "k", "wait")));
    fixture.until_calls(1).await;
    let second = fixture.send("k", "wait").await;
    assert_eq!(
        (code(&second), second.header("retry-after")),
        ((409, "idempotency_in_progress"), "1")
    );
    assert_eq!(
        code(&fixture.send("k", "other").await),
        (422, "idempotency_key_reused")
    );
    fixture.work.let_go.add_permits(1);
    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(
        fixture.send("k", "wait").await.header("idempotency-replayed"),
        "true"
    );
    assert_eq!(fixture.calls(), 1);
}

async fn send_owned(router: Router, request: Request) -> Answer {
    send(&router, request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_one_is_done() {
    let fixture = fixture();
    let sent = (0..50).map(|_| tokio::spawn(send_owned(fixture.router.clone(), keyed("/things", "k", "a"))));
    let mut done = 0;
    for answer in sent.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        match code(&answer) {
            (201, _) => done += 1,
            refused => assert_eq!(refused, (409, "idempotency_in_progress")),
        }
    }
    assert!(done >= 1);
    assert_eq!(fixture.calls(), 1);
}

#[tokio::test]
async fn who_hangs_up_and_asks_again_gets_what_was_begun() {
    let fixture = fixture();
    let first = tokio::spawn(send_owned(fixture.router.clone(), keyed("/things", "k", "wait")));
    fixture.until_calls(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    fixture.work.let_go.add_permits(1);
    let answer = loop {
        let answer = fixture.send("k", "wait").await;
        if answer.status != 409 {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.header("idempotency-replayed"),
            fixture.calls()
        ),
        (201, "true", 1)
    );
}

#[tokio::test]
async fn what_did_not_work_may_be_tried_again() {
    for (body, status) in [
        ("fail", 500),
        ("panic", 500),
        ("busy", 429),
        ("refuse", 422),
        ("large", 200),
    ] {
        let fixture = fixture();
        for call in 1..=2 {
            let answer = fixture.send("k", body).await;
            assert_eq!(answer.status.as_u16(), status, "{body}");
            assert_eq!(
                (fixture.calls(), answer.header("idempotency-replayed")),
                (call, ""),
                "{body}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn keys_of_other_callers_and_paths_are_other_keys() {
    let fixture = fixture();
    fixture.send("k", "a").await;
    assert_eq!(
        send(&fixture.router, keyed("/others", "k", "b")).await.status,
        201
    );
    let mut elsewhere = keyed("/things", "k", "b");
    elsewhere.extensions_mut().insert(from("192.0.2.2"));
    assert_eq!(send(&fixture.router, elsewhere).await.status, 201);
    let clock = Clock::system();
    let signed_in = |user| {
        let mut request = keyed("/things", "k", "b");
        let principal = Principal::new(PrincipalKind::User, user);
        request.extensions_mut().insert(Arc::new(principal));
        request
    };
    let [one, two] = [Id::new(&clock), Id::new(&clock)];
    assert_eq!(
        send(&fixture.router, signed_in(one)).await.body,
        json!({"call": 4})
    );
    assert_eq!(
        send(&fixture.router, signed_in(two)).await.body,
        json!({"call": 5})
    );
    assert_eq!(
        send(&fixture.router, signed_in(one)).await.body,
        json!({"call": 4})
    );
}

#[tokio::test]
async fn a_key_must_be_short_and_printable_and_one() {
    let fixture = fixture();
    let long = "k".repeat(256);
    for key in ["", "k\tk", "schlüssel", &long] {
        let answer = fixture.send(key, "a").await;
        assert_eq!(code(&answer), (422, "invalid_input"), "{key}");
        assert_eq!(answer.body["errors"][0]["field"], "idempotency-key");
    }
    let mut two = keyed("/things", "k", "a");
    two.headers_mut().append("idempotency-key", "l".parse().unwrap());
    assert_eq!(send(&fixture.router, two).await.status, 422);
    assert_eq!(fixture.send(&long[1..], "a").await.status, 201);
    assert_eq!(fixture.send("a b", "a").await.status, 201);
}

#[tokio::test]
async fn without_a_key_or_a_post_nothing_is_kept() {
    let fixture = fixture();
    for _ in 0..2 {
        let plain = request(Method::POST, "/things").body(Body::from("a")).unwrap();
        assert_eq!(send(&fixture.router, plain).await.status, 201);
        let put = request(Method::PUT, "/things")
            .header("idempotency-key", "k")
            .body(Body::from("a"))
            .unwrap();
        assert_eq!(send(&fixture.router, put).await.status, 201);
    }
    assert_eq!(fixture.calls(), 4);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let fixture = fixture();
    let answer = fixture.send("k", &"x".repeat(2000)).await;
    assert_eq!((code(&answer), fixture.calls()), ((413, "too_large"), 0));
}

#[tokio::test]
async fn a_large_answer_comes_whole() {
    let fixture = fixture();
    let response = fixture
        .router
        .clone()
        .oneshot(keyed("/things", "k", "large"))
        .await
        .unwrap();
    let bytes: Bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(bytes.len(), 300 * 1024);
}
