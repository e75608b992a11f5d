//! Whose a stored answer is: the exact credential that asked, for as long as it would be let in, within its own quota.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::Request,
    middleware,
    response::{AppendHeaders, IntoResponse},
    routing::post,
};
use http::{Method, header};
use serde_json::{Value, json};
use stoa_cache::Cache;
use stoa_http::{Actor, Idempotency, Json, Person, RequestFacts, RequestInfo, idempotent, permission, scope};
use stoa_kernel::{Clock, Id, Permissions, Principal, PrincipalKind, SessionId, UserId};

use crate::{Answer, request, send};

permission!(ThingsWrite = "things.write");
scope!(OwnThingsWrite = "things.write");

type Calls = Arc<AtomicU32>;

fn count(calls: &Calls) -> u32 {
    calls.fetch_add(1, Ordering::SeqCst) + 1
}

#[derive(serde::Deserialize, garde::Validate)]
#[serde(deny_unknown_fields)]
struct Note {
    #[garde(skip)]
    text: String,
}

fn router(cache: Cache) -> Router {
    let secret = |calls: Calls| json!({"secret": count(&calls)}).to_string();
    Router::new()
        .route(
            "/person",
            post(move |State(calls): State<Calls>, _: Actor<Person>| async move { secret(calls) }),
        )
        .route(
            "/own",
            post(move |State(calls): State<Calls>, _: Actor<OwnThingsWrite>| async move { secret(calls) }),
        )
        .route(
            "/permit",
            post(move |State(calls): State<Calls>, _: Actor<ThingsWrite>| async move { secret(calls) }),
        )
        .route(
            "/open",
            post(move |State(calls): State<Calls>| async move { secret(calls) }),
        )
        .route(
            "/note",
            post(
                move |State(calls): State<Calls>, Json(note): Json<Note>| async move {
                    json!({"call": count(&calls), "length": note.text.len()}).to_string()
                },
            ),
        )
        .route("/refresh", post(refresh))
        .with_state(Calls::default())
        .layer(middleware::from_fn_with_state(
            Idempotency::new(cache),
            idempotent,
        ))
        .layer(DefaultBodyLimit::max(300_000))
}

async fn refresh(State(calls): State<Calls>, info: RequestInfo) -> impl IntoResponse {
    let [access, refresh] = if info.secure {
        ["__Host-stoa_access=a", "__Secure-stoa_refresh=r"]
    } else {
        ["stoa_access=a", "stoa_refresh=r"]
    };
    let cookies = [(header::SET_COOKIE, access), (header::SET_COOKIE, refresh)];
    (
        AppendHeaders(cookies),
        json!({"secret": count(&calls)}).to_string(),
    )
}

struct Fixture(Router);

fn fixture() -> Fixture {
    Fixture(router(Cache::local(4 * 1024 * 1024)))
}

/// A POST with the key `k` from one address, by nobody.
fn keyed(uri: &str) -> http::request::Builder {
    keyed_over(uri, false)
}

/// The same, by https or without.
fn keyed_over(uri: &str, secure: bool) -> http::request::Builder {
    let facts = RequestFacts {
        request_id: "r".to_owned(),
        traceparent: String::new(),
        address: [192, 0, 2, 1].into(),
        user_agent: None,
        secure,
    };
    request(Method::POST, uri)
        .header("idempotency-key", "k")
        .extension(RequestInfo(Arc::new(facts)))
}

fn empty(request: http::request::Builder) -> Request<Body> {
    request.body(Body::empty()).unwrap()
}

fn user() -> UserId {
    Id::new(&Clock::system())
}

fn session(user: UserId, permissions: &[&str]) -> Principal {
    Principal {
        session_id: Some(SessionId::new(&Clock::system())),
        permissions: Permissions::new(permissions.iter().copied()),
        ..Principal::new(PrincipalKind::User, user)
    }
}

fn key(user: UserId, scopes: &[&str]) -> Principal {
    Principal {
        kind: PrincipalKind::ApiKey,
        session_id: None,
        scopes: Some(Permissions::new(scopes.iter().copied())),
        ..session(user, scopes)
    }
}

impl Fixture {
    async fn nobody(&self, request: http::request::Builder) -> Answer {
        send(&self.0, empty(request)).await
    }

    async fn by(&self, principal: &Principal, request: http::request::Builder) -> Answer {
        self.nobody(request.extension(Arc::new(principal.clone()))).await
    }
}

