use std::{fs, os::unix::fs::PermissionsExt};

use bytes::Bytes;
use stoa_objects::{ObjectError, Objects};

use crate::objects;

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[tokio::test]
async fn what_is_put_can_be_got_and_is_there_after_a_restart() {
    let (store, dir) = objects();
    store.put("users/avatars/a.png", text("one")).await.unwrap();
    store.put("users/avatars/a.png", text("two")).await.unwrap();
    let again = Objects::folder(&dir.path().join("objects")).unwrap();
    assert_eq!(again.get("users/avatars/a.png").await.unwrap(), text("two"));
}

#[tokio::test]
async fn info_tells_size_and_a_tag_that_changes_with_the_bytes() {
    let (store, _dir) = objects();
    store.put("a", text("one")).await.unwrap();
    let first = store.info("a").await.unwrap();
    assert_eq!((first.key.as_str(), first.size), ("a", 3));
    store.put("a", text("three")).await.unwrap();
    let second = store.info("a").await.unwrap();
    assert_eq!(second.size, 5);
    assert!(first.etag.is_some() && first.etag != second.etag);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (store, _dir) = objects();
    store.put("a/b", text("1")).await.unwrap();
    for key in ["missing", "a", "a/b/c", "a/c"] {
        assert!(
            matches!(store.get(key).await, Err(ObjectError::NotFound)),
            "get {key}: {:?}",
            store.get(key).await
        );
        assert!(
            matches!(store.info(key).await, Err(ObjectError::NotFound)),
            "info {key}: {:?}",
            store.info(key).await
        );
    }
}

#[tokio::test]
async fn deleting_twice_is_fine() {
    let (store, _dir) = objects();
    store.put("a/b", text("1")).await.unwrap();
    store.delete("a/b").await.unwrap();
    store.delete("a/b").await.unwrap();
    store.delete("x/y/z").await.unwrap();
    assert!(matches!(store.get("a/b").await, Err(ObjectError::NotFound)));
}

#[tokio::test]
async fn lists_go_by_whole_segments_in_the_order_of_keys() {
    let (store, _dir) = objects();
    for key in ["users/b", "users/a/x", "users2/c", "z"] {
        store.put(key, text("1")).await.unwrap();
    }
    for (prefix, keys) in [
        ("users", vec!["users/a/x", "users/b"]),
        ("users/", vec!["users/a/x", "users/b"]),
        ("", vec!["users/a/x", "users/b", "users2/c", "z"]),
        ("nobody", vec![]),
    ] {
        let found: Vec<_> = store
            .list(prefix)
            .await
            .unwrap()
            .into_iter()
            .map(|info| info.key)
            .collect();
        assert_eq!(found, keys, "{prefix}");
    }
}

#[tokio::test]
async fn the_folder_is_for_this_user_alone() {
    let (_store, dir) = objects();
    let folder = dir.path().join("objects");
    let mode = || fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o700);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    Objects::folder(&folder).unwrap();
    assert_eq!(mode(), 0o700);
}

#[tokio::test]
async fn a_lost_folder_is_noticed() {
    let (store, dir) = objects();
    store.ping().await.unwrap();
    fs::remove_dir(dir.path().join("objects")).unwrap();
    assert!(store.ping().await.is_err());
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let dir = tempfile::TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let error = Objects::folder(&dir.path().join("file/objects")).unwrap_err();
    assert!(error.to_string().contains("file/objects"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_puts_of_one_key_leave_one_whole_value() {
    let (store, dir) = objects();
    let value = |n: u8| Bytes::from(vec![n; 200_000]);
    store.put("a", value(0)).await.unwrap();
    let writers: Vec<_> = (0..16)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.put("a", value(n)).await })
        })
        .collect();
    for _ in 0..20 {
        let seen = store.get("a").await.unwrap();
        assert!(
            seen.len() == 200_000 && seen.iter().all(|b| *b == seen[0]),
            "a torn value was read"
        );
    }
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let kept = store.get("a").await.unwrap();
    assert!(kept.len() == 200_000 && kept.iter().all(|b| *b == kept[0]));
    let files: Vec<_> = fs::read_dir(dir.path().join("objects")).unwrap().collect();
    assert_eq!(files.len(), 1, "nothing unfinished is left behind: {files:?}");
}

/// As a process leaves it that is killed while it writes.
#[tokio::test]
async fn what_a_killed_upload_left_is_discarded_with_its_object() {
    let (store, dir) = objects();
    let folder = dir.path().join("objects/a");
    store.put("a/b", text("1")).await.unwrap();
    for name in ["b#1", "b#2", "bc#1"] {
        fs::write(folder.join(name), "half").unwrap();
    }
    store.discard("a/b").await.unwrap();
    let left: Vec<_> = fs::read_dir(folder).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].file_name(), "bc#1");
}
