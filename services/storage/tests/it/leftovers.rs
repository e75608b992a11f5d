//! No bytes without a row and no row without its bytes, whatever breaks off.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::json;
use stoa_auth_api::events::UserErased;
use stoa_db::db_test;
use stoa_kernel::Id;
use stoa_testkit::{TestApp, eventually};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::{
    helpers::{
        App, bring_back, bytes, count, get, make_bucket, put, somebody, stored, take_away, url, usage,
    },
    renditions::picture,
};

/// Waits until what was given up is cleaned away: that goes on after its answer.
pub(crate) async fn nothing_pending(app: &TestApp) {
    eventually("nothing is pending", || async {
        count(app, "pending_blobs").await == 0
    })
    .await;
}

#[db_test]
async fn of_an_upload_that_breaks_off_nothing_is_left(app: App) {
    let token = somebody(&app, "data").await;
    put(&app, &token, &url("data", "a"), "before").await.expect(201);
    for sent in [0, 10, 2_500_000] {
        let mut stream = tokio::net::TcpStream::connect(app.address()).await.unwrap();
        let head = format!(
            "PUT /api/v1/storage/data/a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 3000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&bytes(sent)).await.unwrap();
        eventually("it has begun", || async {
            count(&app, "pending_blobs").await == 1
        })
        .await;
        drop(stream);
        nothing_pending(&app).await;
        assert_eq!(usage(&app, &token).await, (1, 1, 6));
    }
    assert_eq!(get(&app, &token, &url("data", "a")).await.text(), "before");
    eventually("nothing is left of them", || async {
        stored(&app).await.len() == 1
    })
    .await;
}

#[db_test]
async fn what_was_stored_and_never_named_is_swept_and_its_room_given_back(app: App) {
    let token = somebody(&app, "data").await;
    put(&app, &token, &url("data", "a"), "123").await.expect(201);
    // As it is when the process dies between storing the bytes and the commit.
    let (id, now) = (Id::<()>::new(app.clock()), app.clock().now());
    let owner: Uuid = crate::helpers::one(&app, "SELECT id FROM owners").await;
    let sql = "INSERT INTO pending_blobs (id, owner_kind, owner_id, reserved, seen_at, is_swept) \
               VALUES ($1, 'user', $2, 100, $3, FALSE)";
    app.db().execute(sql, &[&id, &owner, &now]).await.unwrap();
    app.db()
        .execute(
            "UPDATE owners SET bytes = bytes + 100, objects = objects + 1",
            &[],
        )
        .await
        .unwrap();
    let text = id.to_string();
    let key = format!("storage/{}/{text}", &text[text.len() - 2..]);
    app.env()
        .objects
        .put(&key, Bytes::from_static(b"orphan"))
        .await
        .unwrap();
    assert_eq!(stored(&app).await.len(), 2);
    app.advance(Duration::from_secs(3 * 3600)).await;
    nothing_pending(&app).await;
    assert_eq!(stored(&app).await.len(), 1);
    let numbers: i64 = crate::helpers::one(&app, "SELECT bytes * 10 + objects FROM owners").await;
    assert_eq!(numbers, 31);
}

#[db_test]
async fn many_writers_and_deleters_of_one_path_leave_one_object_and_its_bytes(app: App) {
    let token = somebody(&app, "data").await;
    let work = stream::iter(0..40).map(|n| {
        let (client, token) = (app.client(), token.clone());
        async move {
            if n % 4 == 3 {
                let path = format!("{}?forever={}", url("data", "a"), n % 8 == 3);
                client.delete(&path).bearer(&token).send().await.expect(204);
            } else {
                let answer = put(&client, &token, &url("data", "a"), format!("writer {n}")).await;
                assert!([200, 201].contains(&answer.status()), "{}", answer.text());
            }
        }
    });
    work.buffer_unordered(8).count().await;
    put(&app, &token, &url("data", "a"), "the last").await;
    app.settle().await;
    nothing_pending(&app).await;
    assert_eq!(get(&app, &token, &url("data", "a")).await.text(), "the last");
    let rows = count(&app, "versions").await;
    assert_eq!(
        (count(&app, "blobs").await, count(&app, "chunks").await),
        (rows, rows)
    );
    assert_eq!(i64::try_from(stored(&app).await.len()).unwrap(), rows);
    let sum: i64 = crate::helpers::one(&app, "SELECT CAST(SUM(size) AS BIGINT) FROM versions").await;
    assert_eq!(usage(&app, &token).await, (1, rows, sum));
    let of_bucket: i64 = crate::helpers::one(&app, "SELECT bytes FROM buckets").await;
    assert_eq!(of_bucket, sum);
}

#[db_test]
async fn bytes_are_deleted_also_where_the_object_store_was_away_for_minutes(app: App) {
    let user = app.new_user();
    let token = app.token(user, &[]);
    make_bucket(&app, &token, "data", json!({})).await.expect(201);
    put(&app, &token, &url("data", "a"), "personal").await.expect(201);
    let away = take_away(&app).await;
    app.emit(&UserErased { user_id: user }).await;
    for _ in 0..20 {
        app.advance(Duration::from_secs(10)).await;
    }
    bring_back(&app, &away);
    assert_eq!(stored(&app).await.len(), 1);
    // Before the sweep would take it up.
    app.advance(Duration::from_secs(400)).await;
    assert!(stored(&app).await.is_empty());
}

#[db_test]
async fn bytes_of_which_the_job_has_failed_for_good_are_swept(app: App) {
    let token = somebody(&app, "data").await;
    let image = picture(40, 20, image::ImageFormat::Png);
    let call = app.put(&url("data", "a.png")).bearer(&token);
    call.body("image/png", image).send().await.expect(201);
    get(&app, &token, &format!("{}?width=10", url("data", "a.png")))
        .await
        .expect(200);
    let away = take_away(&app).await;
    let call = app.delete(&format!("{}?forever=true", url("data", "a.png")));
    call.bearer(&token).send().await.expect(204);
    app.settle().await;
    let dropped = app
        .db()
        .execute("DELETE FROM jobs WHERE queue LIKE 'storage.delete_%'", &[]);
    assert_eq!(dropped.await.unwrap(), 2, "of the picture, and of its rendition");
    bring_back(&app, &away);
    assert_eq!(stored(&app).await.len(), 2);
    app.advance(Duration::from_secs(3 * 3600)).await;
    eventually("they are swept", || async { stored(&app).await.is_empty() }).await;
    app.settle().await;
    for table in ["blobs", "chunks", "unused_chunks"] {
        assert_eq!(count(&app, table).await, 0, "{table}");
    }
}
