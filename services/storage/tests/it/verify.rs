//! What rots at rest is found.

use std::time::Duration;

use bytes::Bytes;
use stoa_db::db_test;
use stoa_storage::events::BytesDamaged;
use stoa_testkit::{assert_problem, eventually};

use crate::helpers::{App, get, make_bucket, put, stored, url};

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
