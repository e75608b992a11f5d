//! After an erasure nothing of a person is left on the disk but what the README lists.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use image::{DynamicImage, ImageFormat, RgbImage};
use reqwest::Method;
use serde_json::json;

use crate::stoa::{PASSWORD, Stoa, folder, token};

const EMAIL: &str = "Hypatia.Of.Alexandria@example.com";
/// All that only this person can have brought in, in lower case.
const TRACES: [&str; 11] = [
    "hypatia.of.alexandria",
    "hypatiaxyz",
    "alexandrinaxyz",
    "astrolabe-xyz",
    "stargazer-agent-xyz",
    "observatory-key-xyz",
    "sextant-bucket-xyz",
    "sextant-path-xyz",
    "sextant-content-xyz",
    "gnomon-path-xyz",
    "gnomon-content-xyz",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_erased_person_is_left_on_the_disk() {
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);
    // Somebody else, before and after, so that pages are shared.
    stoa.register("before@example.com").await;
    let (token, pictures) = leave_traces(&stoa).await;
    let traces = |folder: &Path| traces(folder, &pictures);
    stoa.register("after@example.com").await;
    until("their mails and profile are written", || {
        let found = traces(&data_dir);
        found
            .iter()
            .any(|(file, _)| file.starts_with(data_dir.join("mail")))
    })
    .await;
    let found = traces(&data_dir);
    for picture in &pictures {
        assert!(
            found.iter().any(|(_, trace)| *trace == picture.name),
            "{}",
            picture.name
        );
    }

    let erased = stoa
        .request(Method::DELETE, "/api/v1/auth/account")
        .bearer_auth(&token)
        .json(&json!({ "password": PASSWORD }))
        .send()
        .await
        .unwrap();
    assert_eq!(erased.status(), 204);
    until("all of it is gone while Stoa runs", || {
        traces(&data_dir).is_empty()
    })
    .await;
    assert!(stoa.terminate().success());
    assert_eq!(traces(&data_dir), []);

    // Others are as they were.
    let stoa = Stoa::serve(&data_dir);
    stoa.login("after@example.com").await;
    assert_eq!(traces(&data_dir), []);
}

/// Bytes that only this file has.
struct Picture {
    name: &'static str,
    bytes: Vec<u8>,
}

impl Picture {
    /// Some from the middle of a file: those at its ends are alike in all.
    fn of(name: &'static str, file: &[u8]) -> Self {
        let middle = file.len() / 2;
        Self {
            name,
            bytes: file[middle..middle + 24].to_vec(),
        }
    }
}

/// A person with a profile, preferences, a key, sessions and mails. Returns an access token, and what their pictures are known by.
async fn leave_traces(stoa: &Stoa) -> (String, [Picture; 2]) {
    let registered = stoa
        .request(Method::POST, "/api/v1/auth/register")
        .header("user-agent", "stargazer-agent-xyz")
        .header("idempotency-key", "hypatia-registers")
        .json(&json!({
            "email": EMAIL, "password": PASSWORD, "first_name": "Hypatiaxyz", "last_name": "Alexandrinaxyz",
        }))
        .send()
        .await
        .unwrap();
    assert_eq!(registered.status(), 201);
    let answer: serde_json::Value = registered.json().await.unwrap();
    let token = token(&answer).to_owned();
    let put = stoa
        .request(Method::PUT, "/api/v1/users/me/preferences/instrument")
        .bearer_auth(&token)
        .json(&json!({ "value": "astrolabe-xyz" }))
        .send()
        .await
        .unwrap();
    assert!(put.status().is_success(), "{}", put.text().await.unwrap());
    for path in ["/api/v1/auth/password/reset", "/api/v1/auth/email/verify/resend"] {
        let asked = stoa.post(path, json!({ "email": EMAIL })).await;
        assert!(
            asked.status().is_success(),
            "{path}: {}",
            asked.text().await.unwrap()
        );
    }
    let refused = stoa
        .post(
            "/api/v1/auth/login",
            json!({ "email": EMAIL, "password": "not the right one" }),
        )
        .await;
    assert_eq!(refused.status(), 401);
    leave_objects(stoa, &token).await;
    let pictures = leave_pictures(stoa, &token).await;
    (token, pictures)
}

