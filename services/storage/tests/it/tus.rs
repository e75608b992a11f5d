//! Uploads in several requests, by tus.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use reqwest::Method;
use serde_json::json;
use sha2::Sha256;
use stoa_db::db_test;
use stoa_storage::events::ObjectCreated;
use stoa_testkit::{Answer, Client, assert_problem, eventually};
use tokio::io::AsyncWriteExt;

use crate::helpers::{App, builder, bytes, count, get, make_bucket, somebody, stored, url, usage};

pub(crate) const TUS: &str = "/api/v1/storage/tus";
pub(crate) const PIECE: &str = "application/offset+octet-stream";

/// `Upload-Metadata` of an object of the bucket.
pub(crate) fn metadata(bucket: &str, path: &str) -> String {
    format!(
        "bucket {},path {}",
        STANDARD.encode(bucket),
        STANDARD.encode(path)
    )
}

/// Begins an upload with these headers besides.
pub(crate) async fn begin(app: &Client, token: &str, headers: &[(&str, &str)]) -> Answer {
    let mut call = app.post(TUS).bearer(token).header("tus-resumable", "1.0.0");
    for (name, value) in headers {
        call = call.header(name, value);
    }
    call.send().await
}

/// Where an upload of so many bytes goes on.
pub(crate) async fn begun(app: &Client, token: &str, (bucket, path): (&str, &str), length: usize) -> String {
    let (metadata, length) = (metadata(bucket, path), length.to_string());
    let headers = [("upload-metadata", &*metadata), ("upload-length", &*length)];
    location(&begin(app, token, &headers).await)
}

