//! Requests that say what the object must be like.

use futures::{StreamExt, stream};
use stoa_db::db_test;
use stoa_testkit::{Answer, assert_problem};

use crate::helpers::{App, get, put, somebody, url, usage};

async fn put_if(app: &App, token: &str, (name, value): (&str, &str), body: &'static str) -> Answer {
    let call = app.put(&url("data", "a")).bearer(token).header(name, value);
    call.body("text/plain", body).send().await
}

#[db_test]
async fn a_reader_is_spared_what_it_has(app: App) {
    let token = somebody(&app, "data").await;
    let made = put(&app, &token, &url("data", "a"), "one").await.expect(201);
    let etag = made.header("etag").unwrap().to_owned();
    let modified = get(&app, &token, &url("data", "a"))
        .await
        .header("last-modified")
        .unwrap()
        .to_owned();
    let long_ago = "Thu, 01 Jan 1970 00:00:00 GMT";
    for (name, value, status) in [
        ("if-none-match", &*etag, 304),
        ("if-none-match", &*format!("W/{etag}"), 304),
        ("if-none-match", &*format!("\"x\", {etag}"), 304),
        ("if-none-match", "*", 304),
        ("if-none-match", "\"x\"", 200),
        ("if-modified-since", &*modified, 304),
        ("if-modified-since", long_ago, 200),
        ("if-modified-since", "nonsense", 200),
        ("if-match", &*etag, 200),
        ("if-match", "*", 200),
        ("if-match", "\"x\"", 412),
        ("if-match", &*format!("W/{etag}"), 412),
        ("if-unmodified-since", &*modified, 200),
        ("if-unmodified-since", long_ago, 412),
        ("if-match", "x", 400),
    ] {
        let answer = app
            .get(&url("data", "a"))
            .bearer(&token)
            .header(name, value)
            .send()
            .await;
        assert_eq!(answer.status(), status, "{name}: {value}");
        if status == 304 {
            assert_eq!((answer.header("etag"), answer.bytes().len()), (Some(&*etag), 0));
        }
    }
}

#[db_test]
async fn a_writer_replaces_only_what_it_means_to(app: App) {
    let token = somebody(&app, "data").await;
    assert_problem(
        &put_if(&app, &token, ("if-match", "*"), "one").await,
        412,
        "precondition_failed",
        &[],
    );
    let made = put_if(&app, &token, ("if-none-match", "*"), "one")
        .await
        .expect(201);
    let etag = made.header("etag").unwrap().to_owned();
    let again = put_if(&app, &token, ("if-none-match", "*"), "two").await;
    assert_problem(&again, 412, "precondition_failed", &[]);
    put_if(&app, &token, ("if-match", &etag), "three")
        .await
        .expect(200);
    assert_problem(
        &put_if(&app, &token, ("if-match", &etag), "four").await,
        412,
        "precondition_failed",
        &[],
    );
    let delete = app
        .delete(&url("data", "a"))
        .bearer(&token)
        .header("if-match", &etag)
        .send()
        .await;
    assert_problem(&delete, 412, "precondition_failed", &[]);
    assert_eq!(get(&app, &token, &url("data", "a")).await.text(), "three");
    crate::leftovers::nothing_pending(&app).await;
    assert_eq!(usage(&app, &token).await, (1, 1, 5));
}

#[db_test]
async fn of_many_writers_at_once_one_is_the_first(app: App) {
    let token = somebody(&app, "data").await;
    let writers = stream::iter(0..6).map(|n| {
        let call = app
            .put(&url("data", "a"))
            .bearer(&token)
            .header("if-none-match", "*");
        call.body("text/plain", format!("writer {n}")).send()
    });
    let mut answers: Vec<u16> = writers
        .buffer_unordered(6)
        .map(|answer| answer.status())
        .collect()
        .await;
    answers.sort_unstable();
    assert_eq!(answers, [201, 412, 412, 412, 412, 412]);
    crate::leftovers::nothing_pending(&app).await;
    assert_eq!(usage(&app, &token).await, (1, 1, 8));
}
