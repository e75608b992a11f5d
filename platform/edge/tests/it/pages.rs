//! What the gateway answers itself.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use stoa_edge::{Detail, Draining, HealthCheck, PagesParts, pages};
use stoa_http::Code;

use crate::story::{Story, from, request, story_with};

const OWN: Code = Code {
    code: "own_code",
    status: 409,
    title: "Something of our own",
};

fn parts(checks: Vec<HealthCheck>) -> PagesParts {
    PagesParts {
        version: "1.2.3",
        public_url: "http://localhost:3000".into(),
        mailbox: true,
        checks,
        codes: vec![OWN],
        metrics: Arc::new(|| "requests_total 7\n".to_owned()),
        metrics_from: vec!["10.0.0.0/8".parse().unwrap()],
        draining: Draining::default(),
    }
}

fn with_checks(checks: Vec<HealthCheck>) -> Story {
    story_with("", |edge| {
        (edge.router, edge.openapi) = pages(parts(checks)).split_for_parts();
    })
}

/// As a program on this machine asks.
fn local(path: &str) -> http::request::Builder {
    from("127.0.0.1", "GET", path).header("host", "localhost:3000")
}

fn switched(name: &str, works: &Arc<AtomicBool>, needed: bool) -> HealthCheck {
    let works = Arc::clone(works);
    let check = move || {
        let works = works.load(Ordering::SeqCst);
        async move {
            if works {
                Ok(Detail::default().with("rows", 3))
            } else {
                Err("the secret reason".to_owned())
            }
        }
    };
    if needed {
        HealthCheck::needed(name, check)
    } else {
        HealthCheck::helpful(name, check)
    }
}

#[tokio::test]
async fn health_tells_up_degraded_and_down() {
    let (needed, helpful) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let story = with_checks(vec![
        switched("db", &needed, true),
        switched("mail", &helpful, false),
    ]);
    for (db, mail, status, overall, ready) in [
        (true, true, 200, "up", 200),
        (true, false, 200, "degraded", 200),
        (false, true, 503, "down", 503),
        (false, false, 503, "down", 503),
    ] {
        needed.store(db, Ordering::SeqCst);
        helpful.store(mail, Ordering::SeqCst);
        let answer = story.get("/health").await;
        let json = answer.json();
        assert_eq!((answer.status, json["status"].as_str()), (status, Some(overall)));
        assert_eq!(json["checks"][0]["status"], if db { "up" } else { "down" });
        assert_eq!(json["checks"][1]["status"], if mail { "up" } else { "down" });
        assert_eq!(story.get("/health/ready").await.status, ready);
        assert_eq!(story.get("/health/live").await.status, 200);
    }
}