pub(crate) fn location(answer: &Answer) -> String {
    assert_eq!(answer.status(), 201, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

pub(crate) async fn append(
    app: &Client,
    token: &str,
    (upload, offset): (&str, usize),
    body: &[u8],
    headers: &[(&str, &str)],
) -> Answer {
    let mut call = app
        .patch(upload)
        .bearer(token)
        .header("tus-resumable", "1.0.0")
        .header("upload-offset", &offset.to_string());
    for (name, value) in headers {
        call = call.header(name, value);
    }
    call.body(PIECE, body.to_vec()).send().await
}

pub(crate) async fn look(app: &Client, token: &str, upload: &str) -> Answer {
    let call = app.call(Method::HEAD, upload).bearer(token);
    call.header("tus-resumable", "1.0.0").send().await
}

fn offset(answer: &Answer) -> usize {
    answer.header("upload-offset").unwrap().parse().unwrap()
}

#[db_test]
async fn an_upload_in_several_requests_becomes_an_object_with_the_checksums_of_its_bytes(app: App) {
    let token = somebody(&app, "data").await;
    let body = bytes(20_000_000);
    let upload = begun(&app, &token, ("data", "big"), body.len()).await;
    assert_eq!(
        usage(&app, &token).await,
        (1, 1, 20_000_000),
        "room is taken at once"
    );
    let (mut at, mut last) = (0, None);
    for part in [1, 100, 9_000_000, 3_999_899, 7_000_000] {
        let answer = append(&app, &token, (&upload, at), &body[at..at + part], &[])
            .await
            .expect(204);
        at += part;
        assert_eq!(offset(&answer), at);
        let looked = look(&app, &token, &upload).await.expect(200);
        assert_eq!(
            (offset(&looked), looked.header("cache-control")),
            (at, Some("no-store"))
        );
        assert_eq!(looked.header("upload-length"), Some("20000000"));
        last = Some(answer);
    }
    let found = get(&app, &token, &url("data", "big")).await.expect(200);
    assert!(found.bytes() == &body);
    let etag = format!("\"{}\"", hex::encode(Md5::digest(&body)));
    assert_eq!(found.header("etag"), Some(&*etag));
    assert_eq!(last.unwrap().header("etag"), Some(&*etag));
    let list = get(&app, &token, "/api/v1/storage/buckets/data/objects")
        .await
        .value();
    assert_eq!(
        list["items"][0]["sha256"],
        json!(hex::encode(Sha256::digest(&body))),
        "{list}"
    );
    // Ranges within chunks, over their borders and over several.
    for (first, end) in [
        (0, 1),
        (0, 102),
        (100, 102),
        (1, 8_388_709),
        (8_388_600, 9_100_000),
        (90, 20_000_000),
    ] {
        let range = format!("bytes={first}-{}", end - 1);
        let part = app
            .get(&url("data", "big"))
            .bearer(&token)
            .header("range", &range)
            .send()
            .await;
        assert!(part.expect(206).bytes() == &body[first..end], "{range}");
    }
    assert_eq!(app.emitted::<ObjectCreated>().await.len(), 1);
    assert_eq!(app.audited("object.create").await.len(), 1);
    assert_eq!(usage(&app, &token).await, (1, 1, 20_000_000));
    // The last request again, and one that is late, change nothing.
    let again = append(&app, &token, (&upload, at), b"", &[]).await.expect(204);
    assert_eq!(again.header("etag"), Some(&*etag));
    assert_problem(
        &append(&app, &token, (&upload, 0), &body[..1], &[]).await,
        409,
        "offset_mismatch",
        &[],
    );
    assert_eq!(
        (count(&app, "versions").await, count(&app, "upload_parts").await),
        (1, 0)
    );
    assert_eq!(
        count(&app, "chunks").await,
        i64::try_from(stored(&app).await.len()).unwrap()
    );
}

#[db_test]
async fn what_came_before_a_connection_broke_is_kept(app: App) {
    let token = somebody(&app, "data").await;
    let body = bytes(12_000_000);
    let upload = begun(&app, &token, ("data", "a"), body.len()).await;
    let mut stream = tokio::net::TcpStream::connect(app.address()).await.unwrap();
    let head = format!(
        "PATCH {upload} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ntus-resumable: 1.0.0\r\nupload-offset: 0\r\n\
         content-type: {PIECE}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..10_000_000]).await.unwrap();
    eventually("the first piece is kept", || async {
        count(&app, "upload_parts").await == 1
    })
    .await;
    // Another one may not append meanwhile.
    let second = append(&app, &token, (&upload, 8_388_608), b"x", &[]).await;
    assert_problem(&second, 423, "upload_locked", &[]);
    // Who asks goes on: the one that appends makes way, and what it brought is kept.
    let looked = look(&app, &token, &upload).await.expect(200);
    let at = offset(&looked);
    assert!((8_388_608..=10_000_000).contains(&at), "{at}");
    drop(stream);
    append(&app, &token, (&upload, at), &body[at..], &[])
        .await
        .expect(204);
    assert!(get(&app, &token, &url("data", "a")).await.bytes() == &body);
    // And where nobody asks, what came before the end is kept as well.
    let upload = begun(&app, &token, ("data", "b"), body.len()).await;
    let mut stream = tokio::net::TcpStream::connect(app.address()).await.unwrap();
    let head = head.replace(head.split(' ').nth(1).unwrap(), &upload);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..1_000_000]).await.unwrap();
    eventually("it has begun", || async {
        count(&app, "pending_blobs").await == 1
    })
    .await;
    drop(stream);
    eventually("what came is kept", || async {
        count(&app, "upload_parts").await == 1
    })
    .await;
    let at = offset(&look(&app, &token, &upload).await.expect(200));
    assert!(at > 0 && at <= 1_000_000, "{at}");
    append(&app, &token, (&upload, at), &body[at..], &[])
        .await
        .expect(204);
    assert!(get(&app, &token, &url("data", "b")).await.bytes() == &body);
}

#[db_test]
async fn what_does_not_match_its_checksum_is_not_kept(app: App) {
    let token = somebody(&app, "data").await;
    let body = bytes(9_000_000);
    let upload = begun(&app, &token, ("data", "a"), body.len()).await;
    let wrong = format!("sha256 {}", STANDARD.encode(Sha256::digest(b"other")));
    let refused = append(&app, &token, (&upload, 0), &body, &[("upload-checksum", &wrong)]).await;
    assert_problem(&refused, 460, "checksum_mismatch", &[]);
    assert_eq!(offset(&look(&app, &token, &upload).await), 0);
    crate::leftovers::nothing_pending(&app).await;
    assert!(stored(&app).await.is_empty());
    let unknown = append(
        &app,
        &token,
        (&upload, 0),
        &body,
        &[("upload-checksum", "crc32 AAAA")],
    )
    .await;
    assert_problem(&unknown, 400, "malformed_request", &[]);
    let right = format!("sha256 {}", STANDARD.encode(Sha256::digest(&body)));
    append(&app, &token, (&upload, 0), &body, &[("upload-checksum", &right)])
        .await
        .expect(204);
    assert!(get(&app, &token, &url("data", "a")).await.bytes() == &body);
}

#[db_test]
async fn what_is_asked_wrongly_is_refused(app: App) {
    let token = somebody(&app, "data").await;
    let metadata = metadata("data", "a");
    let options = app.call(Method::OPTIONS, TUS).send().await.expect(204);
    assert_eq!(options.header("tus-version"), Some("1.0.0"));
    assert_eq!(options.header("tus-checksum-algorithm"), Some("md5,sha1,sha256"));
    let extensions = options.header("tus-extension").unwrap();
    for extension in ["creation", "termination", "concatenation", "expiration"] {
        assert!(extensions.contains(extension));
    }
    let old = app
        .post(TUS)
        .bearer(&token)
        .header("tus-resumable", "0.2.2")
        .send()
        .await;
    assert_problem(&old, 412, "tus_version_unknown", &[]);
    assert_eq!(
        (old.header("tus-version"), old.header("tus-resumable")),
        (Some("1.0.0"), Some("1.0.0"))
    );
    for (headers, field) in [
        (&[("upload-length", "1")][..], "bucket"),
        (&[("upload-metadata", &*metadata)], "upload-length"),
        (
            &[("upload-metadata", &metadata), ("upload-length", "-1")],
            "upload-length",
        ),
        (
            &[("upload-metadata", "bucket ZGF0YQ=="), ("upload-length", "1")],
            "path",
        ),
        (
            &[("upload-metadata", "bucket !"), ("upload-length", "1")],
            "upload-metadata",
        ),
        (
            &[("upload-metadata", &metadata), ("upload-concat", "final;x")],
            "upload-concat",
        ),
    ] {
        let refused = begin(&app, &token, headers).await;
        assert_problem(&refused, 422, "invalid_input", &[field]);
    }
    let huge = [
        ("upload-metadata", &*metadata),
        ("upload-length", "9999999999999"),
    ];
    assert_problem(&begin(&app, &token, &huge).await, 413, "too_large", &[]);
    let upload = begun(&app, &token, ("data", "a"), 10).await;
    assert_problem(
        &append(&app, &token, (&upload, 1), b"x", &[]).await,
        409,
        "offset_mismatch",
        &[],
    );
    assert_problem(
        &append(&app, &token, (&upload, 0), &[0; 11], &[]).await,
        413,
        "too_large",
        &[],
    );
    let typed = app
        .patch(&upload)
        .bearer(&token)
        .header("tus-resumable", "1.0.0")
        .header("upload-offset", "0");
    assert_problem(
        &typed.body("text/plain", "x").send().await,
        415,
        "unsupported_media_type",
        &[],
    );
    assert_eq!(offset(&look(&app, &token, &upload).await), 0);
    // A client that can send nothing but POST.
    let post = |method: &str| {
        let call = app.post(&upload).bearer(&token).header("tus-resumable", "1.0.0");
        call.header("x-http-method-override", method)
            .header("upload-offset", "0")
    };
    let patched = post("PATCH").body(PIECE, vec![7; 4]).send().await.expect(204);
    assert_eq!(offset(&patched), 4);
    assert_problem(
        &post("GET").send().await,
        422,
        "invalid_input",
        &["x-http-method-override"],
    );
    post("DELETE").send().await.expect(204);
    assert_eq!(usage(&app, &token).await, (1, 0, 0));
    app.settle().await;
    assert_eq!(look(&app, &token, &upload).await.status(), 404);
    assert!(stored(&app).await.is_empty());
}

#[db_test]
async fn an_upload_is_seen_by_who_began_it_as_long_as_they_may_write_there(app: App) {
    let token = somebody(&app, "data").await;
    let upload = begun(&app, &token, ("data", "a"), 10).await;
    let user = app.new_user();
    let (eve, key) = (app.token(user, &[]), app.api_key(user, &["objects.read"]));
    for stranger in [&eve, &key] {
        let may_call = *stranger == eve;
        let refused = append(&app, stranger, (&upload, 0), b"x", &[]).await;
        assert_eq!(
            refused.status(),
            if may_call { 404 } else { 403 },
            "{}",
            refused.text()
        );
        assert_eq!(look(&app, stranger, &upload).await.status(), refused.status());
        let deleted = app
            .delete(&upload)
            .bearer(stranger)
            .header("tus-resumable", "1.0.0")
            .send()
            .await;
        assert_eq!(deleted.status(), refused.status());
    }
    let into = metadata("data", "b");
    let refused = begin(&app, &eve, &[("upload-metadata", &into), ("upload-length", "1")]).await;
    assert_problem(&refused, 404, "not_found", &[]);
    assert_eq!(app.call(Method::HEAD, &upload).send().await.status(), 401);
    append(&app, &token, (&upload, 0), &[7; 10], &[])
        .await
        .expect(204);
    // In an organization guests read only, and members do not see each other's uploads.
    let ours = app.new_organization();
    let as_role = |role| app.member_token(app.new_user(), ours, role);
    use stoa_kernel::OrganizationRole::{Guest, Member, Owner};
    let (owner, member, guest) = (as_role(Owner), as_role(Member), as_role(Guest));
    make_bucket(&app, &owner, "ours", json!({"organization_id": ours}))
        .await
        .expect(201);
    let into = metadata("ours", "b");
    let refused = begin(
        &app,
        &guest,
        &[("upload-metadata", &into), ("upload-length", "1")],
    )
    .await;
    assert_problem(&refused, 403, "forbidden", &[]);
    let upload = begun(&app, &member, ("ours", "b"), 1).await;
    assert_eq!(look(&app, &owner, &upload).await.status(), 404);
    append(&app, &member, (&upload, 0), b"x", &[]).await.expect(204);
}

stoa_testkit::app!(
    Tight,
    builder(|config| {
        config.bytes_max = 1000;
        config.unfinished_max = 2;
    })
);

#[db_test]
async fn unfinished_uploads_take_up_room_and_give_it_back(app: Tight) {
    let token = somebody(&app, "data").await;
    let first = begun(&app, &token, ("data", "a"), 600).await;
    let into = metadata("data", "b");
    let more = |length: &'static str| {
        [
            ("upload-metadata", into.clone()),
            ("upload-length", length.to_owned()),
        ]
    };
    async fn ask(app: &Client, token: &str, headers: [(&str, String); 2]) -> Answer {
        begin(
            app,
            token,
            &headers.each_ref().map(|(name, value)| (*name, &**value)),
        )
        .await
    }
    assert_problem(&ask(&app, &token, more("500")).await, 409, "quota_exceeded", &[]);
    ask(&app, &token, more("400")).await.expect(201);
    assert_problem(&ask(&app, &token, more("0")).await, 409, "uploads_full", &[]);
    append(&app, &token, (&first, 0), &[1; 100], &[])
        .await
        .expect(204);
    assert_eq!(usage(&app, &token).await, (1, 2, 1000));
    // Of both nothing more comes.
    app.advance(Duration::from_secs(26 * 3600)).await;
    eventually("they are given up", || async {
        count(&app, "uploads").await == 0
    })
    .await;
    let left: i64 = crate::helpers::one(&app, "SELECT bytes + objects + uploads FROM owners").await;
    assert_eq!((left, stored(&app).await.len()), (0, 0));
}
