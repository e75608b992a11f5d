//! Parts of objects.

use stoa_db::db_test;
use stoa_testkit::{Answer, assert_problem};

use crate::helpers::{App, bytes, put, somebody, url};

const LENGTH: usize = 600_000;

async fn part(app: &App, token: &str, range: &str, more: &[(&str, &str)]) -> Answer {
    let mut call = app.get(&url("data", "a")).bearer(token).header("range", range);
    for (name, value) in more {
        call = call.header(name, value);
    }
    call.send().await
}

#[db_test]
async fn one_range_is_that_part_of_the_bytes(app: App) {
    let token = somebody(&app, "data").await;
    let body = bytes(LENGTH);
    put(&app, &token, &url("data", "a"), body.clone())
        .await
        .expect(201);
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=262143-262144", 262_143, 262_144),
        ("bytes=599990-", 599_990, LENGTH - 1),
        ("bytes=-5", LENGTH - 5, LENGTH - 1),
        ("bytes=10-9999999", 10, LENGTH - 1),
        ("bytes=5-9,8-20", 5, 20),
    ] {
        let answer = part(&app, &token, range, &[]).await.expect(206);
        let told = format!("bytes {first}-{last}/{LENGTH}");
        assert_eq!(answer.header("content-range"), Some(&*told), "{range}");
        assert!(answer.bytes() == &body[first..=last], "{range}");
    }
    let refused = part(&app, &token, "bytes=600000-", &[]).await;
    assert_problem(&refused, 416, "range_not_satisfiable", &[]);
    assert_eq!(refused.header("content-range"), Some("bytes */600000"));
    for whole in ["bytes=x", "lines=1-2", "bytes=9-1"] {
        assert_eq!(
            part(&app, &token, whole, &[]).await.expect(200).bytes().len(),
            LENGTH
        );
    }
}

#[db_test]
async fn several_ranges_come_as_parts_of_one_answer(app: App) {
    let token = somebody(&app, "data").await;
    let body = bytes(LENGTH);
    put(&app, &token, &url("data", "a"), body.clone())
        .await
        .expect(201);
    let answer = part(&app, &token, "bytes=0-9, 300000-560000, -1", &[])
        .await
        .expect(206);
    let boundary = answer
        .header("content-type")
        .unwrap()
        .strip_prefix("multipart/byteranges; boundary=");
    let boundary = boundary.unwrap().to_owned();
    let length: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert_eq!(answer.bytes().len(), length);
    let mut expected = Vec::new();
    for (first, last) in [(0, 9), (300_000, 560_000), (LENGTH - 1, LENGTH - 1)] {
        let head = format!(
            "\r\n--{boundary}\r\ncontent-type: text/plain\r\ncontent-range: bytes {first}-{last}/{LENGTH}\r\n\r\n"
        );
        expected.extend(head.bytes().chain(body[first..=last].iter().copied()));
    }
    expected.extend(format!("\r\n--{boundary}--\r\n").bytes());
    assert!(answer.bytes() == &expected);
    // Many small ones that lie in each other cost no more than what they cover; too many count for nothing.
    let nested: Vec<_> = (0..30).map(|n| format!("{n}-{}", LENGTH - 1 - n)).collect();
    let answer = part(&app, &token, &format!("bytes={}", nested.join(",")), &[])
        .await
        .expect(206);
    assert_eq!(answer.bytes().len(), LENGTH);
    let many = vec!["0-1"; 40].join(",");
    assert_eq!(
        part(&app, &token, &format!("bytes={many}"), &[])
            .await
            .expect(200)
            .bytes()
            .len(),
        LENGTH
    );
}

#[db_test]
async fn a_range_is_of_the_version_that_is_meant_or_it_is_the_whole(app: App) {
    let token = somebody(&app, "data").await;
    let made = put(&app, &token, &url("data", "a"), bytes(LENGTH))
        .await
        .expect(201);
    let etag = made.header("etag").unwrap().to_owned();
    let found = app.get(&url("data", "a")).bearer(&token).send().await;
    let modified = found.header("last-modified").unwrap();
    for (condition, status) in [
        (&*etag, 206),
        (&*format!("W/{etag}"), 200),
        ("\"other\"", 200),
        (modified, 206),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("nonsense", 200),
    ] {
        part(&app, &token, "bytes=0-9", &[("if-range", condition)])
            .await
            .expect(status);
    }
    part(&app, &token, "bytes=900000-", &[("if-range", "\"other\"")])
        .await
        .expect(200);
    let known = part(&app, &token, "bytes=0-9", &[("if-none-match", &etag)]).await;
    assert_eq!(known.status(), 304);
}