#[tokio::test]
async fn only_insiders_learn_why() {
    let works = Arc::new(AtomicBool::new(false));
    let story = with_checks(vec![
        switched("db", &works, true),
        switched("other", &Arc::new(AtomicBool::new(true)), true),
    ]);
    let (reader, _) = story.token_with(&["metrics.read"]);
    let (somebody, _) = story.token();
    let bearer = |token: &str| request("GET", "/health").header("authorization", format!("Bearer {token}"));
    for (asked, told) in [
        (request("GET", "/health"), false),
        (bearer(&somebody), false),
        (bearer(&reader), true),
        (local("/health"), false),
        (from("10.1.2.3", "GET", "/health"), true),
        (
            from("10.1.2.3", "GET", "/health").header("x-forwarded-for", "127.0.0.1"),
            false,
        ),
        (
            from("10.1.2.3", "GET", "/health").header("forwarded", "for=127.0.0.1"),
            false,
        ),
        (
            from("10.1.2.3", "GET", "/health").header("x-real-ip", "10.1.2.3"),
            false,
        ),
    ] {
        let text = String::from_utf8(story.send(asked).await.body.to_vec()).unwrap();
        assert_eq!(
            (text.contains("secret"), text.contains("rows")),
            (told, told),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_is_down_and_holds_up_no_other() {
    let story = with_checks(vec![HealthCheck::needed("stuck", std::future::pending), {
        HealthCheck::needed("well", async || Ok(Detail::default().degraded()))
    }]);
    let json = story.get("/health").await.json();
    assert_eq!(
        (json["status"].as_str(), json["checks"][0]["status"].as_str()),
        (Some("down"), Some("down"))
    );
    assert_eq!(json["checks"][1]["status"], "degraded");
}

#[tokio::test(start_paused = true)]
async fn readiness_does_not_wait_for_what_is_only_helpful() {
    let story = with_checks(vec![
        switched("db", &Arc::new(AtomicBool::new(true)), true),
        HealthCheck::helpful("stuck", std::future::pending),
    ]);
    let asked = tokio::time::Instant::now();
    assert_eq!(story.get("/health/ready").await.status, 200);
    assert!(asked.elapsed().as_millis() < 100, "{:?}", asked.elapsed());
    assert_eq!(story.get("/health").await.json()["status"], "degraded");
}

#[tokio::test]
async fn metrics_are_for_insiders() {
    let story = with_checks(Vec::new());
    let bearer =
        |token: String| request("GET", "/metrics").header("authorization", format!("Bearer {token}"));
    assert_eq!(story.get("/metrics").await.code(), "unauthenticated");
    assert_eq!(story.send(bearer(story.token().0)).await.code(), "forbidden");
    for asked in [
        bearer(story.token_with(&["metrics.*"]).0),
        from("10.1.2.3", "GET", "/metrics"),
    ] {
        let answer = story.send(asked).await;
        assert_eq!(
            (answer.status, &answer.body[..]),
            (200, &b"requests_total 7\n"[..])
        );
        assert!(
            answer
                .header("content-type")
                .starts_with("text/plain; version=0.0.4")
        );
    }
}

#[tokio::test]
async fn metrics_are_not_for_who_comes_by_a_proxy_that_nobody_declared() {
    let story = with_checks(Vec::new());
    let insider = || from("10.1.2.3", "GET", "/metrics");
    let nginx = insider()
        .version(http::Version::HTTP_10)
        .header("connection", "close");
    let forwarded = insider().header("x-forwarded-for", "192.0.2.1");
    // As HAProxy and newer versions of nginx pass it on unless told otherwise.
    let hidden = local("/metrics");
    for asked in [nginx, forwarded, hidden] {
        assert_eq!(story.send(asked).await.code(), "unauthenticated");
    }
}

#[tokio::test]
async fn the_description_is_kept_by_its_tag() {
    let story = with_checks(Vec::new());
    let answer = story.get("/api/openapi.json").await;
    for path in [
        "/health",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/problems/{code}",
    ] {
        assert!(
            answer.json()["paths"][path]["get"]["security"].is_array(),
            "{path}"
        );
    }
    let tag = answer.header("etag").to_owned();
    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"x\", {tag}"),
        "*".into(),
    ] {
        let answer = story
            .send(request("GET", "/api/openapi.json").header("if-none-match", &known))
            .await;
        assert_eq!(
            (answer.status, answer.body.len(), answer.header("etag")),
            (304, 0, &*tag)
        );
    }
    assert_eq!(
        story
            .send(request("GET", "/api/openapi.json").header("if-none-match", "\"x\""))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn pages_stand_on_their_own() {
    let story = with_checks(Vec::new());
    for path in ["/", "/api/docs"] {
        let page = story.get(path).await;
        let html = String::from_utf8(page.body.to_vec()).unwrap();
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, "text/html; charset=utf-8")
        );
        assert!(
            page.header("content-security-policy")
                .starts_with("default-src 'none'; ")
        );
        assert!(
            !html.contains("{{") && !html.contains("=\"http"),
            "nothing is left to fill in or loaded from outside"
        );
        for link in html
            .split("=\"/")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
        {
            let status = story.get(&format!("/{link}")).await.status;
            assert!(
                status == 200 || link == "dev/mail",
                "{path} links to /{link}: {status}"
            );
        }
    }
    let home = String::from_utf8(story.get("/").await.body.to_vec()).unwrap();
    assert!(
        home.contains("1.2.3")
            && home.contains("curl -s http://localhost:3000/api")
            && home.contains("/dev/mail")
    );
    let icon = story.get("/favicon.svg").await;
    assert_eq!(icon.header("content-type"), "image/svg+xml");
    assert_eq!(story.get("/api/docs/../Cargo.toml").await.status, 404);
    assert_eq!(story.get("/api/docs/nothing.js").await.code(), "not_found");
}

#[tokio::test]
async fn without_a_mailbox_there_is_no_way_to_it() {
    let story = story_with("", |edge| {
        let parts = PagesParts {
            mailbox: false,
            ..parts(Vec::new())
        };
        (edge.router, edge.openapi) = pages(parts).split_for_parts();
    });
    assert!(
        !String::from_utf8(story.get("/").await.body.to_vec())
            .unwrap()
            .contains("/dev/mail")
    );
}

#[tokio::test]
async fn every_code_has_an_explanation() {
    let story = with_checks(Vec::new());
    for code in [stoa_http::codes::CODES, stoa_edge::CODES, &[OWN]].concat() {
        let path = format!("/problems/{}", code.code);
        let json = story.get(&path).await.json();
        assert_eq!(
            (json["code"].as_str(), json["status"].as_u64()),
            (Some(code.code), Some(u64::from(code.status)))
        );
        let advice = json["advice"].as_str();
        assert_eq!(
            advice.is_none(),
            code == OWN,
            "only titles explain the codes of services"
        );
        assert!(advice.is_none_or(|text| text.len() > 10));
        let page = story
            .send(request("GET", &path).header("accept", "text/html,*/*;q=0.8"))
            .await;
        let text = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(text.contains(code.title) && !text.contains("{{"));
    }
    assert_eq!(story.get("/problems/unheard_of").await.code(), "not_found");
    assert_eq!(story.get("/problems/%3Cscript%3E").await.status, 404);
}
