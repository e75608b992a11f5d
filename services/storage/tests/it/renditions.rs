//! Pictures that are sent smaller, or in another format.

use std::{io::Cursor, time::Duration};

use image::{DynamicImage, GenericImageView, ImageFormat, Rgb, RgbImage};
use serde_json::json;
use stoa_auth_api::events::UserErased;
use stoa_db::{Engine, db_test};
use stoa_testkit::{Answer, TestApp, assert_problem, eventually};

use crate::helpers::{App, builder, count, get, make_bucket, one, put, stored, url, usage};

pub(crate) fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let byte = |n: u32| u8::try_from(n % 256).unwrap();
    let image = RgbImage::from_fn(width, height, |x, y| Rgb([byte(x), byte(y), byte(x * y)]));
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(image)
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}

/// A public bucket with the picture `a.png`, and its owner's token.
async fn gallery(app: &TestApp, bucket: &str) -> String {
    let token = app.token(app.new_user(), &[]);
    make_bucket(app, &token, bucket, json!({"public": true}))
        .await
        .expect(201);
    let call = app.put(&url(bucket, "a.png")).bearer(&token);
    call.body("image/png", picture(400, 200, ImageFormat::Png))
        .send()
        .await
        .expect(201);
    token
}

async fn asked(app: &TestApp, query: &str, headers: &[(&str, &str)]) -> Answer {
    let mut call = app.get(&format!("{}?{query}", url("gallery", "a.png")));
    for (name, value) in headers {
        call = call.header(name, value);
    }
    call.send().await
}

fn sides(answer: &Answer) -> (u32, u32) {
    image::load_from_memory(answer.bytes()).unwrap().dimensions()
}

