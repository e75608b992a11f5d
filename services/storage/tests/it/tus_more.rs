//! Uploads by tus that are joined, of a length that is said later, of many pieces; and what becomes of them.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use stoa_auth_api::events::UserErased;
use stoa_db::db_test;
use stoa_kernel::Id;
use stoa_storage::events::BytesDamaged;
use stoa_testkit::{Answer, assert_problem, eventually};

use crate::{
    helpers::{App, BUCKETS, bytes, count, get, make_bucket, one, somebody, stored, url, usage},
    tus::{PIECE, TUS, append, begin, begun, location, look, metadata},
};

#[db_test]
async fn pieces_that_are_uploaded_side_by_side_are_joined(app: App) {
    let token = somebody(&app, "data").await;
    let body = bytes(5000);
    let mut pieces = Vec::new();
    for part in body.chunks(2000) {
        let length = part.len().to_string();
        let headers = [("upload-concat", "partial"), ("upload-length", &*length)];
        pieces.push(location(&begin(&app, &token, &headers).await));
    }
    let into = metadata("data", "whole");
    let concat = format!("final;{}", pieces.join(" "));
    let headers = [("upload-metadata", &*into), ("upload-concat", &*concat)];
    assert_problem(
        &begin(&app, &token, &headers).await,
        409,
        "upload_unfinished",
        &[],
    );
    for (piece, part) in pieces.iter().zip(body.chunks(2000)) {
        append(&app, &token, (piece, 0), part, &[]).await.expect(204);
    }
    assert_eq!(usage(&app, &token).await, (1, 3, 5000));
    let eve = somebody(&app, "evil").await;
    let stolen = metadata("evil", "x");
    let stolen = [("upload-metadata", &*stolen), ("upload-concat", &*concat)];
    assert_problem(&begin(&app, &eve, &stolen).await, 404, "not_found", &[]);
    let whole = location(&begin(&app, &token, &headers).await);
    assert_eq!(
        location(&begin(&app, &token, &headers).await),
        whole,
        "sent again"
    );
    let looked = look(&app, &token, &whole).await.expect(200);
    assert_eq!(looked.header("upload-concat"), Some(&*concat));
    assert_eq!(looked.header("upload-length"), Some("5000"));
    assert_eq!(look(&app, &token, &pieces[0]).await.status(), 410);
    for offset in [0, 5000] {
        let more = append(&app, &token, (&whole, offset), b"more", &[]).await;
        assert_problem(&more, 403, "forbidden", &[]);
    }
    let found = get(&app, &token, &url("data", "whole")).await.expect(200);
    assert!(found.bytes() == &body && found.header("etag").unwrap().ends_with("-3\""));
    assert_eq!(usage(&app, &token).await, (1, 1, 5000));
}

#[db_test]
async fn a_length_may_be_said_last(app: App) {
    let token = somebody(&app, "data").await;
    let into = metadata("data", "a");
    let headers = [("upload-metadata", &*into), ("upload-defer-length", "1")];
    let upload = location(&begin(&app, &token, &headers).await);
    assert_eq!(
        look(&app, &token, &upload).await.header("upload-defer-length"),
        Some("1")
    );
    append(&app, &token, (&upload, 0), b"hello ", &[])
        .await
        .expect(204);
    assert_eq!(usage(&app, &token).await, (1, 1, 6));
    for wrong in ["5", "x"] {
        let refused = append(&app, &token, (&upload, 6), b"", &[("upload-length", wrong)]).await;
        assert_problem(&refused, 422, "invalid_input", &["upload-length"]);
    }
    append(&app, &token, (&upload, 6), b"you", &[("upload-length", "9")])
        .await
        .expect(204);
    assert_eq!(get(&app, &token, &url("data", "a")).await.text(), "hello you");
    // Said when all is there, and of nothing at all.
    let upload = location(&begin(&app, &token, &headers).await);
    append(&app, &token, (&upload, 0), b"all", &[]).await.expect(204);
    append(&app, &token, (&upload, 3), b"", &[("upload-length", "3")])
        .await
        .expect(204);
    assert_eq!(get(&app, &token, &url("data", "a")).await.text(), "all");
    let empty = [("upload-metadata", &*into), ("upload-length", "0")];
    location(&begin(&app, &token, &empty).await);
    assert_eq!(
        get(&app, &token, &url("data", "a"))
            .await
            .expect(200)
            .bytes()
            .len(),
        0
    );
    assert_eq!(usage(&app, &token).await, (1, 1, 0));
}

