//! Access keys.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_auth_api::{
    events::{CredentialsRevoked, OrganizationPurged, UserErased},
    testing::FakeAuth,
};
use stoa_db::{Engine, db_test};
use stoa_kernel::OrganizationRole;
use stoa_notifications_api::{NotificationRequested, Recipients};
use stoa_testkit::assert_problem;

use super::client::{KEYS, S3, assert_refused, make_key};
use crate::helpers::{App, builder, count, get, one, somebody};

#[db_test]
async fn a_secret_is_shown_once_and_kept_sealed(app: App) {
    let user = app.new_user();
    let token = app.token(user, &[]);
    let made = make_key(
        &app,
        &token,
        json!({"name": " backup ", "read_only": true, "buckets": ["data"]}),
    )
    .await;
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let made = made.expect(201).value();
    let (key, secret) = (&made["access_key"], made["secret_access_key"].as_str().unwrap());
    assert_eq!((key["name"].as_str(), secret.len()), (Some("backup"), 40));
    assert!(key["access_key_id"].as_str().unwrap().starts_with("AKIA"));
    assert_eq!(
        (&key["read_only"], &key["buckets"]),
        (&json!(true), &json!(["data"]))
    );
    let listed = get(&app, &token, KEYS).await.expect(200);
    assert_eq!(listed.value()["items"], json!([key]));
    assert!(!listed.text().contains(secret));
    let kept: Vec<u8> = one(&app, "SELECT secret FROM access_keys").await;
    assert!(!kept.windows(10).any(|part| part == &secret.as_bytes()[..10]));
    for entry in app.audited("access_key.create").await {
        assert!(!format!("{entry:?}").contains(secret));
    }
    let asked = app.emitted::<NotificationRequested>().await;
    let told: Vec<_> = asked.iter().map(|one| (&*one.kind, &one.recipients)).collect();
    assert_eq!(told, [("access_key.created", &Recipients::Users(vec![user]))]);
    assert!(!asked[0].data.to_string().contains(secret));
    let other = app.token(app.new_user(), &[]);
    assert_eq!(get(&app, &other, KEYS).await.value()["items"], json!([]));
    let path = format!("{KEYS}/{}", key["id"].as_str().unwrap());
    assert_problem(
        &app.delete(&path).bearer(&other).send().await,
        404,
        "not_found",
        &[],
    );
    app.delete(&path).bearer(&token).send().await.expect(204);
    assert_problem(
        &app.delete(&path).bearer(&token).send().await,
        404,
        "not_found",
        &[],
    );
    assert_eq!(app.audited("access_key.delete").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_people_make_keys_and_not_too_many() {
    let app = builder(|config| config.access_keys_max = 2)
        .start(Engine::Sqlite)
        .await;
    let user = app.new_user();
    let token = app.token(user, &[]);
    let api_key = app.api_key(user, &["*"]);
    let body = json!({"name": "x"});
    let by_key = app.post(KEYS).api_key(&api_key).json(&body).send().await;
    assert_eq!(by_key.status(), 403);
    assert_eq!(app.get(KEYS).api_key(&api_key).send().await.status(), 403);
    assert_problem(
        &app.post(KEYS).json(&body).send().await,
        401,
        "unauthenticated",
        &[],
    );
    for (wrong, field) in [
        (json!({"name": " "}), "name"),
        (json!({"buckets": ["Data"]}), "buckets"),
        (json!({"expires_at": "2001-01-01T00:00:00Z"}), "expires_at"),
        (json!({"colour": "blue"}), "colour"),
    ] {
        assert_problem(
            &make_key(&app, &token, wrong).await,
            422,
            "invalid_input",
            &[field],
        );
    }
    for _ in 0..2 {
        make_key(&app, &token, json!({})).await.expect(201);
    }
    assert_problem(
        &make_key(&app, &token, json!({})).await,
        409,
        "access_keys_full",
        &[],
    );
}

#[db_test]
async fn a_key_ends_with_its_time_its_maker_and_its_organization(app: App) {
    let (user, ours) = (app.new_user(), app.new_organization());
    let auth = app.stand_in::<FakeAuth>();
    let token = app.token(user, &[]);
    let expires = app.clock().now().as_second() + 60;
    let expires = stoa_kernel::Timestamp::from_second(expires).unwrap().to_string();
    let short = S3::new(&app, &token, json!({ "expires_at": expires })).await;
    short.get("/").await.expect(200);
    app.clock().advance(Duration::from_secs(61));
    assert_refused(&short.get("/").await, 403, "InvalidAccessKeyId");

    // In an organization: who makes one is admin or owner, then and later.
    auth.member(user, ours, OrganizationRole::Admin);
    let of_ours = json!({ "organization_id": ours });
    let guest = app.member_token(app.new_user(), ours, OrganizationRole::Member);
    let refused = make_key(&app, &guest, of_ours.clone()).await;
    assert_problem(&refused, 403, "organization_role_required", &[]);
    assert_problem(
        &make_key(&app, &token, of_ours.clone()).await,
        404,
        "not_found",
        &[],
    );
    let admin = app.member_token(user, ours, OrganizationRole::Admin);
    let s3 = S3::new(&app, &admin, of_ours).await;
    s3.put("/ours", "").await.expect(200);
    s3.put("/ours/a", "x").await.expect(200);
    somebody(&app, "of-others").await;
    assert_refused(&s3.get("/of-others/a").await, 404, "NoSuchBucket");
    let kept: Value = get(&app, &admin, &format!("{KEYS}?organization_id={ours}"))
        .await
        .value();
    assert!(kept["items"][0]["last_used_at"].is_string(), "{kept}");
    assert_problem(
        &get(&app, &guest, &format!("{KEYS}?organization_id={ours}")).await,
        403,
        "organization_role_required",
        &[],
    );

    auth.member(user, ours, OrganizationRole::Member);
    stoa_testkit::eventually("the role counts", || async {
        s3.get("/ours/a").await.status() == 403
    })
    .await;
    auth.member(user, ours, OrganizationRole::Owner);
    stoa_testkit::eventually("the role counts again", || async {
        s3.get("/ours/a").await.status() == 200
    })
    .await;
    auth.leave(user, ours);
    stoa_testkit::eventually("who left is refused", || async {
        s3.get("/ours/a").await.status() == 403
    })
    .await;
    assert_refused(&s3.get("/ours/a").await, 403, "AccessDenied");
    auth.member(user, ours, OrganizationRole::Owner);
    auth.disable(user);
    let own = S3::new(&app, &token, json!({})).await;
    assert_refused(&own.get("/").await, 403, "AccessDenied");
}

#[db_test]
async fn a_reset_of_the_password_ends_the_keys_that_the_person_made(app: App) {
    let (ada, bob, ours) = (app.new_user(), app.new_user(), app.new_organization());
    let s3 = S3::new(&app, &app.token(ada, &[]), json!({})).await;
    assert_eq!(s3.get("/").await.status(), 200);
    for user in [ada, bob] {
        let admin = app.member_token(user, ours, OrganizationRole::Admin);
        make_key(&app, &admin, json!({ "organization_id": ours }))
            .await
            .expect(201);
    }
    app.emit(&CredentialsRevoked { user_id: ada }).await;
    app.settle().await;
    assert_refused(&s3.get("/").await, 403, "InvalidAccessKeyId");
    assert_eq!(count(&app, "access_keys").await, 1, "bob's");
    assert_eq!(app.audited("access_key.delete").await.len(), 2);
}

#[db_test]
async fn keys_go_with_their_owner_and_their_maker(app: App) {
    let (ada, bob, ours) = (app.new_user(), app.new_user(), app.new_organization());
    let token = app.token(ada, &[]);
    make_key(&app, &token, json!({})).await.expect(201);
    for user in [ada, bob] {
        let admin = app.member_token(user, ours, OrganizationRole::Admin);
        make_key(&app, &admin, json!({ "organization_id": ours }))
            .await
            .expect(201);
    }
    make_key(&app, &app.token(bob, &[]), json!({})).await.expect(201);
    assert_eq!(count(&app, "access_keys").await, 4);
    app.emit(&UserErased { user_id: ada }).await;
    app.settle().await;
    assert_eq!(count(&app, "access_keys").await, 2);
    app.emit(&OrganizationPurged {
        organization_id: ours,
    })
    .await;
    app.settle().await;
    assert_eq!(count(&app, "access_keys").await, 1);
    let late = make_key(&app, &token, json!({})).await.status();
    assert!([401, 404].contains(&late), "{late}");
}
