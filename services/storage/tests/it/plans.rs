//! How the service reads its tables: by index, whatever their statistics say.

use std::time::Duration;

use serde_json::json;
use stoa_auth_api::events::{CredentialsRevoked, UserErased};
use stoa_db::{
    Db, Engine, db_test,
    testing::{Statements, analyze},
};

use crate::{
    helpers::{BUCKETS, builder, get, make_bucket, put, url},
    s3::client::{KEYS, S3},
    tus,
};

stoa_testkit::app!(
    Few,
    builder(|config| {
        config.renditions_per_object = 2;
        config.renditions_max_bytes = 250;
    })
);

/// Texts of statements that read a whole table on purpose: when a test may go on.
const MEANT: [&str; 1] = ["COUNT(*) FROM outbox"];

#[db_test]
async fn statements_go_by_index_whatever_was_analysed_and_however_much_there_is(app: Few) {
    let statements = Statements::of(app.db());
    let (ada, bob) = (app.new_user(), app.new_user());
    for (user, bucket) in [(ada, "of-ada"), (bob, "of-bob")] {
        let token = app.token(user, &[]);
        make_bucket(&app, &token, bucket, json!({"versioning": user == ada}))
            .await
            .expect(201);
        analyze(app.db()).await;
        for body in ["one", "two"] {
            put(&app, &token, &url(bucket, "a"), body).await;
        }
        put(&app, &token, &url(bucket, "b"), "b").await.expect(201);
        let first = get(&app, &token, &format!("{BUCKETS}?limit=1")).await.expect(200);
        assert_eq!(first.value()["items"].as_array().unwrap().len(), 1);
        get(&app, &token, &url(bucket, "a")).await.expect(200);
        get(&app, &token, "/api/v1/storage/usage").await.expect(200);
        for list in [
            "objects",
            "objects?prefix=a&delimiter=/",
            "versions?path=a",
            "deleted",
        ] {
            get(&app, &token, &format!("{BUCKETS}/{bucket}/{list}"))
                .await
                .expect(200);
        }
        let link = json!({"kind": "download", "path": "a", "expires_in": 60});
        let link = app
            .post(&format!("{BUCKETS}/{bucket}/links"))
            .bearer(&token)
            .json(&link)
            .send()
            .await
            .expect(201);
        app.get(link.value()["url"].as_str().unwrap())
            .send()
            .await
            .expect(200);
        get(&app, &token, &format!("{BUCKETS}/{bucket}/links"))
            .await
            .expect(200);
        uploads(&app, &token, bucket).await;
        let picture = app.put(&url(bucket, "p.png")).bearer(&token);
        let picture = picture.body(
            "image/png",
            crate::renditions::picture(20, 10, image::ImageFormat::Png),
        );
        picture.send().await.expect(201);
        for width in [3, 4, 4, 5] {
            get(&app, &token, &format!("{}?width={width}", url(bucket, "p.png")))
                .await
                .expect(200);
        }
        let copy = json!({"path": "a", "to_path": "c"});
        app.post(&format!("{BUCKETS}/{bucket}/copy"))
            .bearer(&token)
            .json(&copy)
            .send()
            .await
            .expect(201);
        let operation = json!({"kind": "move", "prefix": "c", "to_prefix": "d"});
        app.post(&format!("{BUCKETS}/{bucket}/operations"))
            .bearer(&token)
            .json(&operation)
            .send()
            .await
            .expect(202);
        app.settle().await;
        by_s3(&app, &token, bucket).await;
        app.patch(&format!("{BUCKETS}/{bucket}"))
            .bearer(&token)
            .json(&json!({}))
            .send()
            .await
            .expect(200);
        app.delete(&url(bucket, "a"))
            .bearer(&token)
            .send()
            .await
            .expect(204);
        app.delete(&format!("{}?forever=true", url(bucket, "b")))
            .bearer(&token)
            .send()
            .await
            .expect(204);
        app.delete(&format!("{BUCKETS}/{bucket}"))
            .bearer(&token)
            .send()
            .await
            .expect(409);
    }
    app.emit(&CredentialsRevoked { user_id: ada }).await;
    app.settle().await;
    app.advance(Duration::from_secs(31 * 24 * 3600)).await;
    app.emit(&UserErased { user_id: bob }).await;
    app.settle().await;
    assert!(statements.count() > 40);
    for much in [false, true] {
        if much {
            add_versions(app.db()).await;
        }
        let mut waste = statements.waste(app.db()).await;
        // The first jobs of each queue are few, and may be sorted.
        waste.retain(|one| {
            !(["ORDER BY", "Sort Key"]
                .iter()
                .any(|word| one.line.contains(word))
                && [
                    "AS heads ORDER BY",
                    "j.queue = q.column1",
                    "SELECT queue FROM jobs",
                ]
                .iter()
                .any(|of_jobs| one.sql.contains(of_jobs)))
        });
        waste.retain(|one| !MEANT.iter().any(|meant| one.sql.contains(meant)));
        assert!(waste.is_empty(), "{waste:#?}");
        analyze(app.db()).await;
    }
}

