//! What a picture looks like afterwards, and what it costs.

use std::io::Cursor;

use image::{
    DynamicImage, ExtendedColorType, GenericImageView, ImageEncoder, ImageFormat, Luma, Rgb, RgbImage, Rgba,
    RgbaImage,
    codecs::{
        gif::GifEncoder,
        jpeg::JpegEncoder,
        png::{CompressionType, FilterType, PngEncoder},
    },
};
use stoa_db::db_test;
use stoa_testkit::{Answer, assert_problem};

use crate::{helpers::App, pictures};

async fn put(app: &App, bytes: Vec<u8>) -> Answer {
    app.put("/api/v1/users/me/avatar")
        .bearer(&app.token(app.new_user(), &[]))
        .body("application/octet-stream", bytes)
        .send()
        .await
}

async fn shown(app: &App, bytes: Vec<u8>) -> RgbaImage {
    let profile = put(app, bytes).await.expect(200).value();
    let url = profile["avatar_url"].as_str().unwrap();
    let shown = app.get(url).send().await.expect(200);
    let image = image::load_from_memory_with_format(shown.bytes(), ImageFormat::Png).unwrap();
    assert_eq!(image.dimensions(), (256, 256));
    image.into_rgba8()
}

#[track_caller]
fn assert_near(pixel: &Rgba<u8>, wanted: [u8; 4], most: u8) {
    let near = pixel.0.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= most);
    assert!(near, "{pixel:?} is not {wanted:?}");
}

fn with_profile(image: &RgbImage, format: ImageFormat, profile: Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    match format {
        ImageFormat::Png => write(PngEncoder::new(&mut bytes), image, profile),
        _ => write(JpegEncoder::new_with_quality(&mut bytes, 100), image, profile),
    }
    bytes
}

fn write(mut encoder: impl ImageEncoder, image: &RgbImage, profile: Vec<u8>) {
    encoder.set_icc_profile(profile).unwrap();
    let (width, height) = image.dimensions();
    encoder
        .write_image(image, width, height, ExtendedColorType::Rgb8)
        .unwrap();
}

#[db_test]
async fn colours_are_converted_from_the_pictures_profile(app: App) {
    let p3 = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let of = |colour| with_profile(&RgbImage::from_pixel(64, 64, Rgb(colour)), format, p3.clone());
        let red = shown(&app, of([255, 0, 0])).await;
        assert_near(red.get_pixel(128, 128), [255, 0, 0, 255], 2);
        // The red of sRGB, as Display P3 writes it.
        let red = shown(&app, of([234, 51, 35])).await;
        assert_near(red.get_pixel(128, 128), [255, 0, 0, 255], 12);
        let grey = shown(&app, of([128, 128, 128])).await;
        assert_near(grey.get_pixel(128, 128), [128, 128, 128, 255], 2);
    }
    let srgb = moxcms::ColorProfile::new_srgb().encode().unwrap();
    for profile in [srgb, b"no profile at all".to_vec()] {
        let image = RgbImage::from_pixel(64, 64, Rgb([200, 100, 50]));
        let same = shown(&app, with_profile(&image, ImageFormat::Png, profile)).await;
        assert_near(same.get_pixel(128, 128), [200, 100, 50, 255], 1);
    }
}

#[db_test]
async fn a_clear_edge_has_no_halo(app: App) {
    // Red on what is clear and, invisibly, black, white or green.
    for hidden in [[0, 0, 0], [255, 255, 255], [0, 255, 0]] {
        let [r, g, b] = hidden;
        let image = RgbaImage::from_fn(1000, 1000, |x, _| {
            if x < 501 {
                Rgba([255, 0, 0, 255])
            } else {
                Rgba([r, g, b, 0])
            }
        });
        let bytes = pictures::encoded(&DynamicImage::ImageRgba8(image), ImageFormat::Png);
        let shown = shown(&app, bytes).await;
        for pixel in shown.pixels().filter(|pixel| pixel.0[3] > 8) {
            assert_near(&Rgba([pixel[0], pixel[1], pixel[2], 255]), [255, 0, 0, 255], 24);
        }
    }
}

#[db_test]
async fn a_tall_or_wide_line_costs_no_more_than_what_is_kept_of_it(app: App) {
    for (width, height) in [(1, 4096), (4096, 1), (2, 4095)] {
        let image = DynamicImage::ImageRgb8(RgbImage::from_pixel(width, height, Rgb([9, 9, 9])));
        let line = pictures::encoded(&image, ImageFormat::Png);
        assert_near(shown(&app, line).await.get_pixel(128, 128), [9, 9, 9, 255], 1);
    }
}

