//! What a folder and a bucket do alike.

use bytes::Bytes;
use futures::TryStreamExt;
use stoa_objects::{ObjectError, Objects};

use crate::fixture::{Fixture, on_every_engine};

on_every_engine!(
    what_is_put_can_be_got_and_replaced,
    info_tells_size_and_a_tag_that_changes_with_the_bytes,
    what_is_not_there_is_not_found,
    deleting_twice_is_fine,
    ranges_are_as_long_as_there_are_bytes,
    what_is_large_comes_as_a_stream,
    ranges_of_what_is_large_come_as_streams,
    what_is_discarded_is_gone,
    lists_go_by_whole_segments_in_the_order_of_keys,
    a_long_list_is_whole,
    every_character_that_is_allowed_works,
    what_is_no_key_is_refused,
    readers_see_the_whole_of_one_value,
    it_is_there,
);

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn what_is_put_can_be_got_and_replaced(fixture: Fixture) {
    let store = &fixture.objects;
    store.put("users/avatars/a.png", text("one")).await.unwrap();
    store.put("users/avatars/a.png", text("two")).await.unwrap();
    assert_eq!(store.get("users/avatars/a.png").await.unwrap(), "two");
    store.put("empty", Bytes::new()).await.unwrap();
    assert_eq!(store.get("empty").await.unwrap(), "");
    let all: Bytes = (0..=255).collect::<Vec<u8>>().into();
    store.put("bytes", all.clone()).await.unwrap();
    assert_eq!(store.get("bytes").await.unwrap(), all);
}

async fn info_tells_size_and_a_tag_that_changes_with_the_bytes(fixture: Fixture) {
    let store = &fixture.objects;
    store.put("a/b", text("one")).await.unwrap();
    let first = store.info("a/b").await.unwrap();
    assert_eq!((first.key.as_str(), first.size), ("a/b", 3));
    store.put("a/b", text("three")).await.unwrap();
    let second = store.info("a/b").await.unwrap();
    assert_eq!(second.size, 5);
    assert!(first.etag.is_some() && first.etag != second.etag);
}

async fn what_is_not_there_is_not_found(fixture: Fixture) {
    let store = &fixture.objects;
    store.put("a/b", text("1")).await.unwrap();
    for key in ["missing", "a", "a/b/c", "a/c"] {
        let not_found = |what: &str, error: Option<ObjectError>| {
            assert!(
                matches!(error, Some(ObjectError::NotFound)),
                "{what} {key}: {error:?}"
            );
        };
        not_found("get", store.get(key).await.err());
        not_found("info", store.info(key).await.err());
        not_found("range", store.get_range(key, 0..1).await.err());
        not_found("stream", store.stream(key).await.err());
    }
}

async fn deleting_twice_is_fine(fixture: Fixture) {
    let store = &fixture.objects;
    store.put("a/b", text("1")).await.unwrap();
    store.delete("a/b").await.unwrap();
    store.delete("a/b").await.unwrap();
    store.delete("x/y/z").await.unwrap();
    assert!(matches!(store.get("a/b").await, Err(ObjectError::NotFound)));
}

async fn ranges_are_as_long_as_there_are_bytes(fixture: Fixture) {
    let store = &fixture.objects;
    store.put("a", text("0123456789")).await.unwrap();
    store.put("empty", Bytes::new()).await.unwrap();
    for (range, expected) in [
        (0..10, "0123456789"),
        (0..1, "0"),
        (3..7, "3456"),
        (9..10, "9"),
        (7..100, "789"),
        (5..u64::MAX, "56789"),
        (10..11, ""),
        (50..60, ""),
        (4..4, ""),
    ] {
        let found = store.get_range("a", range.clone()).await.unwrap();
        assert_eq!(found, expected, "{range:?}");
    }
    assert_eq!(store.get_range("empty", 0..1).await.unwrap(), "");
}

async fn what_is_large_comes_as_a_stream(fixture: Fixture) {
    let store = &fixture.objects;
    let body: Bytes = (0..3_000_000_u32)
        .map(|n| (n % 251) as u8)
        .collect::<Vec<u8>>()
        .into();
    store.put("large", body.clone()).await.unwrap();
    let (info, stream) = store.stream("large").await.unwrap();
    assert_eq!((info.key.as_str(), info.size), ("large", 3_000_000));
    let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert!(pieces.concat() == body, "the stream yields what was put");
}