/// Status, what was told, and whether it was told before.
fn told(answer: &Answer) -> (u16, Value, bool) {
    let replayed = answer.header("idempotency-replayed") == "true";
    (answer.status.as_u16(), answer.body["secret"].clone(), replayed)
}

#[tokio::test]
async fn an_api_key_does_not_get_what_its_owners_session_was_given() {
    let fixture = fixture();
    let owner = user();
    let (session, key) = (session(owner, &[]), key(owner, &["things.read"]));
    let keyed_by = |text: &str, path: &str| keyed(path).header("x-api-key", format!("stoa_key_{text}"));
    assert_eq!(
        told(&fixture.by(&session, keyed("/person")).await),
        (200, json!(1), false)
    );
    assert_eq!(
        told(&fixture.by(&session, keyed("/person")).await),
        (200, json!(1), true)
    );
    let refused = fixture.by(&key, keyed_by("read", "/person")).await;
    assert_eq!(
        (refused.status.as_u16(), refused.body["code"].as_str()),
        (403, Some("forbidden"))
    );
    assert_eq!(fixture.nobody(keyed("/person")).await.status, 401);

    // Nor one key what another was given, in whichever header it comes.
    let first = fixture.by(&key, keyed_by("one", "/open")).await;
    let same = keyed("/open").header("authorization", "Bearer stoa_key_one");
    assert_eq!(
        told(&fixture.by(&key, same).await),
        (200, first.body["secret"].clone(), true)
    );
    assert!(!told(&fixture.by(&key, keyed_by("two", "/open")).await).2);
}

#[tokio::test]
async fn one_session_does_not_get_what_another_of_the_same_user_was_given() {
    let fixture = fixture();
    let owner = user();
    let (one, other) = (session(owner, &[]), session(owner, &[]));
    assert_eq!(
        told(&fixture.by(&one, keyed("/person")).await),
        (200, json!(1), false)
    );
    assert_eq!(
        told(&fixture.by(&other, keyed("/person")).await),
        (200, json!(2), false)
    );
    assert_eq!(
        told(&fixture.by(&one, keyed("/person")).await),
        (200, json!(1), true)
    );
}

#[tokio::test]
async fn an_anonymous_caller_gets_it_only_with_the_same_refresh_cookie_and_proof() {
    let fixture = fixture();
    let with = |cookie: &str, proof: &str| {
        keyed("/refresh?mode=cookie")
            .header("cookie", format!("other=1; stoa_refresh={cookie}"))
            .header("x-csrf-token", proof)
    };
    assert_eq!(
        told(&fixture.nobody(with("victim", "p")).await),
        (200, json!(1), false)
    );
    for strange in [
        keyed("/refresh?mode=cookie"),
        with("thief", "p"),
        with("victim", "q"),
    ] {
        assert!(!told(&fixture.nobody(strange).await).2);
    }
    let again = fixture.nobody(with("victim", "p")).await;
    assert_eq!(told(&again), (200, json!(1), true));
    assert_eq!(again.headers.get_all("set-cookie").iter().count(), 2);
}

#[tokio::test]
async fn over_https_the_cookie_that_counts_is_the_one_with_the_prefix() {
    let fixture = fixture();
    let with = |cookies: &str| {
        keyed_over("/refresh?mode=cookie", true)
            .header("cookie", cookies)
            .header("x-csrf-token", "p")
    };
    let victim = "__Secure-stoa_refresh=victim";
    assert_eq!(told(&fixture.nobody(with(victim)).await), (200, json!(1), false));
    for strange in ["other=1", "__Secure-stoa_refresh=thief", "stoa_refresh=victim"] {
        let (_, secret, _) = told(&fixture.nobody(with(strange)).await);
        assert_ne!(secret, json!(1), "{strange}");
    }
    assert_eq!(told(&fixture.nobody(with(victim)).await), (200, json!(1), true));

    let person = session(user(), &[]);
    let of_mine = |cookies: &str| keyed_over("/refresh", true).header("cookie", cookies);
    fixture.by(&person, of_mine("__Secure-stoa_refresh=mine")).await;
    let refused = fixture.by(&person, of_mine("other=1")).await;
    assert_eq!(
        refused.status.as_u16(),
        422,
        "an access token alone does not get the cookies"
    );
}

