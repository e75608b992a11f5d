//! Objects that come in pieces: there as a whole, or not at all.

use std::{io, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use stoa_objects::ObjectError;
use tokio::time::{Instant, sleep};

use crate::fixture::{Fixture, on_every_engine};

on_every_engine!(
    pieces_of_any_size_become_one_object,
    a_body_that_breaks_off_leaves_nothing,
    a_caller_who_goes_away_leaves_nothing,
);

const MIB: usize = 1024 * 1024;

fn body(length: usize) -> Bytes {
    (0..length).map(|n| (n % 251) as u8).collect::<Vec<u8>>().into()
}

fn in_pieces(body: &Bytes, of: usize) -> Vec<Result<Bytes, io::Error>> {
    body.chunks(of)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect()
}

/// Less than a part, a whole one, a little more, and several; in pieces that fit into parts and that do not.
async fn pieces_of_any_size_become_one_object(fixture: Fixture) {
    let store = &fixture.objects;
    for (length, of) in [
        (0, 1),
        (10, 3),
        (8 * MIB, MIB),
        (8 * MIB + 1, 8 * MIB + 1),
        (27 * MIB + 5, 1_000_003),
        (16 * MIB, 16 * MIB),
    ] {
        let body = body(length);
        let kept = store
            .put_stream("streamed", stream::iter(in_pieces(&body, of)))
            .await
            .unwrap();
        assert_eq!(kept, length as u64);
        assert!(
            store.get("streamed").await.unwrap() == body,
            "{length} bytes in pieces of {of}"
        );
    }
    assert_eq!(fixture.unfinished("streamed").await, 0);
}

/// Waits until nothing is left behind: taking back goes on after the caller is told.
async fn expect_nothing_left(fixture: &Fixture, key: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while fixture.unfinished(key).await > 0 {
        assert!(Instant::now() < deadline, "an unfinished upload was left behind");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn a_body_that_breaks_off_leaves_nothing(fixture: Fixture) {
    let store = &fixture.objects;
    store.put("old", Bytes::from_static(b"before")).await.unwrap();
    for (key, length) in [("old", 100), ("old", 20 * MIB), ("new", 20 * MIB)] {
        let mut pieces = in_pieces(&body(length), MIB);
        pieces.push(Err(io::Error::other("the caller hung up")));
        let error = store.put_stream(key, stream::iter(pieces)).await.unwrap_err();
        assert!(matches!(error, ObjectError::Body(_)), "{error}");
        assert!(error.to_string().contains("the caller hung up"), "{error}");
        expect_nothing_left(&fixture, key).await;
    }
    assert_eq!(store.get("old").await.unwrap(), "before");
    assert!(matches!(store.get("new").await, Err(ObjectError::NotFound)));
    let listed = store.list("").await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
}

async fn a_caller_who_goes_away_leaves_nothing(fixture: Fixture) {
    let store = fixture.objects.clone();
    // After how many parts the caller goes away; the body then hangs.
    for parts in 0..3 {
        let pieces = in_pieces(&body(parts * 8 * MIB + MIB), MIB);
        let (reached, mut at_the_end) = tokio::sync::mpsc::channel(1);
        let hanging = stream::once(async move {
            reached.send(()).await.unwrap();
            std::future::pending().await
        });
        let upload = tokio::spawn({
            let store = store.clone();
            async move {
                store
                    .put_stream("gone", stream::iter(pieces).chain(hanging))
                    .await
            }
        });
        at_the_end.recv().await.expect("the body is read");
        upload.abort();
        assert!(upload.await.unwrap_err().is_cancelled());
        expect_nothing_left(&fixture, "gone").await;
        assert!(matches!(store.get("gone").await, Err(ObjectError::NotFound)));
    }
    assert!(store.list("").await.unwrap().is_empty());
}
