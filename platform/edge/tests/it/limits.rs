//! How often one may ask.

use std::time::Duration;

use crate::story::{from, request, story, story_with};

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_to_wait() {
    let story = story("rate_limit.per_address = \"2/m\"");
    for left in ["1", "0"] {
        let answer = story.get("/plain").await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            (
                answer.header("ratelimit-limit"),
                answer.header("ratelimit-remaining")
            ),
            ("2", left)
        );
        assert_eq!(answer.header("retry-after"), "");
    }
    let refused = story.get("/plain").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    assert_eq!(
        (
            refused.header("ratelimit-limit"),
            refused.header("ratelimit-remaining")
        ),
        ("2", "0")
    );
    assert_eq!(
        (refused.header("ratelimit-reset"), refused.header("retry-after")),
        ("60", "30")
    );
    assert_eq!(
        story.send(from("192.0.2.2", "GET", "/plain")).await.status,
        200,
        "somebody else is not held up"
    );
}

#[tokio::test]
async fn a_user_is_counted_over_all_addresses_and_tells_the_tightest_limit() {
    let story = story("rate_limit.per_address = \"100/m\"\nrate_limit.per_user = \"2/m\"");
    let (token, _) = story.token();
    let me = |address: &str, token: &str| {
        from(address, "GET", "/me").header("authorization", format!("Bearer {token}"))
    };
    for address in ["192.0.2.1", "192.0.2.2"] {
        let answer = story.send(me(address, &token)).await;
        assert_eq!((answer.status, answer.header("ratelimit-limit")), (200, "2"));
    }
    assert_eq!(story.send(me("192.0.2.3", &token)).await.code(), "rate_limited");
    let (other, _) = story.token();
    assert_eq!(story.send(me("192.0.2.3", &other)).await.status, 200);
    assert_eq!(
        story.get("/plain").await.header("ratelimit-limit"),
        "100",
        "nobody has no limit as a user"
    );
}

#[tokio::test]
async fn a_route_may_have_a_limit_of_its_own() {
    let story = story("rate_limit.per_route = [\"GET /things/{id} 1/m\", \"GET /plain 1/m\"]");
    assert_eq!(story.get("/things/1").await.header("ratelimit-limit"), "1");
    assert_eq!(
        story.get("/things/2").await.code(),
        "rate_limited",
        "the limit is the route's, not the path's"
    );
    assert_eq!(
        story.send(request("HEAD", "/things/2")).await.status,
        429,
        "HEAD is no way around it"
    );
    assert_eq!(
        story.get("/plain").await.status,
        200,
        "routes with the same rate are counted apart"
    );
    assert_eq!(story.get("/long").await.status, 200);
    assert_eq!(
        story.send(from("192.0.2.2", "GET", "/things/1")).await.status,
        200
    );
}

#[tokio::test]
async fn a_limit_that_is_off_says_nothing() {
    let story = story("rate_limit.per_address = \"off\"\nrate_limit.per_user = \"off\"");
    assert_eq!(story.get("/plain").await.header("ratelimit-limit"), "");
}

#[tokio::test]
async fn one_cannot_get_round_a_limit_with_the_addresses_of_one_network() {
    let story = story("rate_limit.per_address = \"1/h\"");
    assert_eq!(story.send(from("2001:db8::1", "GET", "/plain")).await.status, 200);
    assert_eq!(story.send(from("2001:db8::2", "GET", "/plain")).await.status, 429);
    assert_eq!(
        story.send(from("2001:db8:0:1::1", "GET", "/plain")).await.status,
        200
    );
}

#[tokio::test]
async fn an_allowance_grows_again() {
    let story = story("rate_limit.per_address = \"10/s\"");
    for _ in 0..10 {
        assert_eq!(story.get("/plain").await.status, 200);
    }
    assert_eq!(story.get("/plain").await.status, 429);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(story.get("/plain").await.status, 200);
}

#[tokio::test]
async fn what_a_client_claims_about_its_address_counts_only_from_a_trusted_proxy() {
    let limited = "rate_limit.per_address = \"1/h\"\ntrusted_proxies = [\"10.0.0.0/8\"]";
    let story = story(limited);
    let claim = |peer: &str, address: &str| from(peer, "GET", "/facts").header("x-forwarded-for", address);
    let seen = story.send(claim("10.0.0.1", "1.2.3.4")).await;
    assert_eq!(
        (seen.status, seen.json()["address"].as_str()),
        (200, Some("1.2.3.4"))
    );
    assert_eq!(
        story.send(claim("10.0.0.1", "9.9.9.9, 1.2.3.4")).await.status,
        429,
        "the right-most counts"
    );
    assert_eq!(story.send(claim("10.0.0.1", "1.2.3.5")).await.status, 200);
    let lied = story.send(claim("203.0.113.1", "1.2.3.6")).await;
    assert_eq!(lied.json()["address"], "203.0.113.1");
    assert_eq!(story.send(claim("203.0.113.1", "1.2.3.7")).await.status, 429);
}

#[tokio::test]
async fn behind_a_gateway_only_a_trusted_peer_is_spared_limits_and_security_headers() {
    let settings = "trusted_proxies = [\"10.0.0.0/8\"]\nrate_limit.per_address = \"1/m\"";
    let story = story_with(settings, |parts| parts.behind_gateway = true);
    for _ in 0..3 {
        let relayed = story.send(from("10.1.2.3", "GET", "/plain")).await;
        assert_eq!(
            (relayed.status, relayed.header("x-content-type-options")),
            (200, "")
        );
    }
    let direct = story.send(from("192.0.2.1", "GET", "/plain")).await;
    assert_eq!(
        (direct.status, direct.header("x-content-type-options")),
        (200, "nosniff")
    );
    assert_eq!(
        story.send(from("192.0.2.1", "GET", "/plain")).await.code(),
        "rate_limited"
    );
    let long = from("192.0.2.2", "GET", &format!("/plain?{}", "x".repeat(9000)));
    assert_eq!(story.send(long).await.status, 414);
}