#[db_test]
async fn what_comes_with_the_creation_is_kept(app: App) {
    let token = somebody(&app, "data").await;
    let send = |length: &'static str, checksum: &'static str| {
        let call = app.post(TUS).bearer(&token).header("tus-resumable", "1.0.0");
        let mut call = call
            .header("upload-metadata", &metadata("data", "a"))
            .header("upload-length", length);
        if !checksum.is_empty() {
            call = call.header("upload-checksum", checksum);
        }
        call.body(PIECE, "hello").send()
    };
    let begun = send("9", "").await;
    assert_eq!(begun.header("upload-offset"), Some("5"));
    append(&app, &token, (&location(&begun), 5), b" you", &[])
        .await
        .expect(204);
    assert_eq!(get(&app, &token, &url("data", "a")).await.text(), "hello you");
    let refused = send("5", "md5 AAAAAAAAAAAAAAAAAAAAAA==").await;
    assert_problem(&refused, 460, "checksum_mismatch", &[]);
    let whole = send("5", "md5 XUFAKrxLKna5cZ2REBfFkg==").await;
    assert!(location(&whole).starts_with(TUS) && whole.header("etag").is_some());
    assert_eq!(get(&app, &token, &url("data", "a")).await.text(), "hello");
    app.settle().await;
    assert_eq!(
        (count(&app, "upload_parts").await, stored(&app).await.len()),
        (0, 1)
    );
}

#[db_test]
async fn a_hundred_small_requests_leave_few_chunks(app: App) {
    let token = somebody(&app, "data").await;
    let body = bytes(150);
    let upload = begun(&app, &token, ("data", "a"), body.len()).await;
    for (at, byte) in body.iter().enumerate() {
        append(&app, &token, (&upload, at), &[*byte], &[])
            .await
            .expect(204);
    }
    assert!(get(&app, &token, &url("data", "a")).await.bytes() == &body);
    let chunks = count(&app, "chunks").await;
    assert!(chunks <= 64, "{chunks}");
    app.settle().await;
    assert_eq!(stored(&app).await.len(), usize::try_from(chunks).unwrap());
}

#[db_test]
async fn the_bucket_says_what_it_takes(app: App) {
    let token = app.token(app.new_user(), &[]);
    make_bucket(
        &app,
        &token,
        "pictures",
        json!({"allowed_types": ["image/*"], "max_object_bytes": 100}),
    )
    .await
    .expect(201);
    let typed = format!(
        "{},filetype {}",
        metadata("pictures", "a"),
        STANDARD.encode("text/html")
    );
    let refused = begin(
        &app,
        &token,
        &[("upload-metadata", &typed), ("upload-length", "10")],
    )
    .await;
    assert_problem(&refused, 415, "unsupported_media_type", &[]);
    let large = metadata("pictures", "a");
    let refused = begin(
        &app,
        &token,
        &[("upload-metadata", &large), ("upload-length", "101")],
    )
    .await;
    assert_problem(&refused, 413, "too_large", &[]);
    // What is none is found out at the end, and the end is not kept.
    let upload = begun(&app, &token, ("pictures", "a"), 20).await;
    append(&app, &token, (&upload, 0), b"%PDF-1.4 ", &[])
        .await
        .expect(204);
    let refused = append(&app, &token, (&upload, 9), &[0; 11], &[]).await;
    assert_problem(&refused, 415, "unsupported_media_type", &[]);
    assert_eq!(
        look(&app, &token, &upload).await.header("upload-offset"),
        Some("9")
    );
    let upload = begun(&app, &token, ("pictures", "b"), 20).await;
    append(&app, &token, (&upload, 0), b"\x89PNG\r\n\x1a\n", &[])
        .await
        .expect(204);
    append(&app, &token, (&upload, 8), &[0; 12], &[])
        .await
        .expect(204);
    let found = get(&app, &token, &url("pictures", "b")).await.expect(200);
    assert_eq!(found.header("content-type"), Some("image/png"));
}

/// Uploads the bytes in three requests.
async fn in_three(app: &App, token: &str, path: &str, body: &[u8]) -> Answer {
    let upload = begun(app, token, ("data", path), body.len()).await;
    let third = body.len() / 3;
    append(app, token, (&upload, 0), &body[..third], &[])
        .await
        .expect(204);
    append(app, token, (&upload, third), &body[third..2 * third], &[])
        .await
        .expect(204);
    append(app, token, (&upload, 2 * third), &body[2 * third..], &[])
        .await
        .expect(204)
}

