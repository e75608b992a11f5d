//! What one owner may have.

use futures::{StreamExt, stream};
use stoa_db::db_test;
use stoa_testkit::assert_problem;

use crate::{
    helpers::{builder, bytes, put, somebody, stored, url, usage},
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

#[db_test]
async fn one_caller_has_so_many_uploads_under_way(app: Full) {
    let token = somebody(&app, "data").await;
    let begin = |path: &str| {
        let (reached, waits) = tokio::sync::oneshot::channel::<()>();
        let body = stream::once(async { Ok::<_, std::io::Error>(b"begin".to_vec()) }).chain(stream::once(
            async move { Ok(waits.await.map(|()| Vec::new()).unwrap_or_default()) },
        ));
        let call = reqwest::Client::new()
            .put(format!("http://{}{}", app.address(), url("data", path)))
            .bearer_auth(&token)
            .body(reqwest::Body::wrap_stream(body));
        (reached, tokio::spawn(call.send()))
    };
    let (first, second) = (begin("a"), begin("b"));
    stoa_testkit::eventually("both have begun", || async {
        crate::helpers::count(&app, "pending_blobs").await == 2
    })
    .await;
    assert_problem(
        &put(&app, &token, &url("data", "c"), "x").await,
        429,
        "rate_limited",
        &[],
    );
    let other = somebody(&app, "other").await;
    put(&app, &other, &url("other", "c"), "x").await.expect(201);
    for (finish, upload) in [first, second] {
        finish.send(()).unwrap();
        assert_eq!(upload.await.unwrap().unwrap().status(), 201);
    }
    put(&app, &token, &url("data", "c"), "x").await.expect(201);
}
