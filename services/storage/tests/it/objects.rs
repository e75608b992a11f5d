//! Storing objects, and having them back.

use serde_json::json;
use stoa_db::db_test;
use stoa_storage::events::{ObjectCreated, ObjectDeleted};
use stoa_testkit::assert_problem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::helpers::{App, builder, bytes, count, get, make_bucket, put, somebody, stored, url, usage};

stoa_testkit::app!(Smaller, builder(|config| config.object_max_bytes = 1000));

#[db_test]
async fn what_is_stored_comes_back_as_it_was(app: App) {
    let token = somebody(&app, "data").await;
    for (path, length) in [
        ("empty", 0),
        ("a/small.bin", 10),
        ("a/b/large%20one.bin", 3_000_001),
    ] {
        let body = bytes(length);
        let made = put(&app, &token, &url("data", path), body.clone())
            .await
            .expect(201);
        let etag = made.header("etag").unwrap().to_owned();
        let object = made.value();
        assert_eq!(object["size"], length);
        assert_eq!(object["url"], url("data", path));
        let found = get(&app, &token, &url("data", path)).await.expect(200);
        assert!(found.bytes() == &body, "{path}");
        let header = |name: &str| found.header(name).unwrap().to_owned();
        assert_eq!(header("etag"), etag);
        assert_eq!(header("content-length"), length.to_string());
        assert_eq!(header("x-version-id"), object["version_id"].as_str().unwrap());
        assert_eq!(header("accept-ranges"), "bytes");
        assert!(header("cache-control").starts_with("private, no-cache"));
        let head = app
            .call(reqwest::Method::HEAD, &url("data", path))
            .bearer(&token)
            .send()
            .await
            .expect(200);
        for name in [
            "etag",
            "content-length",
            "content-type",
            "last-modified",
            "accept-ranges",
        ] {
            assert_eq!(head.header(name), found.header(name), "{name}");
        }
        assert!(head.bytes().is_empty());
    }
    assert_eq!(usage(&app, &token).await, (1, 3, 3_000_011));
    assert_eq!(
        (stored(&app).await.len(), count(&app, "pending_blobs").await),
        (3, 0)
    );
}

#[db_test]
async fn the_tag_is_the_md5_and_the_checksum_the_sha256_of_the_bytes(app: App) {
    let token = somebody(&app, "data").await;
    let made = put(&app, &token, &url("data", "hello.txt"), "hello")
        .await
        .expect(201)
        .value();
    assert_eq!(made["etag"], "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(
        made["sha256"],
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    );
    assert_eq!(made["path"], "hello.txt");
}

#[db_test]
async fn what_takes_the_place_of_another_leaves_nothing_of_it(app: App) {
    let token = somebody(&app, "data").await;
    let path = url("data", "a");
    let first = put(&app, &token, &path, "first").await.expect(201).value();
    let second = put(&app, &token, &path, "second!").await.expect(200).value();
    assert_eq!(first["id"], second["id"]);
    assert_ne!(first["version_id"], second["version_id"]);
    app.settle().await;
    assert_eq!(get(&app, &token, &path).await.expect(200).text(), "second!");
    assert_eq!((stored(&app).await.len(), count(&app, "chunks").await), (1, 1));
    assert_eq!(usage(&app, &token).await, (1, 1, 7));
    let told = app.emitted::<ObjectCreated>().await;
    assert_eq!((told.len(), told[1].size, &*told[1].path), (2, 7, "a"));
    assert_eq!(app.audited("object.create").await.len(), 2);
}

#[db_test]
async fn the_same_again_changes_nothing(app: App) {
    let token = somebody(&app, "data").await;
    let path = url("data", "a");
    let first = put(&app, &token, &path, "same").await.expect(201).value();
    assert_eq!(put(&app, &token, &path, "same").await.expect(200).value(), first);
    app.settle().await;
    crate::leftovers::nothing_pending(&app).await;
    assert_eq!(stored(&app).await.len(), 1);
    assert_eq!(app.emitted::<ObjectCreated>().await.len(), 1);
    assert_eq!(usage(&app, &token).await, (1, 1, 4));
}

