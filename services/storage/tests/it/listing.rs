//! What is in a bucket: objects and folders, by the page.

use serde_json::Value;
use stoa_db::db_test;
use stoa_testkit::assert_problem;

use crate::helpers::{App, BUCKETS, builder, get, put, somebody, url};

stoa_testkit::app!(Large, builder(|_| {}));

/// Paths and folders of one page, and where the next begins.
async fn page(app: &App, token: &str, query: &str) -> (Vec<String>, Vec<String>, Option<String>) {
    let page = get(app, token, &format!("{BUCKETS}/data/objects?{query}"))
        .await
        .expect(200)
        .value();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let paths = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| text(&item["path"]))
        .collect();
    let folders = page["folders"].as_array().unwrap().iter().map(text).collect();
    (paths, folders, page["next_cursor"].as_str().map(str::to_owned))
}

#[db_test]
async fn objects_and_folders_come_in_the_order_of_their_paths(app: App) {
    let token = somebody(&app, "data").await;
    for path in ["b.txt", "a/1", "a/2", "a/b/3", "a.txt", "a0", "%C3%A9/x", "Z"] {
        put(&app, &token, &url("data", path), "x").await.expect(201);
    }
    app.delete(&url("data", "a/2"))
        .bearer(&token)
        .send()
        .await
        .expect(204);
    for (query, paths, folders) in [
        (
            "",
            &["Z", "a.txt", "a/1", "a/b/3", "a0", "b.txt", "\u{e9}/x"][..],
            &[][..],
        ),
        ("delimiter=/", &["Z", "a.txt", "a0", "b.txt"], &["a/", "\u{e9}/"]),
        ("prefix=a&delimiter=/", &["a.txt", "a0"], &["a/"]),
        ("prefix=a/&delimiter=/", &["a/1"], &["a/b/"]),
        ("prefix=a/", &["a/1", "a/b/3"], &[]),
        ("prefix=a/b/3", &["a/b/3"], &[]),
        ("prefix=nothing", &[], &[]),
        (
            "delimiter=.t",
            &["Z", "a/1", "a/b/3", "a0", "\u{e9}/x"],
            &["a.t", "b.t"],
        ),
    ] {
        let found = page(&app, &token, query).await;
        assert_eq!(
            (found.0.as_slice(), found.1.as_slice()),
            (
                &*paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>(),
                &*folders.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>(),
            ),
            "{query}"
        );
        assert_eq!(found.2, None);
        // The same, one entry at a time.
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let (paths, folders, next) = page(&app, &token, &format!("{query}&limit=1{cursor}")).await;
            assert!(paths.len() + folders.len() <= 1);
            all.extend(paths.into_iter().chain(folders));
            let Some(next) = next else { break };
            cursor = format!("&cursor={next}");
        }
        let mut expected: Vec<_> = paths
            .iter()
            .chain(folders)
            .map(|path| (*path).to_owned())
            .collect();
        expected.sort();
        assert_eq!(all, expected, "{query}");
    }
}

#[db_test]
async fn what_is_no_list_is_refused(app: App) {
    let token = somebody(&app, "data").await;
    for (query, field) in [
        ("prefix=/a", "prefix"),
        ("prefix=a//", "prefix"),
        ("delimiter=", "delimiter"),
        ("cursor=nonsense", "cursor"),
        ("limit=0", "limit"),
        ("colour=1", "colour"),
    ] {
        let answer = get(&app, &token, &format!("{BUCKETS}/data/objects?{query}")).await;
        assert_problem(&answer, 422, "invalid_input", &[field]);
    }
    let eve = app.token(app.new_user(), &[]);
    for list in ["objects", "versions?path=a", "deleted"] {
        assert_problem(
            &get(&app, &eve, &format!("{BUCKETS}/data/{list}")).await,
            404,
            "not_found",
            &[],
        );
        assert_problem(
            &app.get(&format!("{BUCKETS}/data/{list}")).send().await,
            401,
            "unauthenticated",
            &[],
        );
    }
}

/// A folder with more in it than is read at once is skipped, and costs no more than another.
#[db_test]
async fn what_is_in_large_folders_is_not_read(app: Large) {
    let token = somebody(&app, "data").await;
    put(&app, &token, &url("data", "folder-0/first"), "x")
        .await
        .expect(201);
    let bucket: uuid::Uuid = crate::helpers::one(&app, "SELECT id FROM buckets").await;
    let id = match app.db().engine() {
        stoa_db::Engine::Sqlite => "randomblob(16)",
        stoa_db::Engine::Postgres => "gen_random_uuid()",
    };
    let sql = format!(
        "INSERT INTO versions (id, bucket_id, path, object_id, blob_id, chunks, size, media_type, etag, metadata, is_damaged, \
         is_current, created_at) \
         WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
         SELECT {id}, $1, CAST('folder-' || CAST(i % 3 AS TEXT) || '/' || CAST(i AS TEXT) AS BYTEA), {id}, {id}, 1, 1, 'text/plain', \
         'x', '{{}}', FALSE, TRUE, $2 FROM n"
    );
    let sql = match app.db().engine() {
        stoa_db::Engine::Sqlite => sql.replace("AS BYTEA", "AS BLOB"),
        stoa_db::Engine::Postgres => sql,
    };
    app.db()
        .execute(&sql, &[&bucket, &app.clock().now()])
        .await
        .unwrap();
    let path = format!("{BUCKETS}/data/objects?delimiter=/");
    let found = get(&app, &token, &path).await.expect(200).value();
    assert_eq!(
        found["folders"],
        serde_json::json!(["folder-0/", "folder-1/", "folder-2/"])
    );
    assert_eq!(found["next_cursor"], Value::Null);
    let found = get(&app, &token, &format!("{path}&limit=2"))
        .await
        .expect(200)
        .value();
    let next = format!("{path}&limit=2&cursor={}", found["next_cursor"].as_str().unwrap());
    let found = get(&app, &token, &next).await.expect(200).value();
    assert_eq!(found["folders"], serde_json::json!(["folder-2/"]));
}
