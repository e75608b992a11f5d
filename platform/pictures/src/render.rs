//! Pictures as somebody wants to look at them: smaller, cut, in another format. Never larger than they are.

use std::{io::Cursor, net::IpAddr, sync::Arc};

use bytes::Bytes;
use image::{
    DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageFormat, Rgba, RgbaImage,
    codecs::{
        jpeg::JpegEncoder,
        png::{CompressionType, FilterType as PngFilter, PngEncoder},
    },
    imageops,
    metadata::Orientation,
};

use crate::{
    PictureError, PictureLimits,
    budget::{self, Budget},
    colour,
    decode::{Decoded, decode, format_of, memory, open},
    limits::Largest,
    square,
};

/// How a picture is fitted into a width and a height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fit {
    /// All of it, as large as it may be.
    #[default]
    Inside,
    /// The middle of it, of exactly this shape.
    Cover,
    /// All of it, with clear or white margins, so that it has exactly this shape.
    Contain,
}

/// Formats that pictures are made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG; what was clear is white.
    Jpeg,
    /// PNG.
    Png,
    /// WebP, with losses.
    WebP,
}

impl Format {
    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
        }
    }
}

/// How a picture is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rendering {
    /// In pixels; none for what follows from the height, or is.
    pub width: Option<u32>,
    /// In pixels; none for what follows from the width, or is.
    pub height: Option<u32>,
    /// Where both are given.
    pub fit: Fit,
    /// In which format.
    pub format: Format,
    /// 1 to 100, for formats with losses.
    pub quality: u8,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The file.
    pub bytes: Bytes,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// Makes renditions, within the budget of threads and memory that all pictures of this process share.
#[derive(Clone)]
pub struct Renderer {
    limits: PictureLimits,
    budget: Arc<Budget>,
}

impl Renderer {
    /// Of pictures within these limits. The size of a square counts for nothing here.
    #[must_use]
    pub fn new(limits: PictureLimits) -> Self {
        Self {
            limits,
            budget: budget::with_memory(limits.memory_bytes),
        }
    }

    /// Makes a rendition of the picture for somebody at `address`: networks take turns.
    ///
    /// # Errors
    /// When it is no picture that is read here, has too many pixels, or too many others wait.
    pub async fn render(
        &self,
        bytes: Bytes,
        rendering: Rendering,
        address: IpAddr,
    ) -> Result<Rendered, PictureError> {
        let unknown = || PictureError::Unreadable("its first bytes are of no accepted format".to_owned());
        let format = format_of(&bytes).ok_or_else(unknown)?;
        let largest = Largest::of(&self.limits, format);
        let needed = memory(&bytes, format, largest)? + scaling(&bytes, format, largest, rendering)?;
        let turn = self.budget.turn(needed, address).await?;
        let made = tokio::task::spawn_blocking(move || {
            // Held until it is done, also when the caller has gone.
            let _held = turn;
            make(&bytes, format, largest, rendering)
        });
        made.await
            .map_err(|error| PictureError::Internal(format!("making a rendition ended early: {error}")))?
    }
}

/// The part of a picture that is taken, and the sides that it and the whole rendition get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    cut: (u32, u32),
    scaled: (u32, u32),
    canvas: (u32, u32),
}

/// About how many bytes scaling takes up: rows of the width that is cut, as floats; and what comes of it.
fn scaling(
    bytes: &[u8],
    format: ImageFormat,
    largest: Largest,
    rendering: Rendering,
) -> Result<u64, PictureError> {
    let mut decoder = open(bytes, format, largest)?;
    let is_turned = is_turned(decoder.orientation().unwrap_or(Orientation::NoTransforms));
    let plan = plan(decoder.dimensions(), rendering, is_turned);
    let pixels = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    Ok(pixels((plan.cut.0, plan.scaled.1)) * 16 + pixels(plan.canvas) * 32)
}

