//! What `stoa doctor` finds at the engines, and objects that move with the rest.

use std::{fs, path::Path, process::Output};

use bytes::Bytes;
use stoa_engines::{Nats, Redis, S3};
use stoa_objects::Objects;

use crate::stoa::{Stoa, folder, run, run_with};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn settings(all: &[(&str, &str)]) -> Vec<(String, String)> {
    let named = |(key, value): &(&str, &str)| (format!("STOA_{key}"), (*value).to_owned());
    all.iter().map(named).collect()
}

#[test]
fn every_engine_is_looked_at_and_what_is_away_is_wrong() {
    let (_scratch, data_dir) = folder();
    let (nats, mut redis, s3) = (Nats::start(), Redis::start(), S3::start());
    let (bus, cache, endpoint) = (nats.url(), redis.url(), s3.endpoint());
    let engines = settings(&[
        ("BUS__URL", &bus),
        ("CACHE__URL", &cache),
        ("OBJECTS__URL", "s3://stoa"),
        ("OBJECTS__ENDPOINT", &endpoint),
        ("OBJECTS__ACCESS_KEY_ID", "stoa"),
        ("OBJECTS__SECRET_ACCESS_KEY", "hunter2"),
    ]);
    let found = run_with(&data_dir, &["doctor"], &engines);
    let text = said(&found);
    assert!(found.status.success(), "{text}");
    for words in [
        "ok     bus: NATS at 127.0.0.1:",
        "no stream events yet",
        "ok     cache: redis version ",
        "ok     objects: s3://stoa; a probe was written, read and deleted",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    redis.stop();
    let mut away = engines;
    away.extend(settings(&[
        ("GATEWAY__UPSTREAMS__USERS", "[\"http://127.0.0.1:1\"]"),
        ("RPC__UPSTREAMS__AUTH", "[\"http://127.0.0.1:1\"]"),
    ]));
    let found = run_with(&data_dir, &["doctor"], &away);
    let text = said(&found);
    assert_eq!(found.status.code(), Some(2), "{text}");
    for words in [
        "WRONG  cache: cache.url: ",
        "WRONG  gateway.upstreams.users http://127.0.0.1:1 (127.0.0.1:1): does not answer",
        "WRONG  rpc.upstreams.auth http://127.0.0.1:1: ",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

async fn keep(folder: &Path, key: &str, bytes: &'static [u8]) {
    let objects = Objects::folder(folder).unwrap();
    objects.put(key, Bytes::from_static(bytes)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_move_to_a_bucket_and_back() {
    let (scratch, data_dir) = folder();
    assert!(Stoa::serve(&data_dir).terminate().success());
    keep(&data_dir.join("objects"), "users/one.png", b"one").await;
    keep(&data_dir.join("objects"), "users/two.png", b"two").await;
    let s3 = S3::start();
    let elsewhere = scratch.path().join("elsewhere");
    let to = scratch.path().join("to.toml");
    let text = format!(
        "[server]\ndata_dir = {elsewhere:?}\n[objects]\nurl = \"s3://stoa\"\nendpoint = {:?}\nregion = \"us-east-1\"\n\
         access_key_id = \"stoa\"\nsecret_access_key = \"secret\"\n",
        s3.endpoint()
    );
    fs::write(&to, text).unwrap();
    let to = to.to_str().unwrap();
    let moved = run(&data_dir, &["move", "--to", to]);
    let text = said(&moved);
    assert!(
        moved.status.success() && text.contains("objects: the same, 2 objects, 6 bytes"),
        "{text}"
    );
    let back = scratch.path().join("back");
    fs::create_dir(&back).unwrap();
    let moved = run(&data_dir, &["move", "--from", to, "--to", back.to_str().unwrap()]);
    assert!(moved.status.success(), "{}", said(&moved));
    let objects = Objects::folder(&back.join("objects")).unwrap();
    assert_eq!(&objects.get("users/two.png").await.unwrap()[..], b"two");

    // What the target has of its own is found in the end.
    keep(&back.join("objects"), "users/three.png", b"three").await;
    let differs = run(&data_dir, &["move", "--to", back.to_str().unwrap()]);
    assert_eq!(differs.status.code(), Some(2), "{}", said(&differs));
    assert!(said(&differs).contains("objects: DIFFER"), "{}", said(&differs));
}
