//! Settings of a bucket that are changed while something comes for it.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_testkit::eventually;
use tokio::sync::oneshot;

use crate::{
    helpers::{App, BUCKETS, count, get, make_bucket, put, url},
    revocation::body,
    tus,
};

/// Changes the bucket while the body of this request comes; the status of its answer.
async fn meanwhile(app: &App, token: &str, (call, bucket): (RequestBuilder, &str), change: &Value) -> u16 {
    let (go_on, rest) = oneshot::channel();
    let answer = tokio::spawn(call.bearer_auth(token).body(body(rest)).send());
    eventually("it has begun", || async {
        count(app, "pending_blobs").await == 1
    })
    .await;
    let call = app.patch(&format!("{BUCKETS}/{bucket}")).bearer(token);
    call.json(change).send().await.expect(200);
    go_on.send(()).unwrap();
    let status = answer.await.unwrap().unwrap().status();
    crate::leftovers::nothing_pending(app).await;
    status.as_u16()
}

#[db_test]
async fn what_is_chosen_while_an_object_comes_holds_for_it(app: App) {
    let token = app.token(app.new_user(), &[]);
    let client = reqwest::Client::new();
    let address = |path: &str| format!("http://{}{path}", app.address());
    for (name, change, statuses, kept) in [
        ("versions", json!({"versioning": true}), [200, 204], 2),
        ("small", json!({"max_object_bytes": 3}), [413, 413], 1),
        ("images", json!({"allowed_types": ["image/*"]}), [415, 415], 1),
    ] {
        let by_tus = format!("{name}-tus");
        for bucket in [name, &by_tus] {
            make_bucket(&app, &token, bucket, json!({})).await.expect(201);
            put(&app, &token, &url(bucket, "a"), "first").await.expect(201);
        }
        let call = client.request(Method::PUT, address(&url(name, "a")));
        let status = meanwhile(&app, &token, (call, name), &change).await;
        assert_eq!(status, statuses[0], "{name}");
        let upload = tus::begun(&app, &token, (&by_tus, "a"), 9).await;
        let call = client
            .request(Method::PATCH, address(&upload))
            .header("tus-resumable", "1.0.0")
            .header("upload-offset", "0")
            .header("content-type", "application/offset+octet-stream");
        let status = meanwhile(&app, &token, (call, &by_tus), &change).await;
        assert_eq!(status, statuses[1], "{by_tus}");
        for bucket in [name, &by_tus] {
            let path = format!("{BUCKETS}/{bucket}/versions?path=a");
            let versions = get(&app, &token, &path).await.expect(200).value();
            assert_eq!(versions["items"].as_array().unwrap().len(), kept, "{bucket}");
        }
    }
}