fn is_turned(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

/// What is done with a picture of this size, as it lies in the file; `is_turned`: it is looked at from the side.
fn plan(size: (u32, u32), rendering: Rendering, is_turned: bool) -> Plan {
    let turned = |(one, other): (u32, u32)| if is_turned { (other, one) } else { (one, other) };
    let (width, height) = turned(size);
    let (w, h) = (f64::from(width), f64::from(height));
    let whole = |factor: f64| (side(w * factor), side(h * factor));
    let plan = match (rendering.width, rendering.height) {
        (None, None) => Plan::all((width, height), (width, height)),
        (Some(to), None) => Plan::all((width, height), whole((f64::from(to) / w).min(1.0))),
        (None, Some(to)) => Plan::all((width, height), whole((f64::from(to) / h).min(1.0))),
        (Some(to_w), Some(to_h)) => {
            let (across, down) = (f64::from(to_w) / w, f64::from(to_h) / h);
            let inside = whole(across.min(down).min(1.0));
            match rendering.fit {
                Fit::Inside => Plan::all((width, height), inside),
                Fit::Contain => Plan {
                    canvas: (to_w, to_h),
                    ..Plan::all((width, height), inside)
                },
                Fit::Cover => {
                    // The largest part of this shape.
                    let factor = across.max(down);
                    let cut = (
                        side(f64::from(to_w) / factor).min(width),
                        side(f64::from(to_h) / factor).min(height),
                    );
                    let scaled = if factor > 1.0 { cut } else { (to_w, to_h) };
                    Plan::all(cut, scaled)
                }
            }
        }
    };
    Plan {
        cut: turned(plan.cut),
        scaled: turned(plan.scaled),
        canvas: plan.canvas,
    }
}

impl Plan {
    fn all(cut: (u32, u32), scaled: (u32, u32)) -> Self {
        let canvas = scaled;
        Self { cut, scaled, canvas }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is within what a picture may have"
)]
fn side(pixels: f64) -> u32 {
    (pixels.round() as u32).max(1)
}

/// Slow: not for async threads.
fn make(
    bytes: &[u8],
    format: ImageFormat,
    largest: Largest,
    rendering: Rendering,
) -> Result<Rendered, PictureError> {
    let Decoded {
        image,
        orientation,
        profile,
    } = decode(bytes, format, largest)?;
    let is_grey = !image.color().has_color();
    let plan = plan((image.width(), image.height()), rendering, is_turned(orientation));
    let mut pixels = square::middle(image, plan.cut, plan.scaled);
    if let Some(profile) = profile {
        colour::to_srgb(&mut pixels, &profile, is_grey);
    }
    let mut small = DynamicImage::ImageRgba8(square::to_eight_bits(&pixels));
    drop(pixels);
    small.apply_orientation(orientation);
    let small = on_canvas(small.into_rgba8(), plan.canvas);
    let (width, height) = small.dimensions();
    let encoded = encode(small, rendering)
        .map_err(|error| PictureError::Internal(format!("a rendition cannot be encoded: {error}")))?;
    Ok(Rendered {
        bytes: encoded.into(),
        width,
        height,
    })
}

/// In the middle of a clear canvas, if that is larger.
fn on_canvas(image: RgbaImage, canvas: (u32, u32)) -> RgbaImage {
    if image.dimensions() == canvas {
        return image;
    }
    let mut whole = RgbaImage::from_pixel(canvas.0, canvas.1, Rgba([0, 0, 0, 0]));
    let middle = |all: u32, part: u32| (i64::from(all) - i64::from(part)) / 2;
    let (left, top) = (middle(canvas.0, image.width()), middle(canvas.1, image.height()));
    imageops::replace(&mut whole, &image, left, top);
    whole
}

fn encode(image: RgbaImage, rendering: Rendering) -> Result<Vec<u8>, ImageError> {
    let (width, height) = image.dimensions();
    let is_opaque = image.pixels().all(|pixel| pixel.0[3] == u8::MAX);
    match rendering.format {
        Format::Png => {
            let mut png = Vec::new();
            let encoder =
                PngEncoder::new_with_quality(&mut png, CompressionType::Default, PngFilter::Adaptive);
            if is_opaque {
                let opaque = DynamicImage::ImageRgba8(image).into_rgb8();
                encoder.write_image(&opaque, width, height, image::ExtendedColorType::Rgb8)?;
            } else {
                encoder.write_image(&image, width, height, image::ExtendedColorType::Rgba8)?;
            }
            Ok(png)
        }
        Format::Jpeg => {
            let mut jpeg = Cursor::new(Vec::new());
            JpegEncoder::new_with_quality(&mut jpeg, rendering.quality).write_image(
                &on_white(image),
                width,
                height,
                image::ExtendedColorType::Rgb8,
            )?;
            Ok(jpeg.into_inner())
        }
        Format::WebP => {
            let quality = f32::from(rendering.quality);
            let webp = if is_opaque {
                let opaque = DynamicImage::ImageRgba8(image).into_rgb8();
                webp::Encoder::from_rgb(&opaque, width, height).encode_simple(false, quality)
            } else {
                webp::Encoder::from_rgba(&image, width, height).encode_simple(false, quality)
            };
            let failed = |error| {
                let hint = image::error::ImageFormatHint::Exact(ImageFormat::WebP);
                ImageError::Encoding(image::error::EncodingError::new(hint, format!("{error:?}")))
            };
            webp.map(|webp| webp.to_vec()).map_err(failed)
        }
    }
}

/// Without what was clear.
fn on_white(image: RgbaImage) -> image::RgbImage {
    image::RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let Rgba([red, green, blue, alpha]) = *image.get_pixel(x, y);
        let mixed = |colour: u8| {
            let mixed = (u32::from(colour) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        image::Rgb([mixed(red), mixed(green), mixed(blue)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendering(width: Option<u32>, height: Option<u32>, fit: Fit) -> Rendering {
        Rendering {
            width,
            height,
            fit,
            format: Format::Png,
            quality: 80,
        }
    }

    fn picture(width: u32, height: u32) -> Bytes {
        let image = RgbaImage::from_fn(width, height, |x, y| {
            let byte = |n: u32| u8::try_from(n % 256).unwrap();
            Rgba([byte(x), byte(y), 100, 255])
        });
        let mut png = Cursor::new(Vec::new());
        DynamicImage::ImageRgba8(image)
            .write_to(&mut png, ImageFormat::Png)
            .unwrap();
        png.into_inner().into()
    }

    fn renderer() -> Renderer {
        Renderer::new(PictureLimits {
            max_pixels: 1000,
            size: 1,
            memory_bytes: 64 << 20,
        })
    }

    #[test]
    fn nothing_is_made_larger_and_shapes_are_kept_where_they_are_to_be() {
        for (width, height, fit, is_turned, sides) in [
            (Some(100), None, Fit::Inside, false, (100, 50)),
            (None, Some(100), Fit::Inside, false, (200, 100)),
            (Some(1000), None, Fit::Inside, false, (400, 200)),
            (Some(100), Some(100), Fit::Inside, false, (100, 50)),
            (Some(100), Some(100), Fit::Contain, false, (100, 100)),
            (Some(100), Some(100), Fit::Cover, false, (100, 100)),
            (Some(1000), Some(1000), Fit::Cover, false, (200, 200)),
            (Some(800), Some(200), Fit::Cover, false, (400, 100)),
            (Some(1), None, Fit::Inside, false, (1, 1)),
            (Some(100), None, Fit::Inside, true, (100, 200)),
            (None, None, Fit::Inside, false, (400, 200)),
        ] {
            let plan = plan((400, 200), rendering(width, height, fit), is_turned);
            assert_eq!(plan.canvas, sides, "{width:?} {height:?} {fit:?}");
            assert!(plan.cut.0 <= 400 && plan.cut.1 <= 200, "{plan:?}");
        }
        let plan = plan((400, 200), rendering(Some(100), Some(100), Fit::Cover), false);
        assert_eq!(plan.cut, (200, 200));
    }

    #[tokio::test]
    async fn each_format_is_what_it_says_and_has_the_sides_that_were_asked_for() {
        let address = IpAddr::from([127, 0, 0, 1]);
        for (format, guessed) in [
            (Format::Png, ImageFormat::Png),
            (Format::Jpeg, ImageFormat::Jpeg),
            (Format::WebP, ImageFormat::WebP),
        ] {
            let rendering = Rendering {
                format,
                ..rendering(Some(60), Some(60), Fit::Contain)
            };
            let made = renderer()
                .render(picture(300, 100), rendering, address)
                .await
                .unwrap();
            assert_eq!((made.width, made.height), (60, 60));
            assert_eq!(image::guess_format(&made.bytes).unwrap(), guessed);
            let read = image::load_from_memory(&made.bytes).unwrap().into_rgba8();
            assert_eq!(read.dimensions(), (60, 60));
            let [margin, middle] = [(30, 2), (30, 30)].map(|(x, y)| read.get_pixel(x, y).0);
            match format {
                Format::Jpeg => assert!(margin[0] > 250 && margin[3] == 255, "{margin:?}"),
                _ => assert_eq!(margin[3], 0),
            }
            assert!(middle[3] == 255 && middle[2].abs_diff(100) < 20, "{middle:?}");
        }
    }

    #[tokio::test]
    async fn bombs_and_what_is_none_are_refused_before_they_are_decoded() {
        let address = IpAddr::from([127, 0, 0, 1]);
        let asked = rendering(Some(10), None, Fit::Inside);
        let bomb = renderer().render(picture(1001, 1), asked, address).await;
        assert!(matches!(bomb, Err(PictureError::TooLarge { .. })));
        for none in [&b"<svg/>"[..], b"", b"\x89PNG\r\n\x1a\n"] {
            let refused = renderer().render(Bytes::from_static(none), asked, address).await;
            assert!(matches!(refused, Err(PictureError::Unreadable(_))), "{none:?}");
        }
    }
}
