//! Nothing is left of who is gone.

use serde_json::json;
use stoa_auth_api::events::{OrganizationPurged, UserErased};
use stoa_db::db_test;
use stoa_kernel::OrganizationRole;
use stoa_storage::events::BucketDeleted;

use crate::helpers::{App, builder, count, get, make_bucket, one, put, somebody, stored, url};

stoa_testkit::app!(Many, builder(|config| config.uploads_per_caller = 100));

#[db_test]
async fn everything_of_a_person_goes_in_batches_and_nothing_of_others(app: Many) {
    let other = somebody(&app, "others").await;
    put(&app, &other, &url("others", "a"), "x").await.expect(201);
    let user = app.new_user();
    let token = app.token(user, &[]);
    for bucket in ["one", "two"] {
        make_bucket(&app, &token, bucket, json!({"versioning": true}))
            .await
            .expect(201);
    }
    for n in 0..230 {
        put(&app, &token, &url("one", &format!("{}", n % 50)), format!("{n}")).await;
    }
    app.delete(&url("one", "1"))
        .bearer(&token)
        .send()
        .await
        .expect(204);
    assert_eq!(count(&app, "versions").await, 231);
    app.emit(&UserErased { user_id: user }).await;
    app.settle().await;
    for (table, left) in [
        ("versions", 1),
        ("blobs", 1),
        ("chunks", 1),
        ("buckets", 1),
        ("pending_blobs", 0),
    ] {
        assert_eq!(count(&app, table).await, left, "{table}");
    }
    assert_eq!(stored(&app).await.len(), 1);
    let sql = "SELECT COUNT(*) FROM jobs WHERE queue = 'storage.erase_owner' AND state = 'done'";
    let batches: i64 = one(&app, sql).await;
    assert!(batches >= 5, "each batch is a job of its own: {batches}");
    assert_eq!(app.emitted::<BucketDeleted>().await.len(), 2);
    assert_eq!(get(&app, &other, &url("others", "a")).await.text(), "x");
    let late = put(&app, &token, &url("one", "late"), "x").await.status();
    assert!([401, 404].contains(&late), "{late}");
    // Once more does nothing.
    app.emit(&UserErased { user_id: user }).await;
    app.settle().await;
    assert_eq!(app.emitted::<BucketDeleted>().await.len(), 2);
}

#[db_test]
async fn uploads_of_somebody_who_is_erased_meanwhile_come_to_nothing(app: App) {
    for round in 0..5 {
        let user = app.new_user();
        let token = app.token(user, &[]);
        let bucket = format!("bucket-{round}");
        make_bucket(&app, &token, &bucket, json!({})).await.expect(201);
        let paths = ["a", "b", "c"].map(|path| url(&bucket, path));
        let puts = paths.iter().map(|path| put(&app, &token, path, "x"));
        let erased = UserErased { user_id: user };
        futures::join!(futures::future::join_all(puts), app.emit(&erased));
        app.settle().await;
        crate::leftovers::nothing_pending(&app).await;
        app.settle().await;
        assert_eq!(
            (count(&app, "versions").await, count(&app, "buckets").await),
            (0, 0)
        );
        assert!(stored(&app).await.is_empty());
    }
}

#[db_test]
async fn an_organization_takes_its_buckets_along(app: App) {
    let ours = app.new_organization();
    let owner = app.member_token(app.new_user(), ours, OrganizationRole::Owner);
    make_bucket(
        &app,
        &owner,
        "ours",
        json!({"organization_id": ours, "public": true}),
    )
    .await
    .expect(201);
    put(&app, &owner, &url("ours", "a"), "x").await.expect(201);
    app.emit(&OrganizationPurged {
        organization_id: ours,
    })
    .await;
    app.settle().await;
    assert_eq!(count(&app, "buckets").await, 0);
    assert!(stored(&app).await.is_empty());
}
