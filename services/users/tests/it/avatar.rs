//! Setting a picture: what is made of it, and what is refused.

use image::{DynamicImage, GenericImageView, ImageFormat, Rgba};
use stoa_db::db_test;
use stoa_kernel::UserId;
use stoa_testkit::{Answer, assert_problem};
use stoa_users::events::AvatarChanged;

use crate::{
    helpers::{App, actions, me, register},
    pictures,
};

async fn put(app: &App, user: UserId, media_type: &str, bytes: Vec<u8>) -> Answer {
    app.put("/api/v1/users/me/avatar")
        .bearer(&app.token(user, &[]))
        .body(media_type, bytes)
        .send()
        .await
}

/// Sends the picture and looks at what is offered then, signed in as nobody.
async fn shown(app: &App, user: UserId, media_type: &str, bytes: Vec<u8>) -> (Answer, DynamicImage) {
    let profile = put(app, user, media_type, bytes).await.expect(200).value();
    assert_eq!(profile, me(app, user).await);
    let shown = app
        .get(profile["avatar_url"].as_str().unwrap())
        .send()
        .await
        .expect(200);
    let image = image::load_from_memory_with_format(shown.bytes(), ImageFormat::Png).unwrap();
    assert_eq!(image.dimensions(), (256, 256));
    (shown, image)
}

fn is_near(pixel: Rgba<u8>, wanted: [u8; 3]) -> bool {
    pixel.0.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 40)
}

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];

#[db_test]
async fn every_accepted_kind_becomes_a_square(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    for (media_type, format) in [
        ("image/png", ImageFormat::Png),
        ("image/jpeg", ImageFormat::Jpeg),
        ("image/webp", ImageFormat::WebP),
        ("image/gif", ImageFormat::Gif),
    ] {
        let (shown, image) = shown(
            &app,
            user,
            media_type,
            pictures::encoded(&pictures::halves(300, 120), format),
        )
        .await;
        assert_eq!(shown.header("content-type"), Some("image/png"));
        assert_eq!(shown.header("x-content-type-options"), Some("nosniff"));
        assert!(shown.header("cache-control").unwrap().contains("immutable"));
        assert!(
            is_near(image.get_pixel(20, 128), RED) && is_near(image.get_pixel(235, 128), BLUE),
            "{media_type}"
        );
    }
    assert_eq!(app.emitted::<AvatarChanged>().await.len(), 4);
    assert_eq!(actions(&app, user).await, ["avatar.set"; 4]);
    assert_eq!(app.audited("avatar.set").await.len(), 4);
}

#[db_test]
async fn what_is_clear_stays_clear(app: App) {
    let (_, image) = shown(&app, app.new_user(), "image/png", pictures::clear_png()).await;
    assert_eq!(image.get_pixel(20, 128).0[3], 0);
    assert_eq!(image.get_pixel(235, 128).0[3], 255);
}

#[db_test]
async fn a_photograph_is_set_upright_and_says_nothing_of_where_it_was_taken(app: App) {
    let user = app.new_user();
    let turned = pictures::turned_jpeg();
    let holds = |bytes: &[u8]| {
        bytes
            .windows(10)
            .any(|window| window == &pictures::SECRET.as_bytes()[..10])
    };
    assert!(holds(&turned));
    let (photo, image) = shown(&app, user, "image/jpeg", turned).await;
    assert!(is_near(image.get_pixel(128, 20), RED) && is_near(image.get_pixel(128, 235), BLUE));
    assert!(!holds(photo.bytes()));

    let annotated = pictures::annotated_png();
    assert!(holds(&annotated));
    let (drawing, _) = shown(&app, user, "image/png", annotated).await;
    assert!(!holds(drawing.bytes()));
    // The former picture is removed by a job.
    app.settle().await;
    for object in app.env().objects.list("users").await.unwrap() {
        assert!(
            !holds(&app.env().objects.get(&object.key).await.unwrap()),
            "{}",
            object.key
        );
    }
}

