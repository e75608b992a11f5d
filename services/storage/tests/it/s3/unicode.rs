//! Keys in the forms of Unicode: what was written is what is listed.

use reqwest::Method;
use serde_json::json;
use stoa_db::Engine;

use super::client::{S3, assert_refused, element, elements};
use crate::helpers::{builder, somebody};

/// The same name in form C and in form D.
const C: &str = "caf%C3%A9";
const D: &str = "cafe%CC%81";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_kept_as_it_came_or_refused() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = somebody(&app, "data").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    s3.put(&format!("/data/{C}"), "first").await.expect(200);

    let other = format!("/data/{D}");
    let refused = s3.put(&other, "second").await;
    assert_refused(&refused, 400, "InvalidArgument");
    let text = refused.text();
    assert!(
        element(&text, "Message").unwrap().contains("normal form C"),
        "{text}"
    );
    assert_refused(
        &s3.post(&format!("{other}?uploads"), "").await,
        400,
        "InvalidArgument",
    );
    for (source, target) in [(C, D), (D, "copy")] {
        let copy = s3
            .request(Method::PUT, &format!("/data/{target}"))
            .header("x-amz-copy-source", &format!("/data/{source}"));
        assert_refused(&copy.send().await, 400, "InvalidArgument");
    }

    // It is not the other one, whatever is asked of it.
    assert_refused(&s3.get(&other).await, 404, "NoSuchKey");
    s3.delete(&other).await.expect(204);
    let several = "<Delete><Object><Key>cafe\u{301}</Key></Object></Delete>";
    s3.post("/data?delete", several).await.expect(200);
    assert_eq!(s3.get(&format!("/data/{C}")).await.expect(200).text(), "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_and_markers_are_taken_as_they_came() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = somebody(&app, "data").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    for key in ["caff", C] {
        s3.put(&format!("/data/{key}"), "x").await.expect(200);
    }
    let keys = async |query: String| {
        let listed = s3.get(&format!("/data?{query}")).await.expect(200).text();
        elements(&listed, "Key")
    };
    // In the order of bytes, form D stands before `caff` and form C after it.
    for (query, expected) in [
        (format!("list-type=2&prefix={C}"), &["caf\u{e9}"][..]),
        (format!("list-type=2&prefix={D}"), &[]),
        (format!("list-type=2&start-after={D}"), &["caff", "caf\u{e9}"]),
        (format!("list-type=2&start-after={C}"), &[]),
        (format!("marker={D}"), &["caff", "caf\u{e9}"]),
        (format!("versions&key-marker={D}"), &["caff", "caf\u{e9}"]),
        (format!("versions&prefix={D}"), &[]),
    ] {
        assert_eq!(keys(query.clone()).await, expected, "{query}");
    }
}