#[db_test]
async fn what_was_put_together_is_copied_restored_verified_and_deleted_as_any_object(app: App) {
    let user = app.new_user();
    let token = app.token(user, &[]);
    make_bucket(&app, &token, "data", json!({"versioning": true}))
        .await
        .expect(201);
    let (one, two) = (bytes(3000), bytes(4000));
    let first = in_three(&app, &token, "a", &one).await;
    in_three(&app, &token, "a", &two).await;
    let copy = json!({"path": "a", "to_path": "b"});
    app.post(&format!("{BUCKETS}/data/copy"))
        .bearer(&token)
        .json(&copy)
        .send()
        .await
        .expect(201);
    let restore = json!({"path": "a", "version_id": first.header("x-version-id").unwrap()});
    app.post(&format!("{BUCKETS}/data/restore"))
        .bearer(&token)
        .json(&restore)
        .send()
        .await
        .expect(200);
    assert!(get(&app, &token, &url("data", "a")).await.bytes() == &one);
    assert!(get(&app, &token, &url("data", "b")).await.bytes() == &two);
    assert_eq!((count(&app, "blobs").await, count(&app, "chunks").await), (2, 6));
    // A chunk in the middle rots.
    let chunk: Id<()> = crate::helpers::one(
        &app,
        "SELECT chunks.id FROM chunks JOIN versions ON versions.blob_id = chunks.blob_id \
         WHERE versions.size = 4000 AND versions.is_current AND position = 2",
    )
    .await;
    let text = chunk.to_string();
    let key = format!("storage/{}/{text}", &text[text.len() - 2..]);
    app.env().objects.put(&key, vec![0; 1333].into()).await.unwrap();
    app.advance(Duration::from_secs(31 * 24 * 3600)).await;
    eventually("it is found", || async {
        app.emitted::<BytesDamaged>().await.len() == 1
    })
    .await;
    let token = app.token(user, &[]);
    assert_problem(
        &get(&app, &token, &url("data", "b")).await,
        500,
        "object_damaged",
        &[],
    );
    assert!(get(&app, &token, &url("data", "a")).await.bytes() == &one);
    app.emit(&UserErased { user_id: user }).await;
    app.settle().await;
    for table in [
        "versions",
        "blobs",
        "chunks",
        "uploads",
        "upload_parts",
        "buckets",
    ] {
        assert_eq!(count(&app, table).await, 0, "{table}");
    }
    assert!(stored(&app).await.is_empty());
}

#[db_test]
async fn who_is_erased_and_a_bucket_that_is_deleted_take_unfinished_uploads_along(app: App) {
    let user = app.new_user();
    let token = app.token(user, &[]);
    make_bucket(&app, &token, "data", json!({})).await.expect(201);
    let upload = begun(&app, &token, ("data", "a"), 10).await;
    append(&app, &token, (&upload, 0), b"hello", &[])
        .await
        .expect(204);
    app.delete(&format!("{BUCKETS}/data"))
        .bearer(&token)
        .send()
        .await
        .expect(204);
    assert_eq!(append(&app, &token, (&upload, 5), b"x", &[]).await.status(), 404);
    app.settle().await;
    assert_eq!((count(&app, "uploads").await, stored(&app).await.len()), (0, 0));
    assert_eq!(usage(&app, &token).await, (0, 0, 0));
    make_bucket(&app, &token, "data", json!({})).await.expect(201);
    let upload = begun(&app, &token, ("data", "a"), 10).await;
    append(&app, &token, (&upload, 0), b"hello", &[])
        .await
        .expect(204);
    let piece = [("upload-concat", "partial"), ("upload-length", "3")];
    let piece = location(&begin(&app, &token, &piece).await);
    append(&app, &token, (&piece, 0), b"abc", &[]).await.expect(204);
    app.emit(&UserErased { user_id: user }).await;
    app.settle().await;
    assert_eq!(
        (count(&app, "uploads").await, count(&app, "upload_parts").await),
        (0, 0)
    );
    assert!(stored(&app).await.is_empty());
}

#[db_test]
async fn a_process_that_was_killed_leaves_what_it_acknowledged_and_no_lock(app: App) {
    let token = somebody(&app, "data").await;
    let upload = begun(&app, &token, ("data", "a"), 10).await;
    append(&app, &token, (&upload, 0), b"hello", &[])
        .await
        .expect(204);
    // As it is when the process dies while a request appends: a lock, and a piece that no row names.
    let (writer, orphan) = (Id::<()>::new(app.clock()), Id::<()>::new(app.clock()));
    let (now, owner): (_, uuid::Uuid) = (app.clock().now(), one(&app, "SELECT id FROM owners").await);
    let sql = "UPDATE uploads SET writer = $1, writer_at = $2";
    app.db().execute(sql, &[&writer, &now]).await.unwrap();
    let sql = "INSERT INTO pending_blobs (id, owner_kind, owner_id, objects, reserved, seen_at, is_swept) \
               VALUES ($1, 'user', $2, 0, 0, $3, FALSE)";
    app.db().execute(sql, &[&orphan, &owner, &now]).await.unwrap();
    assert_problem(
        &append(&app, &token, (&upload, 5), b"x", &[]).await,
        423,
        "upload_locked",
        &[],
    );
    assert_eq!(
        look(&app, &token, &upload).await.header("upload-offset"),
        Some("5")
    );
    append(&app, &token, (&upload, 5), b" you!", &[])
        .await
        .expect(204);
    assert_eq!(get(&app, &token, &url("data", "a")).await.text(), "hello you!");
    app.advance(Duration::from_secs(2 * 3600)).await;
    crate::leftovers::nothing_pending(&app).await;
    let numbers: i64 = one(&app, "SELECT bytes * 100 + objects * 10 + uploads FROM owners").await;
    assert_eq!(numbers, 1010);
}
