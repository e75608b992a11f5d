//! Versions, listed and named one by one.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;
use stoa_db::db_test;
use stoa_kernel::Id;
use stoa_testkit::Answer;

use super::client::{S3, assert_refused, element, elements};
use crate::{
    helpers::{App, make_bucket, one, put, url},
    versions::all_agrees,
};

/// A bucket that keeps versions, and a key for it.
async fn with_versions(app: &App) -> (String, S3) {
    let token = app.token(app.new_user(), &[]);
    make_bucket(app, &token, "data", json!({"versioning": true}))
        .await
        .expect(201);
    let s3 = S3::new(app, &token, json!({})).await;
    (token, s3)
}

/// Stores it and returns its version.
async fn store(s3: &S3, key: &str, body: &str) -> String {
    let stored = s3.put(&format!("/data/{key}"), body).await.expect(200);
    stored.header("x-amz-version-id").unwrap().to_owned()
}

/// The pages of a list, one after the other, as clients ask for them.
async fn pages(s3: &S3, query: &str, size: usize) -> Vec<String> {
    let mut pages: Vec<String> = Vec::new();
    let mut markers = String::new();
    loop {
        let path = format!("/data?versions&max-keys={size}{query}{markers}");
        let page = s3.get(&path).await.expect(200).text();
        let is_truncated = element(&page, "IsTruncated") == Some("true");
        markers = String::new();
        for (name, from) in [
            ("key-marker", "NextKeyMarker"),
            ("version-id-marker", "NextVersionIdMarker"),
        ] {
            if let Some(value) = element(&page, from) {
                markers.push_str(&format!("&{name}={value}"));
            }
        }
        pages.push(page);
        if !is_truncated {
            return pages;
        }
    }
}

/// Keys, versions and whether each is the latest, of all pages; and the folders.
async fn walk(s3: &S3, query: &str, size: usize) -> (Vec<(String, String, bool)>, Vec<String>) {
    let (mut versions, mut folders) = (Vec::new(), Vec::new());
    for page in pages(s3, query, size).await {
        let before = versions.len() + folders.len();
        for entry in elements(&page, "Version") {
            let text = |name| element(&entry, name).unwrap().to_owned();
            versions.push((text("Key"), text("VersionId"), text("IsLatest") == "true"));
        }
        for entry in elements(&page, "CommonPrefixes") {
            folders.push(element(&entry, "Prefix").unwrap().to_owned());
        }
        assert!(versions.len() + folders.len() - before <= size, "{page}");
    }
    (versions, folders)
}

#[db_test]
async fn all_versions_are_listed_by_the_page_the_newest_of_a_key_first(app: App) {
    let (token, s3) = with_versions(&app).await;
    let mut expected = Vec::new();
    for (key, count) in [("a", 3), ("dir/x", 2), ("dir/y", 1), ("dirt", 1), ("gone", 2)] {
        let mut of_key = Vec::new();
        for n in 0..count {
            of_key.push((key.to_owned(), store(&s3, key, &n.to_string()).await, false));
        }
        of_key.last_mut().unwrap().2 = key != "gone";
        expected.extend(of_key.into_iter().rev());
    }
    s3.delete("/data/gone").await.expect(204);
    for size in [1, 2, 4, 1000] {
        let (versions, folders) = walk(&s3, "", size).await;
        assert_eq!((&versions, folders.len()), (&expected, 0), "{size}");
        let (versions, folders) = walk(&s3, "&delimiter=/", size).await;
        let beside: Vec<_> = expected
            .iter()
            .filter(|one| !one.0.contains('/'))
            .cloned()
            .collect();
        assert_eq!((versions, folders), (beside, vec!["dir/".to_owned()]), "{size}");
        let (versions, _) = walk(&s3, "&prefix=dir", size).await;
        assert_eq!(versions, expected[3..7], "{size}");
        let (versions, folders) = walk(&s3, "&prefix=di&delimiter=r", size).await;
        assert_eq!((versions, folders), (vec![], vec!["dir".to_owned()]), "{size}");
    }
    // Behind a key is behind all of its versions; behind a version are the older ones.
    let behind = |query: &str| format!("/data?versions&{query}");
    let ids = |page: &Answer| elements(&page.text(), "VersionId");
    let page = s3.get(&behind("key-marker=a&max-keys=1")).await;
    assert_eq!(ids(&page), [expected[3].1.as_str()]);
    let second = format!("key-marker=a&version-id-marker={}&prefix=a", expected[1].1);
    assert_eq!(ids(&s3.get(&behind(&second)).await), [expected[2].1.as_str()]);
    // Each is read by its version, those of a deleted object too.
    for (key, version, _) in &expected {
        let path = format!("/data/{key}?versionId={version}");
        let found = s3.get(&path).await.expect(200);
        assert_eq!(found.header("x-amz-version-id"), Some(version.as_str()));
        s3.request(Method::HEAD, &path).send().await.expect(200);
    }
    assert_refused(&s3.get("/data/gone").await, 404, "NoSuchKey");
    // So a bucket is emptied.
    for (key, version, _) in &expected {
        s3.delete(&format!("/data/{key}?versionId={version}"))
            .await
            .expect(204);
    }
    assert_eq!(walk(&s3, "", 1000).await.0, []);
    all_agrees(&app, &token).await;
    s3.delete("/data").await.expect(204);
}