/// A PNG of 4096² pixels of 16 bits, in a few kilobytes.
fn large(profile: Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::NoFilter);
    if let Some(profile) = profile {
        encoder.set_icc_profile(profile).unwrap();
    }
    let pixels = vec![0; 4096 * 4096 * 8];
    encoder
        .write_image(&pixels, 4096, 4096, ExtendedColorType::Rgba16)
        .unwrap();
    assert!(bytes.len() < 1024 * 1024, "{}", bytes.len());
    bytes
}

/// The most memory that this process has had at once, in KiB. Tests beside this one count as well.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn the_largest_pictures_stay_within_the_budget_however_many_come_at_once() {
    let app = crate::helpers::builder(|config| config.avatar_memory_bytes = 160 << 20)
        .start(stoa_db::Engine::Sqlite)
        .await;
    let bytes = large(None);
    let before = peak();
    let calls = [(); 4].map(|()| {
        let call = app
            .put("/api/v1/users/me/avatar")
            .bearer(&app.token(app.new_user(), &[]));
        tokio::spawn(call.body("image/png", bytes.clone()).send())
    });
    for call in calls {
        let status = call.await.unwrap().status();
        assert!(status == 200 || status == 503, "{status}");
    }
    let grown = peak() - before;
    assert!(grown < 400 << 10, "{grown} KiB");
    app.stop().await;
}

#[db_test]
async fn a_profile_that_unpacks_to_many_times_its_size_is_passed_over(app: App) {
    let image = RgbImage::from_pixel(8, 8, Rgb([200, 100, 50]));
    let bomb = with_profile(&image, ImageFormat::Png, vec![0; 64 << 20]);
    assert!(bomb.len() < 1024 * 1024);
    let shown = shown(&app, bomb).await;
    assert_near(shown.get_pixel(128, 128), [200, 100, 50, 255], 1);
}

#[db_test]
async fn a_picture_that_ends_early_is_refused_whatever_its_format(app: App) {
    let noise = RgbImage::from_fn(200, 200, |x, y| {
        Rgb([(x * y % 251) as u8, (x * 7 % 253) as u8, (y * 5 % 255) as u8])
    });
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Gif,
    ] {
        let whole = pictures::encoded(&DynamicImage::ImageRgb8(noise.clone()), format);
        put(&app, whole.clone()).await.expect(200);
        for part in [whole.len() / 4, whole.len() / 2, whole.len() * 9 / 10] {
            let cut = put(&app, whole[..part].to_vec()).await;
            assert_eq!(cut.status(), 422, "{format:?} cut at {part} of {}", whole.len());
            assert_problem(&cut, 422, "image_unreadable", &[]);
        }
    }
    // The end of a picture within the picture is not the end.
    let mut nested = pictures::encoded(&DynamicImage::ImageRgb8(noise), ImageFormat::Jpeg);
    nested.truncate(nested.len() / 2);
    let thumbnail = [&b"\xff\xe1\x00\x08Exif"[..], b"\xff\xd9"].concat();
    nested.splice(2..2, thumbnail);
    assert_problem(&put(&app, nested).await, 422, "image_unreadable", &[]);
}

#[db_test]
async fn grey_and_ink_and_moving_pictures_look_as_they_should(app: App) {
    let grey = DynamicImage::ImageLuma8(image::GrayImage::from_pixel(64, 64, Luma([77])));
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let shown = shown(&app, pictures::encoded(&grey, format)).await;
        assert_near(shown.get_pixel(128, 128), [77, 77, 77, 255], 2);
    }
    let deep = DynamicImage::ImageLuma16(image::ImageBuffer::from_pixel(64, 64, Luma([77 * 257])));
    let shown_deep = shown(&app, pictures::encoded(&deep, ImageFormat::Png)).await;
    assert_near(shown_deep.get_pixel(128, 128), [77, 77, 77, 255], 1);

    // Cyan and yellow inks make green; inks are written the other way round.
    let shown_ink = shown(&app, pictures::cmyk_jpeg([0, 255, 0, 255])).await;
    assert_near(shown_ink.get_pixel(128, 128), [0, 255, 0, 255], 8);

    let mut moving = Cursor::new(Vec::new());
    let frames = [[255, 0, 0, 255], [0, 0, 255, 255]]
        .map(|colour| image::Frame::new(RgbaImage::from_pixel(40, 40, Rgba(colour))));
    GifEncoder::new(&mut moving).encode_frames(frames).unwrap();
    let first = shown(&app, moving.into_inner()).await;
    assert_near(first.get_pixel(128, 128), [255, 0, 0, 255], 2);
}