async fn ranges_of_what_is_large_come_as_streams(fixture: Fixture) {
    let store = &fixture.objects;
    let length = 1_500_000_u64;
    let body: Bytes = (0..length).map(|n| (n % 251) as u8).collect::<Vec<u8>>().into();
    store.put("large", body.clone()).await.unwrap();
    for range in [
        0..length,
        0..1,
        262_143..262_145,
        524_288..786_432,
        1_499_999..length,
        1_400_000..u64::MAX,
        length..length + 5,
        length + 7..u64::MAX,
        4..4,
    ] {
        let stream = store.stream_range("large", range.clone()).await.unwrap();
        let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
        let (begin, end) = (range.start.min(length) as usize, range.end.min(length) as usize);
        assert!(pieces.concat() == body[begin..end.max(begin)], "{range:?}");
    }
    for range in [0..1, 0..0] {
        let missing = store.stream_range("missing", range).await;
        assert!(matches!(missing.err(), Some(ObjectError::NotFound)));
    }
}

async fn what_is_discarded_is_gone(fixture: Fixture) {
    let store = &fixture.objects;
    store.put("a/b", text("1")).await.unwrap();
    store.put("a/bc", text("2")).await.unwrap();
    for key in ["a/b", "a/b", "never/there"] {
        store.discard(key).await.unwrap();
    }
    assert_eq!(keys(store, "").await, ["a/bc"]);
}

async fn keys(store: &Objects, prefix: &str) -> Vec<String> {
    let found = store.list(prefix).await.unwrap();
    found.into_iter().map(|info| info.key).collect()
}

async fn lists_go_by_whole_segments_in_the_order_of_keys(fixture: Fixture) {
    let store = &fixture.objects;
    for key in ["users/b", "users/a/x", "users2/c", "z"] {
        store.put(key, text("1")).await.unwrap();
    }
    for (prefix, expected) in [
        ("users", vec!["users/a/x", "users/b"]),
        ("users/", vec!["users/a/x", "users/b"]),
        ("", vec!["users/a/x", "users/b", "users2/c", "z"]),
        ("nobody", vec![]),
    ] {
        assert_eq!(keys(store, prefix).await, expected, "{prefix}");
    }
    let found = store.list("z").await.unwrap();
    assert_eq!(found.len(), 0, "an object is not below itself: {found:?}");
}

/// Servers give a thousand at a time.
async fn a_long_list_is_whole(fixture: Fixture) {
    let store = &fixture.objects;
    let puts = (0..1100).map(|n| async move { store.put(&format!("many/{n:04}"), text("1")).await });
    let puts: Vec<_> = futures::stream::StreamExt::buffer_unordered(futures::stream::iter(puts), 16)
        .try_collect()
        .await
        .unwrap();
    let found = keys(store, "many").await;
    assert_eq!((puts.len(), found.len()), (1100, 1100));
    assert_eq!(found.last().map(String::as_str), Some("many/1099"));
}

async fn every_character_that_is_allowed_works(fixture: Fixture) {
    let store = &fixture.objects;
    let longest = "k".repeat(200);
    for key in [
        "abcdefghijklmnopqrstuvwxyz/0123456789/._-",
        "...",
        "-",
        "_",
        ".hidden",
        "a..b",
        &longest,
    ] {
        store.put(key, text("1")).await.unwrap();
        assert_eq!(store.get(key).await.unwrap(), "1", "{key}");
        assert_eq!(store.info(key).await.unwrap().key, key);
        assert!(keys(store, "").await.contains(&key.to_owned()), "{key}");
        store.delete(key).await.unwrap();
    }
}

async fn what_is_no_key_is_refused(fixture: Fixture) {
    let store = &fixture.objects;
    for key in [
        "", "/a", "a/", "a//b", "..", "../a", "a/../b", "./a", "A", "ä", "a b", "a%2fb", "a?b", "a#1",
    ] {
        let refused = |what: &str, error: Option<ObjectError>| {
            assert!(
                matches!(&error, Some(ObjectError::Key(named)) if named == key),
                "{what} {key:?}: {error:?}"
            );
        };
        let body = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::new())]);
        refused("put", store.put(key, Bytes::new()).await.err());
        refused("put_stream", store.put_stream(key, body).await.err());
        refused("get", store.get(key).await.err());
        refused("range", store.get_range(key, 0..1).await.err());
        refused("stream", store.stream(key).await.err());
        refused("info", store.info(key).await.err());
        refused("delete", store.delete(key).await.err());
    }
}

async fn readers_see_the_whole_of_one_value(fixture: Fixture) {
    let store = &fixture.objects;
    let value = |n: u8| Bytes::from(vec![n; 200_000]);
    store.put("a", value(0)).await.unwrap();
    let writers: Vec<_> = (0..8)
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
}

async fn it_is_there(fixture: Fixture) {
    fixture.objects.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_keeps_installations_apart() {
    let fixture = Fixture::bucket().await;
    fixture.objects.put("a", text("1")).await.unwrap();
    let other = Fixture::path_style().await;
    assert!(matches!(other.objects.get("a").await, Err(ObjectError::NotFound)));
    assert_eq!(keys(&fixture.objects, "").await, ["a"]);
    assert!(keys(&other.objects, "").await.is_empty());
}