#[db_test]
async fn a_key_with_very_many_versions_is_walked_as_well(app: App) {
    let (_, s3) = with_versions(&app).await;
    for key in ["a", "b", "c"] {
        store(&s3, key, "x").await;
    }
    let sql = "INSERT INTO versions (id, bucket_id, path, object_id, blob_id, chunks, size, media_type, etag, metadata, is_damaged, \
               is_current, created_at) SELECT $1, bucket_id, path, object_id, blob_id, chunks, size, media_type, etag, metadata, \
               FALSE, FALSE, created_at FROM versions WHERE is_current AND path = $2";
    let mut expected = BTreeSet::new();
    for _ in 0..450 {
        let id = Id::<()>::new(app.clock());
        app.db().execute(sql, &[&id, &&b"b"[..]]).await.unwrap();
        expected.insert(id.to_string());
    }
    for (query, size, others) in [("", 170, 3), ("&prefix=b", 400, 1), ("&key-marker=a", 1000, 2)] {
        let (versions, _) = walk_from(&s3, query, size).await;
        let found: BTreeSet<_> = versions.iter().map(|one| one.1.clone()).collect();
        assert_eq!((found.len(), versions.len()), (450 + others, 450 + others));
        assert!(found.is_superset(&expected));
        let of_b: Vec<_> = versions
            .iter()
            .filter(|one| one.0 == "b")
            .map(|one| &one.1)
            .collect();
        assert!(of_b.is_sorted_by(|one, next| one > next), "the newest first");
    }
    // What is in a folder costs nothing, however much it is.
    let page = s3
        .get("/data?versions&delimiter=b&max-keys=3")
        .await
        .expect(200)
        .text();
    assert_eq!(elements(&page, "Key"), ["a", "c"]);
    assert_eq!(element(&page, "IsTruncated"), Some("false"));
}

/// As [`walk`], where the query may have a marker for the first page.
async fn walk_from(s3: &S3, query: &str, size: usize) -> (Vec<(String, String, bool)>, Vec<String>) {
    if !query.contains("marker") {
        return walk(s3, query, size).await;
    }
    let page = s3.get(&format!("/data?versions&max-keys={size}{query}")).await;
    let page = page.expect(200).text();
    assert_eq!(element(&page, "IsTruncated"), Some("false"));
    let versions = elements(&page, "Version").into_iter().map(|entry| {
        let text = |name| element(&entry, name).unwrap().to_owned();
        (text("Key"), text("VersionId"), text("IsLatest") == "true")
    });
    (versions.collect(), Vec::new())
}

