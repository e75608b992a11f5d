//! What rots at rest is found.

use std::{fs, time::Duration};

use bytes::Bytes;
use stoa_db::db_test;
use stoa_storage::events::BytesDamaged;
use stoa_testkit::{assert_problem, eventually};

use crate::helpers::{App, folder, get, make_bucket, one, put, somebody, stored, url};

#[db_test]
async fn damaged_and_missing_bytes_are_found_told_and_not_handed_out(app: App) {
    let user = app.new_user();
    let token = app.token(user, &[]);
    make_bucket(&app, &token, "data", serde_json::json!({}))
        .await
        .expect(201);
    let mut keys = Vec::new();
    for path in ["sound", "damaged", "missing"] {
        put(&app, &token, &url("data", path), path).await.expect(201);
        let new = stored(&app)
            .await
            .into_iter()
            .find(|key| !keys.contains(key))
            .unwrap();
        keys.push(new);
    }
    let objects = &app.env().objects;
    objects
        .put(&keys[1], Bytes::from_static(b"damagee"))
        .await
        .unwrap();
    objects.delete(&keys[2]).await.unwrap();
    assert_eq!(get(&app, &token, &url("data", "damaged")).await.text(), "damagee");
    app.advance(Duration::from_secs(31 * 24 * 3600)).await;
    eventually("both are found", || async {
        app.emitted::<BytesDamaged>().await.len() == 2
    })
    .await;
    let token = app.token(user, &[]);
    get(&app, &token, &url("data", "sound")).await.expect(200);
    for path in ["damaged", "missing"] {
        assert_problem(
            &get(&app, &token, &url("data", path)).await,
            500,
            "object_damaged",
            &[],
        );
        // It can be stored again.
        put(&app, &token, &url("data", path), path).await.expect(200);
        assert_eq!(get(&app, &token, &url("data", path)).await.text(), path);
    }
    app.advance(Duration::from_secs(3600)).await;
    assert_eq!(app.emitted::<BytesDamaged>().await.len(), 2, "each is told once");
}

#[db_test]
async fn what_cannot_be_read_keeps_nothing_else_from_being_compared(app: App) {
    let token = somebody(&app, "data").await;
    put(&app, &token, &url("data", "a"), "unreadable")
        .await
        .expect(201);
    let unreadable = folder(&app).join(&stored(&app).await[0]);
    app.clock().advance(Duration::from_secs(1));
    put(&app, &token, &url("data", "b"), "damaged").await.expect(201);
    for key in stored(&app).await {
        if !unreadable.ends_with(&key) {
            let damaged = Bytes::from_static(b"damagee");
            app.env().objects.put(&key, damaged).await.unwrap();
        }
    }
    fs::remove_file(&unreadable).unwrap();
    // It is there, and opening it fails.
    std::os::unix::fs::symlink(&unreadable, &unreadable).unwrap();
    app.advance(Duration::from_secs(31 * 24 * 3600)).await;
    eventually("the damaged one is found", || async {
        app.emitted::<BytesDamaged>().await.len() == 1
    })
    .await;
    app.settle().await;
    let sql = "SELECT COUNT(*) FROM versions WHERE is_damaged";
    assert_eq!(one::<i64>(&app, sql).await, 1, "it is not said of the other");
    // It is tried again.
    fs::remove_file(&unreadable).unwrap();
    fs::write(&unreadable, "unreadablf").unwrap();
    app.advance(Duration::from_secs(25 * 3600)).await;
    eventually("it is damaged too", || async {
        app.emitted::<BytesDamaged>().await.len() == 2
    })
    .await;
}
