//! Pictures of organizations. What is made of a picture, the tests of users show.

use std::{io::Cursor, time::Duration};

use image::{DynamicImage, GenericImageView, ImageFormat, RgbImage};
use stoa_auth_api::events::OrganizationUpdated;
use stoa_db::db_test;
use stoa_testkit::{Answer, TestApp, assert_problem, eventually};

use super::{App, ORGANIZATIONS, add, again, delete, done_in, found, get, remove, set_role, verified};
use crate::{SignedIn, register, text};

fn png() -> Vec<u8> {
    let image = DynamicImage::ImageRgb8(RgbImage::new(300, 120));
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A picture that takes a while to decode.
fn large_png() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image = DynamicImage::new_rgba16(2000, 2000);
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn put(app: &TestApp, by: &SignedIn, id: &str) -> Answer {
    put_bytes(app, by, id, png()).await
}

fn put_bytes(
    app: &TestApp,
    by: &SignedIn,
    id: &str,
    bytes: Vec<u8>,
) -> impl Future<Output = Answer> + Send + use<> {
    let call = app
        .put(&format!("{ORGANIZATIONS}/{id}/picture"))
        .bearer(&by.access);
    call.body("image/png", bytes).send()
}

/// Sets one; where it is.
async fn set(app: &TestApp, by: &SignedIn, id: &str) -> String {
    text(&put(app, by, id).await.expect(200).value()["picture_url"])
}

async fn files(app: &TestApp) -> usize {
    app.env().objects.list("auth").await.unwrap().len()
}

#[db_test]
async fn a_picture_is_set_shown_replaced_and_deleted(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let first = set(&app, &ada, &id).await;
    let shown = app.get(&first).send().await.expect(200);
    let image = image::load_from_memory_with_format(shown.bytes(), ImageFormat::Png).unwrap();
    assert_eq!(image.dimensions(), (256, 256));
    let read = get(&app, &ada, &format!("/{id}")).await.expect(200).value();
    assert_eq!(text(&read["picture_url"]), first);
    let list = get(&app, &ada, "").await.expect(200).value();
    assert_eq!(text(&list["items"][0]["picture_url"]), first);

    let second = set(&app, &ada, &id).await;
    assert_ne!(first, second);
    app.settle().await;
    assert_problem(&app.get(&first).send().await, 404, "not_found", &[]);
    app.get(&second).send().await.expect(200);
    assert_eq!(files(&app).await, 1);

    let path = format!("{ORGANIZATIONS}/{id}/picture");
    for _ in 0..2 {
        let deleted = app.delete(&path).bearer(&ada.access).send().await;
        assert!(deleted.expect(200).value()["picture_url"].is_null());
    }
    app.settle().await;
    assert_eq!(files(&app).await, 0);
    let told = app.emitted::<OrganizationUpdated>().await;
    let urls: Vec<_> = told.iter().map(|one| one.picture_url.as_deref()).collect();
    assert_eq!(urls, [Some(&*first), Some(&*second), None]);
    assert_eq!(
        done_in(&app, &ada, &id).await[..3],
        ["picture.delete", "picture.set", "picture.set"]
    );
}

#[db_test]
async fn only_owners_and_admins_change_the_picture(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let bob = verified(&app, "bob@example.org").await;
    let eve = register(&app, "eve@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "member").await;
    let (_, eve) = found(&app, &eve, "Others").await;
    let path = format!("{ORGANIZATIONS}/{id}/picture");
    for (person, status, code) in [
        (&bob, 403, "organization_role_required"),
        (&eve, 404, "not_found"),
    ] {
        assert_problem(&put(&app, person, &id).await, status, code, &[]);
        let deleted = app.delete(&path).bearer(&person.access).send().await;
        assert_problem(&deleted, status, code, &[]);
    }
    let nobody = app.put(&path).body("image/png", png()).send().await;
    assert_problem(&nobody, 401, "unauthenticated", &[]);
    assert_eq!(files(&app).await, 0);

    let ada = again(&app, &ada).await;
    set_role(&app, &ada, &id, bob.id, "admin").await.expect(204);
    let bob = again(&app, &bob).await;
    set(&app, &bob, &id).await;
    let ada = again(&app, &ada).await;
    remove(&app, &ada, &id, bob.id).await.expect(204);
    assert_problem(&put(&app, &bob, &id).await, 401, "token_stale", &[]);
}

#[db_test]
async fn what_is_no_picture_is_refused(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let path = format!("{ORGANIZATIONS}/{id}/picture");
    for (media_type, bytes, status, code) in [
        ("image/png", b"no picture".to_vec(), 422, "image_unreadable"),
        ("image/png", png()[..60].to_vec(), 422, "image_unreadable"),
        ("text/html", png(), 415, "unsupported_media_type"),
        ("image/png", vec![0; (1 << 20) + 1], 413, "too_large"),
    ] {
        let call = app.put(&path).bearer(&ada.access);
        let answer = call.body(media_type, bytes).send().await;
        assert_problem(&answer, status, code, &[]);
    }
    assert_eq!(files(&app).await, 0);
}

#[db_test]
async fn one_person_sends_one_picture_at_a_time_for_all_organizations(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let bob = register(&app, "bob@example.org").await;
    let (first, ada) = found(&app, &ada, "Engines").await;
    let (second, ada) = found(&app, &ada, "Looms").await;
    let (third, bob) = found(&app, &bob, "Others").await;
    let large = large_png();
    // What is large may be done before the next one comes.
    for _ in 0..20 {
        let slow = tokio::spawn(put_bytes(&app, &ada, &first, large.clone()));
        while !slow.is_finished() {
            let meanwhile = put(&app, &ada, &second).await;
            if meanwhile.status() == 429 {
                assert_problem(&meanwhile, 429, "rate_limited", &[]);
                assert_eq!(meanwhile.header("retry-after"), Some("1"));
                put(&app, &bob, &third).await.expect(200);
                slow.await.unwrap().expect(200);
                put(&app, &ada, &second).await.expect(200);
                return;
            }
        }
        slow.await.unwrap();
    }
    panic!("a second picture was never refused");
}

#[db_test]
async fn the_picture_of_a_deleted_organization_is_not_found_until_it_is_restored(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let url = set(&app, &ada, &id).await;
    delete(&app, &ada, &id).await.expect(200);
    assert_problem(&app.get(&url).send().await, 404, "not_found", &[]);
    let ada = again(&app, &ada).await;
    let restore = format!("{ORGANIZATIONS}/{id}/restore");
    app.post(&restore).bearer(&ada.access).send().await.expect(200);
    app.get(&url).send().await.expect(200);
    let nowhere = url.replace(&id, &app.new_user().to_string());
    assert_problem(&app.get(&nowhere).send().await, 404, "not_found", &[]);
}

#[db_test]
async fn a_purged_organization_leaves_no_picture(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let url = set(&app, &ada, &id).await;
    delete(&app, &ada, &id).await.expect(200);
    app.settle().await;
    assert_eq!(files(&app).await, 1);
    app.advance(Duration::from_secs(31 * 24 * 3600)).await;
    eventually("the picture is gone", async || files(&app).await == 0).await;
    assert_problem(&app.get(&url).send().await, 404, "not_found", &[]);
}