#[db_test]
async fn without_its_latest_version_an_object_is_as_before(app: App) {
    let (token, s3) = with_versions(&app).await;
    let mut versions = Vec::new();
    for body in ["one", "two", "three"] {
        versions.push(store(&s3, "a", body).await);
    }
    let delete = async |version: &str| {
        let gone = s3
            .delete(&format!("/data/a?versionId={version}"))
            .await
            .expect(204);
        assert_eq!(gone.header("x-amz-version-id"), Some(version));
    };
    delete(&versions[2]).await;
    assert_eq!(s3.get("/data/a").await.expect(200).text(), "two");
    let listed = walk(&s3, "", 10).await.0;
    let latest: Vec<_> = listed.iter().map(|one| (one.1.as_str(), one.2)).collect();
    assert_eq!(
        latest,
        [(versions[1].as_str(), true), (versions[0].as_str(), false)]
    );
    assert_eq!(app.audited("object.restore").await.len(), 1);
    delete(&versions[0]).await;
    assert_eq!(s3.get("/data/a").await.expect(200).text(), "two");
    delete(&versions[1]).await;
    assert_refused(&s3.get("/data/a").await, 404, "NoSuchKey");
    delete(&versions[1]).await;
    all_agrees(&app, &token).await;
    // By the API the same is done.
    let first = store(&s3, "b", "one").await;
    let second = store(&s3, "b", "two").await;
    let path = format!("{}?version={second}", url("data", "b"));
    app.delete(&path).bearer(&token).send().await.expect(204);
    let found = s3.get("/data/b").await.expect(200);
    assert_eq!(found.header("x-amz-version-id"), Some(first.as_str()));
}

#[db_test]
async fn a_bucket_says_whether_it_keeps_versions(app: App) {
    let token = app.token(app.new_user(), &[]);
    make_bucket(&app, &token, "data", json!({"versioning": false}))
        .await
        .expect(201);
    let s3 = S3::new(&app, &token, json!({})).await;
    let status = async || {
        let text = s3.get("/data?versioning").await.expect(200).text();
        element(&text, "Status").map(str::to_owned)
    };
    assert_eq!(status().await, None);
    let stored = s3.put("/data/a", "x").await.expect(200);
    assert_eq!(stored.header("x-amz-version-id"), None);
    for known in ["Enabled", "Suspended", "Enabled"] {
        let body = format!("<VersioningConfiguration><Status>{known}</Status></VersioningConfiguration>");
        s3.put("/data?versioning", body).await.expect(200);
        assert_eq!(status().await.as_deref(), Some(known));
    }
    let bucket = format!("{}/data", crate::helpers::BUCKETS);
    let off = json!({"versioning": false});
    app.patch(&bucket)
        .bearer(&token)
        .json(&off)
        .send()
        .await
        .expect(200);
    assert_eq!(status().await.as_deref(), Some("Suspended"));
    assert_eq!(one::<i64>(&app, "SELECT COUNT(*) FROM versions").await, 1);
}

#[db_test]
async fn versions_are_listed_for_those_who_read_the_bucket(app: App) {
    let token = app.token(app.new_user(), &[]);
    make_bucket(&app, &token, "data", json!({"public": true}))
        .await
        .expect(201);
    put(&app, &token, &url("data", "\u{e4} b"), "x").await.expect(201);
    let stranger = app.get("/s3/data?versions").send().await;
    assert_refused(&stranger, 403, "AccessDenied");
    let other = S3::new(&app, &app.token(app.new_user(), &[]), json!({})).await;
    assert_refused(&other.get("/data?versions").await, 403, "AccessDenied");
    let elsewhere = S3::new(&app, &token, json!({"buckets": ["more"]})).await;
    assert_refused(&elsewhere.get("/data?versions").await, 403, "AccessDenied");
    let reader = S3::new(&app, &token, json!({"read_only": true})).await;
    let page = reader
        .get("/data?versions&encoding-type=url")
        .await
        .expect(200)
        .text();
    assert_eq!(element(&page, "Key"), Some("%C3%A4%20b"));
    assert_eq!(element(&page, "EncodingType"), Some("url"));
    for wrong in [
        "version-id-marker=x",
        "key-marker=a&version-id-marker=x",
        "max-keys=-1",
        "encoding-type=x",
    ] {
        let answer = reader.get(&format!("/data?versions&{wrong}")).await;
        assert_refused(&answer, 400, "InvalidArgument");
    }
    for nothing in ["max-keys=0", "prefix=//", "prefix=zz", "prefix=b&key-marker=c"] {
        let page = reader
            .get(&format!("/data?versions&{nothing}"))
            .await
            .expect(200)
            .text();
        assert!(!page.contains("<Version>"), "{page}");
        assert_eq!(element(&page, "IsTruncated"), Some("false"));
    }
}
