use std::{fs, path::Path};

use bytes::Bytes;
use proptest::prelude::*;
use stoa_objects::ObjectError;

use crate::objects;

#[tokio::test]
async fn what_is_no_key_is_refused_by_every_method() {
    let (store, _dir) = objects();
    let long_segment = "a".repeat(201);
    let long_key = ["a"; 513].join("/");
    for key in [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/..",
        "./a",
        "a/./b",
        "A",
        "ä",
        "a b",
        "a\\b",
        "a%2fb",
        "a\0b",
        "a#1",
        "a\n",
        "~",
        &long_segment,
        &long_key,
    ] {
        let refused =
            |found: Option<ObjectError>| matches!(found, Some(ObjectError::Key(named)) if named == key);
        assert!(refused(store.put(key, Bytes::new()).await.err()), "put {key:?}");
        assert!(refused(store.get(key).await.err()), "get {key:?}");
        assert!(refused(store.info(key).await.err()), "info {key:?}");
        assert!(refused(store.delete(key).await.err()), "delete {key:?}");
    }
    for prefix in ["/", "..", "a/..", "../", "a//"] {
        assert!(store.list(prefix).await.is_err(), "list {prefix:?}");
    }
}

#[tokio::test]
async fn every_character_that_is_allowed_works() {
    let (store, _dir) = objects();
    for key in [
        "abcdefghijklmnopqrstuvwxyz/0123456789/._-",
        "...",
        "-",
        "_",
        ".hidden",
        "a..b",
    ] {
        store.put(key, Bytes::from_static(b"1")).await.unwrap();
        assert_eq!(store.get(key).await.unwrap(), "1", "{key}");
    }
}

/// Files below `folder`, and whether anything stands beside `objects`.
fn strays(folder: &Path) -> usize {
    fs::read_dir(folder)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name() != "objects")
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the key, nothing outside the folder is written or read; what is accepted reads back.
    #[test]
    fn no_key_leads_out_of_the_folder(
        segments in prop::collection::vec(prop::sample::select(vec!["..", ".", "a", "b.c", "", "~", "/", "\\", "%2e%2e", "x#1", "..."]), 1..6),
        raw in "\\PC{0,12}",
        mixed in any::<bool>(),
    ) {
        let key = if mixed { format!("{}{raw}", segments.join("/")) } else { segments.join("/") };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (store, dir) = objects();
        fs::write(dir.path().join("outside"), "secret").unwrap();
        runtime.block_on(async {
            match store.put(&key, Bytes::from_static(b"mine")).await {
                Ok(()) => assert_eq!(store.get(&key).await.unwrap(), "mine"),
                Err(error) => assert!(matches!(error, ObjectError::Key(_)), "{key:?}: {error}"),
            }
            for way in ["../outside", &format!("{key}/../../outside"), &format!("{key}/../outside")] {
                assert!(store.get(way).await.is_err(), "{way:?}");
            }
        });
        prop_assert_eq!(strays(dir.path()), 1, "{:?}", key);
        prop_assert_eq!(fs::read_to_string(dir.path().join("outside")).unwrap(), "secret");
    }
}
