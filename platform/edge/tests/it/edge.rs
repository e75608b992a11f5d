//! What every request and every answer has.

use crate::story::{request, story, story_with};

#[tokio::test]
async fn an_answer_names_its_request_and_a_sane_name_of_the_callers_is_kept() {
    let story = story("");
    let own = story.get("/facts").await;
    assert_eq!(own.json()["request_id"], own.header("x-request-id"));
    assert_eq!(own.header("x-request-id").len(), 32);
    assert_ne!(
        story.get("/facts").await.header("x-request-id"),
        own.header("x-request-id")
    );

    let given = story
        .send(request("GET", "/facts").header("x-request-id", "order-7"))
        .await;
    assert_eq!(given.header("x-request-id"), "order-7");
    let unsane = story
        .send(request("GET", "/facts").header("x-request-id", "{\"x\"}"))
        .await;
    assert_eq!(unsane.header("x-request-id").len(), 32);
}

#[tokio::test]
async fn a_trace_goes_on_into_what_the_request_causes() {
    let story = story("");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let given = format!("00-{trace}-00f067aa0ba902b7-01");
    let facts = story
        .send(request("GET", "/facts").header("traceparent", &given))
        .await
        .json();
    let passed = facts["traceparent"].as_str().unwrap();
    assert!(passed.contains(trace) && passed != given, "{passed}");

    // Only what may change something has effects to be traced.
    for (method, key, traced) in [
        ("GET", false, false),
        ("PUT", false, true),
        ("POST", false, true),
        ("POST", true, true),
    ] {
        let mut asked = request(method, "/trace").header("traceparent", &given);
        if key {
            asked = asked.header("idempotency-key", "k");
        }
        let answer = story.send(asked).await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert_eq!(text.contains(trace), traced, "{method} {key}: {text}");
    }
}

#[tokio::test]
async fn answers_are_safe_to_open_and_pages_set_their_own_rules() {
    let story = story("");
    for path in ["/plain", "/nowhere", "/panic"] {
        let answer = story.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; frame-ancestors 'none'"
        );
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("strict-transport-security"), "");
    }
    let page = story.get("/page").await;
    assert_eq!(page.header("content-security-policy"), "default-src 'self'");
    assert_eq!(page.header("cache-control"), "public");
}

#[tokio::test]
async fn under_https_browsers_are_told_to_stay_there() {
    let story = story_with("", |parts| parts.public_url = "https://example.com".into());
    let answer = story.get("/facts").await;
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
    assert_eq!(answer.json()["secure"], true);
}

#[tokio::test]
async fn a_repeated_post_is_done_once() {
    let story = story("");
    let post = || request("POST", "/count").header("idempotency-key", "once");
    let (first, again) = (story.send(post()).await, story.send(post()).await);
    assert_eq!((first.status, &first.body), (200, &again.body));
    assert_eq!(
        (
            first.header("idempotency-replayed"),
            again.header("idempotency-replayed")
        ),
        ("", "true")
    );
    assert_ne!(first.header("x-request-id"), again.header("x-request-id"));
    assert_ne!(
        story.send(request("POST", "/count")).await.body,
        first.body,
        "without a key it is done again"
    );
}

#[tokio::test]
async fn the_user_agent_is_kept_to_a_length() {
    let story = story("");
    let facts = story
        .send(request("GET", "/facts").header("user-agent", "a".repeat(5000)))
        .await
        .json();
    assert_eq!(facts["user_agent"].as_str().unwrap().len(), 512);
    assert_eq!(story.get("/facts").await.json()["peer"], crate::story::PEER);
}