#[db_test]
async fn a_deleted_object_is_gone_and_counts_until_it_is_purged(app: App) {
    let token = somebody(&app, "data").await;
    for path in ["a", "b"] {
        put(&app, &token, &url("data", path), "123").await.expect(201);
    }
    for _ in 0..2 {
        app.delete(&url("data", "a"))
            .bearer(&token)
            .send()
            .await
            .expect(204);
    }
    assert_problem(&get(&app, &token, &url("data", "a")).await, 404, "not_found", &[]);
    assert_eq!(usage(&app, &token).await, (1, 2, 6));
    app.delete(&format!("{}?forever=true", url("data", "b")))
        .bearer(&token)
        .send()
        .await
        .expect(204);
    assert_eq!(usage(&app, &token).await, (1, 1, 3));
    let told = app.emitted::<ObjectDeleted>().await;
    let told: Vec<_> = told.iter().map(|told| (&*told.path, told.forever)).collect();
    assert_eq!(told, [("a", false), ("b", true)]);
    app.advance(std::time::Duration::from_secs(31 * 24 * 3600)).await;
    stoa_testkit::eventually("it is purged", || async { stored(&app).await.is_empty() }).await;
    let token = app.token(app.new_user(), &[]);
    assert_eq!(usage(&app, &token).await, (0, 0, 0));
    assert_eq!(count(&app, "versions").await, 0);
}

#[db_test]
async fn what_is_not_as_it_was_announced_is_not_kept(app: App) {
    let token = somebody(&app, "data").await;
    let send = |header: &str, value: &str| {
        let call = app.put(&url("data", "a")).bearer(&token).header(header, value);
        call.body("text/plain", "hello").send()
    };
    let zeros = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";
    for (header, value) in [
        ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("repr-digest", zeros),
        ("content-digest", zeros),
    ] {
        assert_problem(&send(header, value).await, 422, "digest_mismatch", &[header]);
    }
    for (header, value) in [("content-md5", "short"), ("repr-digest", "sha-256=x")] {
        assert_problem(&send(header, value).await, 422, "invalid_input", &[header]);
    }
    assert_problem(
        &send("content-encoding", "gzip").await,
        415,
        "unsupported_media_type",
        &[],
    );
    crate::leftovers::nothing_pending(&app).await;
    assert_eq!(usage(&app, &token).await, (1, 0, 0));
    send("content-md5", "XUFAKrxLKna5cZ2REBfFkg==").await.expect(201);
    let right = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
    send("repr-digest", right).await.expect(200);
}

#[db_test]
async fn what_is_too_large_is_refused_whether_it_is_announced_or_not(app: Smaller) {
    let token = somebody(&app, "data").await;
    make_bucket(&app, &token, "small", json!({"max_object_bytes": 10}))
        .await
        .expect(201);
    for (bucket, fits, over) in [("data", 1000, 1001), ("small", 10, 11)] {
        put(&app, &token, &url(bucket, "fits"), bytes(fits))
            .await
            .expect(201);
        let refused = put(&app, &token, &url(bucket, "over"), bytes(over)).await;
        assert_problem(&refused, 413, "too_large", &[]);
        for (length, status) in [(fits, 201), (over, 413)] {
            let chunks: Vec<_> = bytes(length)
                .chunks(7)
                .map(|c| Ok::<_, std::io::Error>(c.to_vec()))
                .collect();
            let body = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
            let call =
                reqwest::Client::new().put(format!("http://{}{}", app.address(), url(bucket, "chunked")));
            let answer = call.bearer_auth(&token).body(body).send().await.unwrap();
            assert_eq!(answer.status(), status);
        }
    }
}

#[db_test]
async fn types_are_what_the_bytes_say_and_nothing_runs_in_a_browser(app: App) {
    let token = somebody(&app, "data").await;
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on".to_vec();
    let store = |media_type: &str, body: Vec<u8>| {
        app.put(&url("data", "a"))
            .bearer(&token)
            .body(media_type, body)
            .send()
    };
    for (sent, body, shown, disposition) in [
        ("application/octet-stream", png.clone(), "image/png", "inline"),
        ("image/png", png.clone(), "image/png", "inline"),
        (
            "application/octet-stream",
            b"words".to_vec(),
            "application/octet-stream",
            "attachment",
        ),
        (
            "text/html",
            b"<script>alert(1)</script>".to_vec(),
            "text/html",
            "attachment",
        ),
        (
            "image/svg+xml",
            b"<svg onload='x'/>".to_vec(),
            "image/svg+xml",
            "attachment",
        ),
        (
            "text/plain; charset=utf-8",
            b"words".to_vec(),
            "text/plain; charset=utf-8",
            "inline",
        ),
        (
            "text/javascript",
            b"x()".to_vec(),
            "text/javascript",
            "attachment",
        ),
    ] {
        store(sent, body).await;
        let answer = get(&app, &token, &url("data", "a")).await.expect(200);
        assert_eq!(answer.header("content-type"), Some(shown));
        assert!(
            answer
                .header("content-disposition")
                .unwrap()
                .starts_with(disposition),
            "{shown}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(
            answer.header("content-security-policy"),
            Some("default-src 'none'; sandbox")
        );
    }
    assert_problem(
        &store("nonsense", png).await,
        422,
        "invalid_input",
        &["content-type"],
    );
}