/// Uploads in parts of each kind, some of which are given up.
async fn uploads(app: &Few, token: &str, bucket: &str) {
    for path in ["u", "v"] {
        let upload = tus::begun(app, token, (bucket, path), 70).await;
        for at in 0..70 {
            tus::append(app, token, (&upload, at), b"x", &[])
                .await
                .expect(204);
            if path == "v" {
                break;
            }
        }
        tus::look(app, token, &upload).await.expect(200);
    }
    let piece = [("upload-concat", "partial"), ("upload-length", "3")];
    let piece = tus::location(&tus::begin(app, token, &piece).await);
    tus::append(app, token, (&piece, 0), b"abc", &[])
        .await
        .expect(204);
    let (into, concat) = (tus::metadata(bucket, "w"), format!("final;{piece}"));
    let whole = [("upload-metadata", &*into), ("upload-concat", &*concat)];
    tus::location(&tus::begin(app, token, &whole).await);
    let upload = tus::begun(app, token, (bucket, "x"), 70).await;
    let call = app.delete(&upload).bearer(token).header("tus-resumable", "1.0.0");
    call.send().await.expect(204);
}

/// What clients of S3 ask besides.
async fn by_s3(app: &Few, token: &str, bucket: &str) {
    let s3 = S3::new(app, token, json!({})).await;
    get(app, token, KEYS).await.expect(200);
    s3.get("/").await.expect(200);
    s3.put(&format!("/{bucket}/b"), "b").await.expect(200);
    s3.get(&format!("/{bucket}?delimiter=/&prefix=a"))
        .await
        .expect(200);
    s3.get(&format!("/{bucket}?uploads")).await.expect(200);
    let version = s3.put(&format!("/{bucket}/b"), "again").await.expect(200);
    if let Some(version) = version.header("x-amz-version-id") {
        let path = format!("/{bucket}/b?versionId={version}");
        s3.delete(&path).await.expect(204);
    }
    s3.get(&format!(
        "/{bucket}?versions&prefix=a&key-marker=a&version-id-marker={}",
        uuid::Uuid::max()
    ))
    .await
    .expect(200);
    let gone = S3::new(app, token, json!({})).await;
    let path = format!("{KEYS}/{}", gone.id);
    app.delete(&path).bearer(token).send().await.expect(204);
}

async fn add_versions(db: &Db) {
    let (id, path) = match db.engine() {
        Engine::Sqlite => ("randomblob(16)", "randomblob(8)"),
        Engine::Postgres => (
            "gen_random_uuid()",
            "CAST(CAST(gen_random_uuid() AS TEXT) AS BYTEA)",
        ),
    };
    let sql = format!(
        "INSERT INTO versions (id, bucket_id, path, object_id, blob_id, chunks, size, media_type, etag, metadata, is_damaged, \
         is_current, created_at) \
         WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
         SELECT {id}, {id}, {path}, {id}, {id}, 1, 1, 'text/plain', 'x', '{{}}', FALSE, TRUE, $1 FROM n"
    );
    db.execute(&sql, &[&db.clock().now()]).await.unwrap();
}
