//! Heads of requests and answers, as they are on the wire.

use serde_json::Value;

use crate::{
    server::usual,
    story::{request, story},
};

/// Status and code of an answer that is a whole problem document.
fn problem(answer: &str) -> (u16, String) {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{answer}"));
    let header = |name: &str| {
        let line = head.lines().find(|line| line.starts_with(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name}: {answer}"))[name.len() + 2..].to_owned()
    };
    assert_eq!(header("content-type"), "application/problem+json", "{answer}");
    assert_eq!(header("content-length"), body.len().to_string(), "{answer}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["request_id"], header("x-request-id"));
    let status = head[9..12].parse().unwrap();
    assert_eq!(body["status"], status);
    (status, body["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn http_1_1_names_one_good_host() {
    let served = usual("").await;
    for hosts in [
        "",
        "host:\r\n",
        "host: a\r\nhost: a\r\n",
        "host: a\r\nhost: b\r\n",
        "host: a b\r\n",
        "host: a,b\r\n",
        "host: user@a\r\n",
        "host: a/b\r\n",
        "host: a:port\r\n",
        "host: http://a\r\n",
    ] {
        let head = format!("GET /plain HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
        let answer = served.raw(head.as_bytes()).await;
        assert_eq!(problem(&answer), (400, "malformed_request".to_owned()), "{hosts}");
    }
    for hosts in ["host: a\r\n", "host: a.example:8080\r\n", "host: [::1]:3000\r\n"] {
        let head = format!("GET /plain HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
        assert!(
            served.raw(head.as_bytes()).await.starts_with("HTTP/1.1 200"),
            "{hosts}"
        );
    }
    assert!(
        served
            .raw(b"GET /plain HTTP/1.0\r\n\r\n")
            .await
            .starts_with("HTTP/1.0 200")
    );
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_answered_with_a_problem_document() {
    let served = usual("").await;
    let many: String = (0..150).map(|number| format!("x-{number}: 1\r\n")).collect();
    for (head, status, code) in [
        (
            format!("GET /plain HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
            431,
            "header_too_large",
        ),
        (
            format!(
                "GET /plain HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
                "x".repeat(200_000)
            ),
            431,
            "header_too_large",
        ),
        (
            "GET /plain HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n".to_owned(),
            400,
            "malformed_request",
        ),
        ("GET\r\n\r\n".to_owned(), 400, "malformed_request"),
    ] {
        let answer = served.raw(head.as_bytes()).await;
        // Who is refused before all is read may find the connection gone.
        if head.len() < 60_000 || !answer.is_empty() {
            assert_eq!(
                problem(&answer),
                (status, code.to_owned()),
                "{}",
                &head[..40.min(head.len())]
            );
        }
    }
    let kept: String = (0..90).map(|number| format!("x-{number}: 1\r\n")).collect();
    let head = format!("GET /plain HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{kept}\r\n");
    assert!(served.raw(head.as_bytes()).await.starts_with("HTTP/1.1 200"));
}

/// The headers that tell of a body, as the wire has them.
fn told(answer: &str) -> Vec<String> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let of_body = [
        "content-length",
        "content-encoding",
        "content-type",
        "vary",
        "etag",
    ];
    let lines = head
        .lines()
        .filter(|line| of_body.iter().any(|name| line.starts_with(name)));
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn head_tells_what_get_sends() {
    let served = usual("").await;
    for path in [
        "/plain",
        "/long",
        "/image",
        "/nowhere",
        "/tagged",
        "/api/openapi.json",
    ] {
        for accept in ["", "gzip", "br", "gzip;q=0"] {
            let send = async |method: &str| {
                let head = format!(
                    "{method} {path} HTTP/1.1\r\nhost: x\r\nx-request-id: r\r\naccept-encoding: {accept}\r\nconnection: close\r\n\r\n"
                );
                served.raw(head.as_bytes()).await
            };
            let (get, head) = (send("GET").await, send("HEAD").await);
            assert_eq!(told(&get), told(&head), "{path} {accept}");
            assert_eq!(get[..12], head[..12], "{path} {accept}");
            assert!(head.ends_with("\r\n\r\n"), "{path} {accept}: {head}");
        }
    }
}

#[tokio::test]
async fn a_compressed_answer_has_a_weak_tag_and_a_plain_one_a_strong_one() {
    let story = story("compress_from = 10");
    let get = async |accept: &str, known: &str| {
        let asked = request("GET", "/api/openapi.json").header("accept-encoding", accept);
        story.send(asked.header("if-none-match", known)).await
    };
    let (plain, gzip) = (get("", "").await, get("gzip", "").await);
    assert!(plain.header("etag").starts_with('"'), "{}", plain.header("etag"));
    assert_eq!(gzip.header("etag"), format!("W/{}", plain.header("etag")));
    for tag in [plain.header("etag"), gzip.header("etag")] {
        for accept in ["", "gzip"] {
            let same = get(accept, tag).await;
            assert_eq!(
                (same.status, same.header("vary")),
                (304, "accept-encoding"),
                "{tag} {accept}"
            );
            assert_eq!(same.header("etag").starts_with("W/"), accept == "gzip");
        }
    }
}
