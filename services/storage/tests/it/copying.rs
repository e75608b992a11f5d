//! Copying and moving, with bytes that are stored once.

use futures::{StreamExt, stream};
use image::ImageFormat;
use reqwest::Method;
use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_storage::events::{ObjectCreated, ObjectDeleted};
use stoa_testkit::{Answer, assert_problem};

use crate::{
    helpers::{App, BUCKETS, builder, count, get, make_bucket, put, somebody, stored, url, usage},
    renditions::picture,
    s3::client::{S3, assert_refused},
    versions::all_agrees,
};

stoa_testkit::app!(Full, builder(|config| config.bytes_max = 10));

async fn send(app: &stoa_testkit::Client, token: &str, what: &str, body: Value) -> Answer {
    app.post(&format!("{BUCKETS}/data/{what}"))
        .bearer(token)
        .json(&body)
        .send()
        .await
}

#[db_test]
async fn a_copy_is_another_object_with_the_same_bytes(app: App) {
    let token = somebody(&app, "data").await;
    make_bucket(&app, &token, "other", json!({})).await.expect(201);
    let made = put(&app, &token, &url("data", "a"), "bytes")
        .await
        .expect(201)
        .value();
    let copy = send(&app, &token, "copy", json!({"path": "a", "to_path": "b/c"}))
        .await
        .expect(201)
        .value();
    assert_eq!((&copy["etag"], &copy["path"]), (&made["etag"], &json!("b/c")));
    assert_ne!(copy["id"], made["id"]);
    let elsewhere = json!({"path": "a", "to_bucket": "other", "to_path": "a"});
    send(&app, &token, "copy", elsewhere).await.expect(201);
    assert_eq!(stored(&app).await.len(), 1);
    assert_eq!(usage(&app, &token).await, (2, 3, 15));
    all_agrees(&app, &token).await;
    // Each goes by itself, and the bytes with the last.
    for path in [url("data", "a"), url("data", "b/c"), url("other", "a")] {
        assert_eq!(get(&app, &token, &path).await.expect(200).text(), "bytes");
        app.delete(&format!("{path}?forever=true"))
            .bearer(&token)
            .send()
            .await
            .expect(204);
    }
    all_agrees(&app, &token).await;
    assert!(stored(&app).await.is_empty());
    assert_eq!(app.audited("object.copy").await.len(), 2);
}

#[db_test]
async fn what_is_moved_stays_the_same_object(app: App) {
    let token = somebody(&app, "data").await;
    let made = put(&app, &token, &url("data", "a"), "bytes")
        .await
        .expect(201)
        .value();
    let moved = send(&app, &token, "move", json!({"path": "a", "to_path": "b"}))
        .await
        .expect(201)
        .value();
    assert_eq!((&moved["id"], &moved["etag"]), (&made["id"], &made["etag"]));
    assert_problem(&get(&app, &token, &url("data", "a")).await, 404, "not_found", &[]);
    assert_eq!(
        get(&app, &token, &url("data", "b")).await.expect(200).text(),
        "bytes"
    );
    all_agrees(&app, &token).await;
    assert_eq!(
        (
            count(&app, "versions").await,
            app.emitted::<ObjectDeleted>().await.len()
        ),
        (1, 1)
    );
    assert_eq!(app.emitted::<ObjectCreated>().await.len(), 2);
}

#[db_test]
async fn what_is_there_is_replaced_only_if_that_is_meant(app: App) {
    let token = somebody(&app, "data").await;
    for path in ["a", "b"] {
        put(&app, &token, &url("data", path), format!("of {path}"))
            .await
            .expect(201);
    }
    for what in ["copy", "move"] {
        let answer = send(&app, &token, what, json!({"path": "a", "to_path": "b"})).await;
        assert_problem(&answer, 412, "precondition_failed", &[]);
    }
    assert_eq!(get(&app, &token, &url("data", "b")).await.text(), "of b");
    send(
        &app,
        &token,
        "move",
        json!({"path": "a", "to_path": "b", "overwrite": true}),
    )
    .await
    .expect(200);
    assert_eq!(get(&app, &token, &url("data", "b")).await.text(), "of a");
    all_agrees(&app, &token).await;
    assert_eq!(count(&app, "versions").await, 1);
}