#[db_test]
async fn a_picture_is_sent_as_it_is_asked_for_and_as_any_object(app: App) {
    gallery(&app, "gallery").await;
    let webp = [("accept", "image/webp,*/*")];
    for (query, headers, kind, size) in [
        ("width=100", &[][..], "image/png", (100, 50)),
        ("width=100", &webp[..], "image/webp", (100, 50)),
        ("height=20&format=original", &webp[..], "image/png", (40, 20)),
        (
            "width=100&height=100&fit=cover&format=jpeg",
            &[],
            "image/jpeg",
            (100, 100),
        ),
        (
            "width=100&height=100&fit=contain&format=webp&quality=50",
            &[],
            "image/webp",
            (100, 100),
        ),
        ("width=100&height=100", &[], "image/png", (100, 50)),
        ("width=2000", &[], "image/png", (400, 200)),
        ("format=jpeg", &[], "image/jpeg", (400, 200)),
    ] {
        let answer = asked(&app, query, headers).await.expect(200);
        assert_eq!(answer.header("content-type"), Some(kind), "{query}");
        assert_eq!(sides(&answer), size, "{query}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        let varies = !query.contains("format");
        let vary = answer.header("vary").unwrap_or_default();
        assert_eq!(vary.contains("accept"), varies, "{query}: {vary}");
        assert!(
            answer
                .header("content-disposition")
                .unwrap()
                .starts_with("inline; filename*=UTF-8''a%2E")
        );
    }
    let whole = asked(&app, "width=100", &[]).await;
    let etag = whole.header("etag").unwrap();
    assert_eq!(
        asked(&app, "width=100", &[("if-none-match", etag)])
            .await
            .status(),
        304
    );
    let part = asked(&app, "width=100", &[("range", "bytes=0-9")])
        .await
        .expect(206);
    assert_eq!(part.bytes(), &whole.bytes()[..10]);
    let original = asked(&app, "", &[]).await.expect(200);
    assert_eq!(sides(&original), (400, 200));
    assert_ne!(original.header("etag"), Some(etag));
    let rows = count(&app, "renditions").await;
    assert_eq!(i64::try_from(stored(&app).await.len()).unwrap(), rows + 1);
}

#[db_test]
async fn what_is_no_picture_or_asked_wrongly_is_refused_with_the_field(app: App) {
    let token = gallery(&app, "gallery").await;
    for (query, field) in [
        ("width=0", "width"),
        ("height=10001", "height"),
        ("height=3000", "height"),
        ("quality=101", "quality"),
        ("format=avif", "format"),
        ("fit=fill", "fit"),
        ("wide=1", "wide"),
    ] {
        assert_problem(&asked(&app, query, &[]).await, 422, "invalid_input", &[field]);
    }
    put(&app, &token, &url("gallery", "note.txt"), "words")
        .await
        .expect(201);
    let svg = app
        .put(&url("gallery", "a.svg"))
        .bearer(&token)
        .body("image/svg+xml", "<svg/>");
    svg.send().await.expect(201);
    for path in ["note.txt", "a.svg"] {
        let refused = app
            .get(&format!("{}?width=10", url("gallery", path)))
            .send()
            .await;
        assert_problem(&refused, 422, "invalid_input", &["width"]);
    }
    let none = app
        .put(&url("gallery", "none.png"))
        .bearer(&token)
        .body("image/png", "no picture");
    none.send().await.expect(201);
    let refused = app
        .get(&format!("{}?width=10", url("gallery", "none.png")))
        .send()
        .await;
    assert_problem(&refused, 422, "image_unreadable", &[]);
    assert_eq!(count(&app, "renditions").await, 0);
    // What is private stays so.
    make_bucket(&app, &token, "private", json!({})).await.expect(201);
    let own = app.put(&url("private", "a.png")).bearer(&token);
    own.body("image/png", picture(40, 40, ImageFormat::Png))
        .send()
        .await
        .expect(201);
    let path = format!("{}?width=10", url("private", "a.png"));
    get(&app, &token, &path).await.expect(200);
    assert_eq!(app.get(&path).send().await.status(), 401);
    let eve = app.token(app.new_user(), &[]);
    assert_problem(&get(&app, &eve, &path).await, 404, "not_found", &[]);
}

#[db_test]
async fn many_who_ask_at_once_are_answered_by_one_rendition(app: App) {
    let token = gallery(&app, "gallery").await;
    let before = usage(&app, &token).await;
    let all = futures::future::join_all((0..8).map(|_| asked(&app, "width=77", &[]))).await;
    let first = all[0].bytes().clone();
    assert!(
        all.iter()
            .all(|answer| answer.status() == 200 && *answer.bytes() == first)
    );
    assert_eq!(
        (count(&app, "renditions").await, stored(&app).await.len()),
        (1, 2)
    );
    assert_eq!(
        usage(&app, &token).await,
        before,
        "it takes up no room of its owner"
    );
    crate::leftovers::nothing_pending(&app).await;
}

stoa_testkit::app!(
    Tight,
    builder(|config| {
        config.renditions_per_object = 3;
        config.renditions_per_address = "6/m".parse().unwrap();
        config.rendition_sides = (10..30).collect();
        config.rendition_source_bytes = 10_000;
    })
);

#[db_test]
async fn strangers_fill_neither_disk_nor_processor(app: Tight) {
    let user = app.new_user();
    let token = app.token(user, &[]);
    make_bucket(&app, &token, "gallery", json!({"public": true}))
        .await
        .expect(201);
    let large = app.put(&url("gallery", "a.png")).bearer(&token);
    let large = large.body("image/png", picture(400, 200, ImageFormat::Png));
    large.send().await.expect(201);
    let refused = asked(&app, "width=10", &[]).await;
    assert_problem(&refused, 422, "image_too_large", &[]);
    let small = app.put(&url("gallery", "a.png")).bearer(&token);
    small
        .body("image/png", picture(40, 20, ImageFormat::Png))
        .send()
        .await
        .expect(200);
    app.settle().await;
    assert_problem(
        &asked(&app, "width=31", &[]).await,
        422,
        "invalid_input",
        &["width"],
    );
    for width in 10..16 {
        asked(&app, &format!("width={width}"), &[]).await.expect(200);
        // Those that are there already cost nothing.
        asked(&app, &format!("width={width}"), &[]).await.expect(200);
    }
    let refused = asked(&app, "width=16", &[]).await;
    assert_problem(&refused, 429, "rate_limited", &[]);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(wait <= 10, "{wait}: one of six in a minute");
    app.settle().await;
    assert_eq!(count(&app, "renditions").await, 3);
    assert_eq!(stored(&app).await.len(), 4);
    let sum: i64 = one(&app, "SELECT CAST(SUM(size) AS BIGINT) FROM renditions").await;
    let kept: i64 = one(&app, "SELECT renditions FROM owners").await;
    assert_eq!(kept, sum);
    // Those that nobody looks at go, and with their picture all.
    app.advance(Duration::from_secs(31 * 24 * 3600)).await;
    eventually("nobody looked at them", || async {
        count(&app, "renditions").await == 0
    })
    .await;
    app.settle().await;
    assert_eq!(stored(&app).await.len(), 1);
    // Somebody else may go on.
    let other = app.get(&format!("{}?width=20", url("gallery", "a.png")));
    other.from_address("203.0.113.9").send().await.expect(200);
    app.emit(&UserErased { user_id: user }).await;
    app.settle().await;
    assert_eq!(
        (count(&app, "renditions").await, stored(&app).await.len()),
        (0, 0)
    );
    let kept: i64 = one(&app, "SELECT renditions FROM owners").await;
    assert_eq!(kept, 0);
}

/// Two who lock in another order wait for each other.
#[db_test]
async fn owners_are_locked_before_their_renditions(app: App) {
    // One writes at a time there.
    if app.db().engine() == Engine::Sqlite {
        return;
    }
    gallery(&app, "gallery").await;
    asked(&app, "width=10", &[]).await.expect(200);
    app.clock().advance(Duration::from_secs(31 * 24 * 3600));
    let mut tx = app.db().begin().await.unwrap();
    let own: i64 = tx
        .fetch_one("SELECT CAST(pg_backend_pid() AS BIGINT)", &[])
        .await
        .unwrap();
    tx.execute("UPDATE owners SET bytes = bytes", &[]).await.unwrap();
    eventually("the one that is to delete it waits", async || {
        let sql =
            "SELECT COUNT(*) FROM pg_stat_activity WHERE $1 = ANY (CAST(pg_blocking_pids(pid) AS BIGINT[]))";
        app.db().fetch_one::<i64>(sql, &[&own]).await.unwrap() > 0
    })
    .await;
    let sql = "SELECT id FROM renditions FOR UPDATE NOWAIT";
    let free: Vec<uuid::Uuid> = tx.fetch_all(sql, &[]).await.unwrap();
    assert_eq!(free.len(), 1);
    tx.rollback().await;
    eventually("it is deleted", async || count(&app, "renditions").await == 0).await;
}