#[db_test]
async fn what_claims_or_has_too_many_pixels_is_refused(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    let huge = DynamicImage::new_luma8(5000, 5000);
    for bytes in [
        pictures::claiming(50_000, 50_000),
        pictures::claiming(u32::MAX >> 1, u32::MAX >> 1),
        pictures::claiming(4097, 1),
        pictures::encoded(&huge, ImageFormat::Png),
    ] {
        assert!(bytes.len() < 1024 * 1024);
        assert_problem(
            &put(&app, user, "image/png", bytes).await,
            422,
            "image_too_large",
            &[],
        );
    }
    let gif = put(&app, user, "image/gif", pictures::gif_with_a_large_frame()).await;
    assert_eq!(gif.status(), 422, "{}", gif.text());
    assert_eq!(me(&app, user).await["avatar_url"], serde_json::Value::Null);
    assert!(app.env().objects.list("users").await.unwrap().is_empty());
    assert!(actions(&app, user).await.is_empty());
}

#[db_test]
async fn the_largest_accepted_is_accepted(app: App) {
    let largest = pictures::encoded(&DynamicImage::new_luma8(4096, 4096), ImageFormat::Png);
    put(&app, app.new_user(), "image/png", largest).await.expect(200);
    put(&app, app.new_user(), "image/png", pictures::png(4096, 1))
        .await
        .expect(200);
    put(&app, app.new_user(), "image/png", pictures::png(1, 1))
        .await
        .expect(200);
}

#[db_test]
async fn what_is_no_picture_is_refused(app: App) {
    let user = app.new_user();
    for (media_type, bytes, status, code) in [
        ("text/plain", pictures::png(8, 8), 415, "unsupported_media_type"),
        ("image/svg+xml", b"<svg/>".to_vec(), 415, "unsupported_media_type"),
        ("image/png", Vec::new(), 422, "image_unreadable"),
        (
            "image/png",
            b"<script>alert(1)</script>".to_vec(),
            422,
            "image_unreadable",
        ),
        (
            "image/png",
            pictures::png(64, 64)[..60].to_vec(),
            422,
            "image_unreadable",
        ),
        ("image/png", vec![0; 1024 * 1024 + 1], 413, "too_large"),
        ("image/png", vec![0; 2 * 1024 * 1024 + 1], 413, "too_large"),
    ] {
        assert_problem(&put(&app, user, media_type, bytes).await, status, code, &[]);
    }
    let nothing = app
        .put("/api/v1/users/me/avatar")
        .bearer(&app.token(user, &[]))
        .send()
        .await;
    assert_problem(&nothing, 422, "image_unreadable", &[]);
}

#[db_test]
async fn a_picture_is_what_its_bytes_are(app: App) {
    let user = app.new_user();
    for media_type in [
        "image/jpg",
        "image/jpeg",
        "image/png; charset=binary",
        "IMAGE/PNG",
        "application/octet-stream",
        "",
    ] {
        put(&app, user, media_type, pictures::png(8, 8)).await.expect(200);
    }
}

#[db_test]
async fn a_form_will_do_as_well(app: App) {
    let user = app.new_user();
    let form = |name: &str, media_type: &str| {
        let head = format!(
            "--b\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--b\r\ncontent-disposition: form-data; \
             name=\"{name}\"; filename=\"../../etc/passwd\"\r\ncontent-type: {media_type}\r\n\r\n"
        );
        [head.as_bytes(), &pictures::png(8, 8), b"\r\n--b--\r\n"].concat()
    };
    let send = |body| put(&app, user, "multipart/form-data; boundary=b", body);
    send(form("file", "image/png")).await.expect(200);
    assert_problem(
        &send(form("picture", "image/png")).await,
        422,
        "invalid_input",
        &["file"],
    );
    assert_problem(
        &send(form("file", "text/html")).await,
        415,
        "unsupported_media_type",
        &[],
    );
    assert_problem(&send(b"--b\r\ncut".to_vec()).await, 400, "malformed_request", &[]);
    let unbounded = put(&app, user, "multipart/form-data", form("file", "image/png")).await;
    assert_problem(&unbounded, 400, "malformed_request", &[]);
}