#[db_test]
async fn what_cannot_be_copied_says_why(app: App) {
    let token = somebody(&app, "data").await;
    make_bucket(
        &app,
        &token,
        "images",
        json!({"allowed_types": ["image/*"], "max_object_bytes": 3}),
    )
    .await
    .expect(201);
    put(&app, &token, &url("data", "a"), "bytes").await.expect(201);
    put(&app, &token, &url("data", "b"), "x").await.expect(201);
    for (body, status, code, fields) in [
        (
            json!({"path": "missing", "to_path": "b"}),
            404,
            "not_found",
            &[][..],
        ),
        (
            json!({"path": "a", "to_path": "a"}),
            422,
            "invalid_input",
            &["to_path"],
        ),
        (
            json!({"path": "a", "to_path": "../b"}),
            422,
            "invalid_input",
            &["to_path"],
        ),
        (
            json!({"path": "a/", "to_path": "c"}),
            422,
            "invalid_input",
            &["path"],
        ),
        (
            json!({"path": "a", "to_bucket": "nowhere", "to_path": "b"}),
            404,
            "not_found",
            &[],
        ),
        (
            json!({"path": "a", "to_bucket": "images", "to_path": "b"}),
            413,
            "too_large",
            &[],
        ),
        (
            json!({"path": "b", "to_bucket": "images", "to_path": "b"}),
            415,
            "unsupported_media_type",
            &[],
        ),
    ] {
        for what in ["copy", "move"] {
            assert_problem(
                &send(&app, &token, what, body.clone()).await,
                status,
                code,
                fields,
            );
        }
    }
    let eve = somebody(&app, "of-eve").await;
    let theft = json!({"path": "a", "to_bucket": "of-eve", "to_path": "a"});
    assert_problem(
        &send(&app, &eve, "copy", theft.clone()).await,
        404,
        "not_found",
        &[],
    );
    assert_problem(&send(&app, &token, "copy", theft).await, 404, "not_found", &[]);
    all_agrees(&app, &token).await;
}

#[db_test]
async fn copies_count_and_moves_do_not(app: Full) {
    let token = somebody(&app, "data").await;
    put(&app, &token, &url("data", "a"), "123456").await.expect(201);
    let copied = send(&app, &token, "copy", json!({"path": "a", "to_path": "b"})).await;
    assert_problem(&copied, 409, "quota_exceeded", &[]);
    send(&app, &token, "move", json!({"path": "a", "to_path": "b"}))
        .await
        .expect(201);
    assert_eq!(usage(&app, &token).await, (1, 1, 6));
}

#[db_test]
async fn many_copies_moves_and_deletions_at_once_agree_in_the_end(app: App) {
    let token = somebody(&app, "data").await;
    make_bucket(&app, &token, "other", json!({"versioning": true}))
        .await
        .expect(201);
    for path in ["a", "b"] {
        put(&app, &token, &url("data", path), format!("of {path}"))
            .await
            .expect(201);
    }
    let work = stream::iter(0..60).map(|n| {
        let (client, token) = (app.client(), token.clone());
        async move {
            let (one, other) = if n % 2 == 0 { ("a", "b") } else { ("b", "a") };
            let to = if n % 3 == 0 { "other" } else { "data" };
            let body = json!({"path": one, "to_bucket": to, "to_path": other, "overwrite": true});
            let status = match n % 5 {
                0 => put(&client, &token, &url("data", one), format!("{n}"))
                    .await
                    .status(),
                1 => client
                    .delete(&url("data", one))
                    .bearer(&token)
                    .send()
                    .await
                    .status(),
                2 => send(&client, &token, "move", body).await.status(),
                _ => send(&client, &token, "copy", body).await.status(),
            };
            assert!([200, 201, 204, 404].contains(&status), "{n}: {status}");
        }
    });
    work.buffer_unordered(6).count().await;
    all_agrees(&app, &token).await;
}

#[db_test]
async fn what_a_bucket_does_not_take_is_not_copied_there_by_another_name(app: App) {
    let token = somebody(&app, "data").await;
    let only = json!({"allowed_types": ["text/*"]});
    make_bucket(&app, &token, "texts", only).await.expect(201);
    let png = picture(4, 4, ImageFormat::Png);
    // Who stores it says that it is a text.
    put(&app, &token, &url("data", "in/a"), png.clone())
        .await
        .expect(201);
    put(&app, &token, &url("data", "in/b"), "a text")
        .await
        .expect(201);
    let direct = put(&app, &token, &url("texts", "a"), png).await;
    assert_problem(&direct, 415, "unsupported_media_type", &[]);
    let to = json!({"path": "in/a", "to_bucket": "texts", "to_path": "a"});
    for what in ["copy", "move"] {
        let refused = send(&app, &token, what, to.clone()).await;
        assert_problem(&refused, 415, "unsupported_media_type", &[]);
    }
    let s3 = S3::new(&app, &token, json!({})).await;
    let request = s3.request(Method::PUT, "/texts/a");
    let refused = request.header("x-amz-copy-source", "/data/in/a").send().await;
    assert_refused(&refused, 400, "InvalidArgument");
    let folder = json!({"kind": "copy", "prefix": "in/", "to_bucket": "texts", "to_prefix": ""});
    send(&app, &token, "operations", folder).await.expect(202);
    app.settle().await;
    let failure: Option<String> = crate::helpers::one(&app, "SELECT failure FROM operations").await;
    assert!(failure.is_some_and(|failure| failure.contains("image/png")));
    let to = json!({"path": "in/b", "to_bucket": "texts", "to_path": "b"});
    send(&app, &token, "copy", to).await.expect(201);
}
