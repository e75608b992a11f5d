//! What uploads cost everybody else: little, whatever is in them and however many one person sends.

use std::time::Duration;

use stoa_db::db_test;
use stoa_kernel::UserId;
use stoa_testkit::{Answer, assert_problem, eventually};
use tokio::task::JoinHandle;

use crate::{bombs, helpers::App, pictures};

fn put(app: &App, user: UserId, bytes: Vec<u8>) -> impl Future<Output = Answer> + Send + use<> {
    let call = app.put("/api/v1/users/me/avatar").bearer(&app.token(user, &[]));
    call.body("application/octet-stream", bytes).send()
}

/// Begins to send a picture that takes a while, and sends small ones until one is refused because of it. `None`: it was done before.
async fn refused_meanwhile(app: &App, user: UserId) -> Option<(JoinHandle<Answer>, Answer)> {
    let slow = tokio::spawn(put(app, user, bombs::webp(4096, 2048)));
    while !slow.is_finished() {
        let second = put(app, user, pictures::png(8, 8)).await;
        if second.status() == 429 {
            return Some((slow, second));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    None
}

/// The same, again and again until one is refused.
async fn refused(app: &App, user: UserId) -> (JoinHandle<Answer>, Answer) {
    for _ in 0..20 {
        if let Some(refused) = refused_meanwhile(app, user).await {
            return refused;
        }
    }
    panic!("a second picture was never refused");
}

#[db_test]
async fn few_bytes_do_not_stand_for_long_work(app: App) {
    let user = app.new_user();
    let too_large = [
        ("WebP", bombs::webp(4096, 4096)),
        ("GIF", bombs::gif([4096, 4096], [4096, 4096])),
        ("GIF with a large frame", bombs::gif([8, 8], [4096, 4096])),
        ("WebP by its side", bombs::webp(4097, 1)),
    ];
    for (name, bytes) in too_large {
        assert!(bytes.len() < 10_000, "{name}");
        let refused = put(&app, user, bytes).await;
        assert_problem(&refused, 422, "image_too_large", &[]);
        let says = refused.value()["detail"].as_str().unwrap().to_owned();
        assert!(
            says.contains("4096") && says.contains("8388608"),
            "{name}: {says}"
        );
    }
    let layered = put(&app, user, bombs::jpeg(4096, 4096, 1000)).await;
    assert_problem(&layered, 422, "image_unreadable", &[]);
    assert!(app.env().objects.list("users").await.unwrap().is_empty());
}

#[db_test]
async fn the_most_work_that_is_accepted_is_done(app: App) {
    let user = app.new_user();
    for (name, bytes) in [
        ("WebP", bombs::webp(4096, 2048)),
        ("GIF", bombs::gif([4096, 2048], [4096, 2048])),
        ("GIF with a large frame", bombs::gif([8, 8], [4096, 2048])),
        ("JPEG of a phone's size", bombs::jpeg(4032, 3024, 99)),
    ] {
        assert!(bytes.len() < 1 << 20, "{name}");
        assert_eq!(put(&app, user, bytes).await.status(), 200, "{name}");
    }
}

#[db_test]
async fn one_person_sends_one_picture_at_a_time(app: App) {
    let (ada, bob) = (app.new_user(), app.new_user());
    let (slow, second) = refused(&app, ada).await;
    assert_problem(&second, 429, "rate_limited", &[]);
    assert_eq!(second.header("retry-after"), Some("1"));
    put(&app, bob, pictures::png(8, 8)).await.expect(200);
    slow.await.unwrap().expect(200);
    put(&app, ada, pictures::png(8, 8)).await.expect(200);
    // Also one that is refused is over.
    for _ in 0..2 {
        let wrong = put(&app, ada, b"no picture".to_vec()).await;
        assert_problem(&wrong, 422, "image_unreadable", &[]);
        let cut = put(&app, ada, pictures::png(64, 64)[..60].to_vec()).await;
        assert_problem(&cut, 422, "image_unreadable", &[]);
    }
}

#[db_test]
async fn who_hangs_up_can_send_another_once_the_first_is_decoded(app: App) {
    let user = app.new_user();
    let (slow, _) = refused(&app, user).await;
    slow.abort();
    assert!(slow.await.is_err_and(|ended| ended.is_cancelled()));
    eventually("the next one is taken", async || {
        let next = put(&app, user, pictures::png(8, 8)).await;
        // 503: the thread is busy with pictures of other tests.
        assert!([200, 429, 503].contains(&next.status()), "{}", next.text());
        next.status() == 200
    })
    .await;
}