/// A picture in the bucket, and the same smaller, as somebody asked for it.
async fn leave_pictures(stoa: &Stoa, token: &str) -> [Picture; 2] {
    let noise = RgbImage::from_fn(64, 64, |_, _| image::Rgb(rand::random()));
    let mut picture = Cursor::new(Vec::new());
    let noise = DynamicImage::ImageRgb8(noise);
    noise.write_to(&mut picture, ImageFormat::Png).unwrap();
    let picture = picture.into_inner();
    let path = "/api/v1/storage/sextant-bucket-xyz/portrait.png";
    let call = |method: Method, path: &str| stoa.request(method, path).bearer_auth(token);
    let put = call(Method::PUT, path).header("content-type", "image/png");
    let put = put.body(picture.clone()).send().await.unwrap();
    assert_eq!(put.status(), 201, "{}", put.text().await.unwrap());
    let smaller = call(Method::GET, &format!("{path}?width=32&format=png"));
    let smaller = smaller.send().await.unwrap();
    assert_eq!(smaller.status(), 200);
    let smaller = smaller.bytes().await.unwrap();
    [
        Picture::of("a picture", &picture),
        Picture::of("its rendition", &smaller),
    ]
}

/// A bucket with versions, one that was deleted, a link, and an upload that is not finished.
async fn leave_objects(stoa: &Stoa, token: &str) {
    let call = |method: Method, path: &str| stoa.request(method, path).bearer_auth(token);
    let buckets = "/api/v1/storage/buckets";
    let bucket = json!({ "name": "sextant-bucket-xyz", "versioning": true });
    let link = json!({ "kind": "download", "path": "sextant-path-xyz.txt", "expires_in": 600 });
    let object = "/api/v1/storage/sextant-bucket-xyz/sextant-path-xyz.txt";
    let tus = "/api/v1/storage/tus";
    // The names of the bucket and of the path, as tus writes them.
    let metadata = "bucket c2V4dGFudC1idWNrZXQteHl6,path Z25vbW9uLXBhdGgteHl6";
    let text = |text: &'static str| {
        call(Method::PUT, object)
            .header("x-meta-note", "sextant-content-xyz")
            .body(text)
    };
    let appended = call(Method::POST, tus)
        .header("tus-resumable", "1.0.0")
        .header("upload-length", "100")
        .header("upload-metadata", metadata)
        .header("content-type", "application/offset+octet-stream")
        .body("gnomon-content-xyz");
    for request in [
        call(Method::POST, buckets).json(&bucket),
        text("sextant-content-xyz"),
        text("sextant-content-xyz, again"),
        call(Method::POST, &format!("{buckets}/sextant-bucket-xyz/links")).json(&link),
        call(Method::DELETE, object),
        text("sextant-content-xyz, the last"),
        appended,
    ] {
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }
}

/// The files in which something of the person stands, and what.
fn traces(folder: &Path, pictures: &[Picture]) -> Vec<(PathBuf, &'static str)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(traces(&path, pictures));
            continue;
        }
        // It may go meanwhile.
        let bytes = fs::read(&path).unwrap_or_default();
        let shown = pictures.iter().filter(|picture| {
            bytes
                .windows(picture.bytes.len())
                .any(|window| window == picture.bytes)
        });
        found.extend(shown.map(|picture| (path.clone(), picture.name)));
        let bytes = bytes.to_ascii_lowercase();
        let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
        let has = |trace: &&&str| {
            let trace = trace.as_bytes();
            bytes.windows(trace.len()).any(|window| window == trace)
                || name.as_bytes().windows(trace.len()).any(|window| window == trace)
        };
        found.extend(TRACES.iter().filter(has).map(|trace| (path.clone(), *trace)));
    }
    found
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
