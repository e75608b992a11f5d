//! Downloads of what is replaced or deleted meanwhile.

use std::time::Duration;

use stoa_db::db_test;
use stoa_testkit::{assert_problem, eventually};

use crate::{
    helpers::{App, bytes, count, get, put, somebody, stored, url},
    tus,
};

/// In three pieces, of which the last is not opened before much of the others was read.
const SIZE: usize = 24 << 20;

#[db_test]
async fn who_began_to_read_gets_all_of_it(app: App) {
    let token = somebody(&app, "data").await;
    let content = bytes(SIZE);
    // With a gap, so that they are two.
    let ranges = format!("bytes=0-{},{}-", 11 << 20, 12 << 20);
    for range in [None, Some(ranges)] {
        let upload = tus::begun(&app, &token, ("data", "a"), SIZE).await;
        let appended = tus::append(&app, &token, (&upload, 0), &content, &[]).await;
        assert_eq!(appended.status(), 204, "{}", appended.text());
        let mut call = reqwest::Client::new()
            .get(format!("http://{}{}", app.address(), url("data", "a")))
            .bearer_auth(&token);
        if let Some(range) = &range {
            call = call.header("range", range);
        }
        let mut answer = call.send().await.unwrap();
        let mut read = answer.chunk().await.unwrap().unwrap().to_vec();
        put(&app, &token, &url("data", "a"), "another").await.expect(200);
        app.settle().await;
        while let Some(chunk) = answer.chunk().await.unwrap() {
            read.extend_from_slice(&chunk);
        }
        match range {
            None => assert!(read == content),
            Some(_) => {
                assert!(read.len() > 23 << 20 && read.ends_with(b"--\r\n"));
                let end = &read[read.len() - 1000..];
                assert!(end.windows(64).any(|found| *found == content[SIZE - 64..]));
            }
        }
        assert_eq!(get(&app, &token, &url("data", "a")).await.text(), "another");
        eventually("it is read no more", async || count(&app, "readings").await == 0).await;
        app.advance(Duration::from_secs(61)).await;
        app.settle().await;
        assert_eq!(stored(&app).await.len(), 1);
        app.delete(&format!("{}?forever=true", url("data", "a")))
            .bearer(&token)
            .send()
            .await
            .expect(204);
    }
}

#[db_test]
async fn bytes_are_kept_no_longer_than_a_download_may_take(app: App) {
    let token = somebody(&app, "data").await;
    put(&app, &token, &url("data", "a"), "12345").await.expect(201);
    // As it is while it is read by a process that is killed.
    let until = app.clock().now() + Duration::from_secs(6 * 3600);
    let sql = "INSERT INTO readings (id, blob_id, until) SELECT blob_id, blob_id, $1 FROM versions";
    app.db().execute(sql, &[&until]).await.unwrap();
    let gone = app.delete(&format!("{}?forever=true", url("data", "a")));
    gone.bearer(&token).send().await.expect(204);
    app.settle().await;
    assert_problem(&get(&app, &token, &url("data", "a")).await, 404, "not_found", &[]);
    assert_eq!(stored(&app).await.len(), 1);
    app.advance(Duration::from_secs(3 * 3600)).await;
    app.settle().await;
    assert_eq!(stored(&app).await.len(), 1);
    app.advance(Duration::from_secs(4 * 3600)).await;
    eventually("nothing is left of it", async || {
        stored(&app).await.is_empty() && count(&app, "readings").await == 0
    })
    .await;
}