#[db_test]
async fn a_bucket_takes_only_its_types_whatever_they_are_called(app: App) {
    let token = somebody(&app, "data").await;
    make_bucket(&app, &token, "images", json!({"allowed_types": ["image/*"]}))
        .await
        .expect(201);
    let store = |media_type: &str, body: &[u8]| {
        app.put(&url("images", "a"))
            .bearer(&token)
            .body(media_type, body.to_vec())
            .send()
    };
    let (png, pdf) = (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(),
        b"%PDF-1.7 ".as_slice(),
    );
    for (media_type, body) in [
        ("text/html", b"x".as_slice()),
        ("application/octet-stream", b"x"),
        ("image/png", pdf),
        ("application/pdf", png),
    ] {
        assert_problem(&store(media_type, body).await, 415, "unsupported_media_type", &[]);
    }
    store("application/octet-stream", png).await.expect(201);
    crate::leftovers::nothing_pending(&app).await;
}

#[db_test]
async fn what_the_uploader_says_of_it_comes_back(app: App) {
    let token = somebody(&app, "data").await;
    let call = app.put(&url("data", "a")).bearer(&token);
    let call = call.header("x-meta-author", "Ada").header("X-Meta-Year", "1843");
    let made = call.body("text/plain", "x").send().await.expect(201).value();
    assert_eq!(made["metadata"], json!({"author": "Ada", "year": "1843"}));
    let answer = get(&app, &token, &url("data", "a")).await.expect(200);
    assert_eq!(
        (answer.header("x-meta-author"), answer.header("x-meta-year")),
        (Some("Ada"), Some("1843"))
    );
    let call = app
        .put(&url("data", "a"))
        .bearer(&token)
        .header("x-meta-a", &"x".repeat(3000));
    assert_problem(
        &call.body("text/plain", "x").send().await,
        422,
        "invalid_input",
        &["x-meta-*"],
    );
}

#[db_test]
async fn paths_have_one_spelling_and_lead_nowhere_else(app: App) {
    let token = somebody(&app, "data").await;
    // e and an accent, and é.
    put(&app, &token, &url("data", "caf%65%CC%81"), "x")
        .await
        .expect(201);
    put(&app, &token, &url("data", "caf%C3%A9"), "x")
        .await
        .expect(200);
    put(&app, &token, &url("data", "a%2Fb"), "y").await.expect(201);
    assert_eq!(
        get(&app, &token, &url("data", "a/b")).await.expect(200).text(),
        "y"
    );
    let named = get(&app, &token, &url("data", "caf%C3%A9")).await;
    assert_eq!(
        named.header("content-disposition"),
        Some("inline; filename*=UTF-8''caf%C3%A9")
    );
    let long = "x".repeat(1025);
    // Clients would make something else of some of these.
    for path in [
        "a//b",
        "a/",
        "../b",
        "%2e%2e/b",
        "a/%2e%2e/b",
        "a/%2e",
        "a/./b",
        "a%0Ab",
        "a%7F",
        &long,
    ] {
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        let head = format!(
            "PUT /api/v1/storage/data/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
             content-length: 1\r\n\r\nx"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 422"), "{path}: {answer}");
    }
    assert_eq!(count(&app, "versions").await, 2);
    let answer = put(&app, &token, &url("data", "a%00b"), "x").await;
    assert_eq!(answer.status(), 422, "{}", answer.text());
    put(&app, &token, &url("data", &"x".repeat(1024)), "x")
        .await
        .expect(201);
}