#[tokio::test]
async fn an_access_token_alone_does_not_get_the_cookies_of_its_session() {
    let fixture = fixture();
    let person = session(user(), &[]);
    let with = |cookie: &str| keyed("/refresh").header("cookie", format!("stoa_refresh={cookie}"));
    assert_eq!(
        told(&fixture.by(&person, with("mine")).await),
        (200, json!(1), false)
    );
    for strange in [keyed("/refresh"), with("other")] {
        let refused = fixture.by(&person, strange).await;
        assert_eq!(
            (
                refused.status.as_u16(),
                refused.headers.contains_key("set-cookie")
            ),
            (422, false)
        );
    }
    assert_eq!(
        told(&fixture.by(&person, with("mine")).await),
        (200, json!(1), true)
    );
    // Where no cookies are given, a session that was refreshed meanwhile is the same.
    let made = |cookie: &str| keyed("/person").header("cookie", format!("stoa_refresh={cookie}"));
    assert_eq!(
        told(&fixture.by(&person, made("old")).await),
        (200, json!(2), false)
    );
    assert_eq!(
        told(&fixture.by(&person, made("new")).await),
        (200, json!(2), true)
    );
}

#[tokio::test]
async fn a_permission_that_was_taken_away_is_asked_for_again() {
    let fixture = fixture();
    let holder = session(user(), &["things.write"]);
    let dismissed = Principal {
        permissions: Permissions::default(),
        ..holder.clone()
    };
    assert_eq!(
        told(&fixture.by(&holder, keyed("/permit")).await),
        (200, json!(1), false)
    );
    let refused = fixture.by(&dismissed, keyed("/permit")).await;
    assert_eq!(
        (refused.status.as_u16(), refused.body["code"].as_str()),
        (403, Some("forbidden"))
    );
    assert_eq!(
        told(&fixture.by(&holder, keyed("/permit")).await),
        (200, json!(1), true)
    );

    let wide = key(holder.user_id, &["things.write"]);
    let narrow = key(holder.user_id, &["things.read"]);
    assert_eq!(
        told(&fixture.by(&wide, keyed("/own")).await),
        (200, json!(2), false)
    );
    assert_eq!(fixture.by(&narrow, keyed("/own")).await.status, 403);
}

#[tokio::test]
async fn nobody_pushes_out_what_others_have_stored() {
    let fixture = fixture();
    let victim = session(user(), &[]);
    assert_eq!(
        told(&fixture.by(&victim, keyed("/person")).await),
        (200, json!(1), false)
    );
    // Nobody, with names of fields as long as they may be.
    let name = "x".repeat(200_000);
    for attempt in 0..30 {
        let request = keyed(&format!("/note?{attempt}")).header("content-type", "application/json");
        let answer = send(
            &fixture.0,
            request.body(Body::from(json!({&name: 1}).to_string())).unwrap(),
        )
        .await;
        assert_eq!(answer.status, 422);
        let told = answer.body["errors"][0]["field"].as_str().unwrap();
        assert!(told.len() < 200, "{} bytes are told", told.len());
    }
    // Twenty people, with more answers in all than there is room for.
    let crowd: Vec<_> = std::iter::repeat_with(|| session(user(), &[])).take(20).collect();
    for attempt in 0..2500 {
        let mut request = empty(keyed("/open").extension(Arc::new(crowd[attempt % 20].clone())));
        request
            .headers_mut()
            .insert("idempotency-key", attempt.to_string().parse().unwrap());
        assert_eq!(send(&fixture.0, request).await.status, 200);
    }
    assert_eq!(
        told(&fixture.by(&victim, keyed("/person")).await),
        (200, json!(1), true)
    );
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_a_body_and_a_compressed_one_is_refused() {
    let fixture = fixture();
    let note = |body: &[u8]| {
        request(Method::POST, "/note")
            .header("content-type", "application/json")
            .body(Body::from(body.to_vec()))
            .unwrap()
    };
    let marked = send(&fixture.0, note(b"\xef\xbb\xbf{\"text\":\"abc\"}")).await;
    assert_eq!((marked.status.as_u16(), &marked.body["length"]), (200, &json!(3)));
    for (encoding, status) in [
        ("gzip", 415),
        ("br", 415),
        ("identity, gzip", 415),
        ("", 415),
        ("Identity", 200),
    ] {
        let mut compressed = note(b"{\"text\":\"abc\"}");
        compressed
            .headers_mut()
            .insert("content-encoding", encoding.parse().unwrap());
        let answer = send(&fixture.0, compressed).await;
        assert_eq!(answer.status.as_u16(), status, "{encoding}");
        if status == 415 {
            assert_eq!(answer.header("accept-encoding"), "identity");
        }
    }
}
