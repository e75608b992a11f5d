//! The stored pictures: one for each profile that has one, and none beside.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use stoa_db::db_test;
use stoa_kernel::UserId;
use stoa_testkit::{assert_problem, eventually};
use stoa_users::events::AvatarChanged;

use crate::{
    helpers::{App, actions, count, me, register},
    pictures,
};

async fn put(app: &App, user: UserId) -> String {
    let call = app.put("/api/v1/users/me/avatar").bearer(&app.token(user, &[]));
    let profile = call
        .body("image/png", pictures::png(8, 8))
        .send()
        .await
        .expect(200)
        .value();
    profile["avatar_url"].as_str().unwrap().to_owned()
}

async fn files(app: &App) -> Vec<String> {
    let objects = app.env().objects.list("users").await.unwrap();
    objects
        .into_iter()
        .map(|object| object.key.rsplit('/').next().unwrap().to_owned())
        .collect()
}

#[db_test]
async fn a_new_picture_replaces_the_old_one(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    let (first, second) = (put(&app, user).await, put(&app, user).await);
    assert_ne!(
        first, second,
        "a new picture has a new address, also if it is the same picture"
    );
    app.settle().await;
    assert!(second.ends_with(&files(&app).await[0]));
    assert_eq!(files(&app).await.len(), 1);
    assert_problem(&app.get(&first).send().await, 404, "not_found", &[]);
    app.get(&second).send().await.expect(200);
    assert_eq!(count(&app, "pending_avatars").await, 0);
}

#[db_test]
async fn many_pictures_at_once_leave_one(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    let calls = [(); 6].map(|()| {
        let call = app.put("/api/v1/users/me/avatar").bearer(&app.token(user, &[]));
        tokio::spawn(call.body("image/png", pictures::png(8, 8)).send())
    });
    let mut taken = 0;
    for call in calls {
        let answer = call.await.unwrap();
        // One at a time.
        assert!([200, 429].contains(&answer.status()), "{}", answer.text());
        taken += usize::from(answer.status() == 200);
    }
    assert!(taken > 0);
    app.settle().await;
    let url = me(&app, user).await["avatar_url"].as_str().unwrap().to_owned();
    assert_eq!(files(&app).await, [url.rsplit('/').next().unwrap()]);
}

#[db_test]
async fn a_picture_can_be_deleted(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    let url = put(&app, user).await;
    for _ in 0..2 {
        app.delete("/api/v1/users/me/avatar")
            .bearer(&app.token(user, &[]))
            .send()
            .await
            .expect(204);
    }
    assert_eq!(me(&app, user).await["avatar_url"], Value::Null);
    app.settle().await;
    assert!(files(&app).await.is_empty());
    assert_problem(&app.get(&url).send().await, 404, "not_found", &[]);
    assert_eq!(actions(&app, user).await, ["avatar.delete", "avatar.set"]);
    let told = app.emitted::<AvatarChanged>().await;
    assert_eq!(
        [told[0].avatar_url.as_deref(), told[1].avatar_url.as_deref()],
        [Some(&*url), None]
    );
}

#[db_test]
async fn only_avatars_are_offered(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    put(&app, user).await;
    app.env()
        .objects
        .put("users/secret.png", Bytes::from_static(b"secret"))
        .await
        .unwrap();
    let zeros = "0".repeat(64);
    for file in [
        "..%2f..%2fsecret.png",
        "secret.png",
        "%2e%2e",
        &zeros,
        &format!("{zeros}.png"),
        &format!("{zeros}.PNG"),
    ] {
        let answer = app
            .get(&format!("/api/v1/users/{user}/avatar/{file}"))
            .send()
            .await;
        assert_problem(&answer, 404, "not_found", &[]);
    }
    app.get(&format!("/api/v1/users/nobody/avatar/{zeros}.png"))
        .send()
        .await
        .expect(404);
}

#[db_test]
async fn what_was_stored_and_never_named_is_swept(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    let url = put(&app, user).await;
    // As it is when the process dies between storing the bytes and the commit.
    let (file, now) = (format!("{}.png", "ab".repeat(32)), app.clock().now());
    let key = format!("users/avatars/{user}/{file}");
    let sql = "INSERT INTO pending_avatars (file, user_id, started_at, swept) VALUES ($1, $2, $3, $4)";
    app.db()
        .execute(sql, &[&file, &user, &now, &false])
        .await
        .unwrap();
    app.env()
        .objects
        .put(&key, Bytes::from_static(b"orphan"))
        .await
        .unwrap();
    app.settle().await;
    assert_eq!(files(&app).await.len(), 2);

    app.advance(Duration::from_secs(3 * 3600)).await;
    eventually("the orphan is gone", || async { files(&app).await.len() == 1 }).await;
    app.get(&url).send().await.expect(200);
    eventually("the note is gone", || async {
        count(&app, "pending_avatars").await == 0
    })
    .await;
}
