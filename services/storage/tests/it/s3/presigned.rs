//! Headers that presigners write into the address.

use reqwest::Method;
use serde_json::json;
use stoa_db::Engine;

use super::client::{S3, assert_refused};
use crate::helpers::{builder, somebody};

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_does_what_the_header_does() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = somebody(&app, "data").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    let address = |method, path: &str| s3.request(method, path).presigned(60);

    let put = address(
        Method::PUT,
        "/data/a?X-Amz-Meta-Colour=blue&x-amz-storage-class=STANDARD&x-amz-acl=private&x-amz-checksum-crc32=y%2FQ5Jg%3D%3D",
    );
    app.put(&put)
        .body("text/plain", "123456789")
        .send()
        .await
        .expect(200);
    let found = s3.get("/data/a").await.expect(200);
    assert_eq!(found.header("x-amz-meta-colour"), Some("blue"));
    let copy = address(Method::PUT, "/data/b?x-amz-copy-source=%2Fdata%2Fa");
    app.put(&copy).send().await.expect(200);
    assert_eq!(s3.get("/data/b").await.expect(200).text(), "123456789");

    for (parameters, status, code) in [
        ("x-amz-tagging=a%3Db", 501, "NotImplemented"),
        ("x-amz-acl=public-read", 501, "NotImplemented"),
        ("X-Amz-Grant-Read=id%3D1", 501, "NotImplemented"),
        ("x-amz-server-side-encryption=AES256", 501, "NotImplemented"),
        ("x-amz-storage-class=GLACIER", 400, "InvalidStorageClass"),
        ("x-amz-checksum-crc32=AAAAAA%3D%3D", 400, "BadDigest"),
        ("x-amz-meta-a=1&X-Amz-Meta-A=2", 400, "InvalidArgument"),
        ("x-amz-meta-a=%0A", 400, "InvalidArgument"),
        ("x-amz-meta-%20=a", 400, "InvalidArgument"),
    ] {
        let put = address(Method::PUT, &format!("/data/c?{parameters}"));
        let answer = app.put(&put).body("text/plain", "123456789").send().await;
        assert_refused(&answer, status, code);
    }
    assert_refused(&s3.get("/data/c").await, 404, "NoSuchKey");
    // The address is signed with its parameters.
    let other = put.replace("=blue", "=red");
    let answer = app.put(&other).body("text/plain", "123456789").send().await;
    assert_refused(&answer, 403, "SignatureDoesNotMatch");
}
