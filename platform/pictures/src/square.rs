//! The middle of a picture, scaled.

use image::{
    DynamicImage, ImageBuffer, Luma, LumaA, Pixel, Primitive, Rgb, Rgba, RgbaImage, imageops::FilterType,
};

/// Sixteen bits for each of red, green, blue and opacity.
pub(super) type Pixels = ImageBuffer<Rgba<u16>, Vec<u16>>;

/// The middle square of the picture, `size` pixels a side.
pub(super) fn scaled(image: DynamicImage, size: u32) -> Pixels {
    let side = image.width().min(image.height());
    middle(image, (side, side), (size, size))
}

/// The middle of the picture, of these sides, scaled to those. It is cut before it is scaled, in the memory that the picture has.
pub(super) fn middle(image: DynamicImage, cut_to: (u32, u32), size: (u32, u32)) -> Pixels {
    let part = match image {
        DynamicImage::ImageLuma8(image) => cut(image, cut_to).into(),
        DynamicImage::ImageLumaA8(image) => weighted::<LumaA<u8>>(cut(image, cut_to)).into(),
        DynamicImage::ImageRgb8(image) => cut(image, cut_to).into(),
        DynamicImage::ImageRgba8(image) => weighted::<Rgba<u8>>(cut(image, cut_to)).into(),
        DynamicImage::ImageLuma16(image) => cut::<Luma<u16>>(image, cut_to).into(),
        DynamicImage::ImageLumaA16(image) => weighted::<LumaA<u16>>(cut(image, cut_to)).into(),
        DynamicImage::ImageRgb16(image) => cut::<Rgb<u16>>(image, cut_to).into(),
        DynamicImage::ImageRgba16(image) => weighted::<Rgba<u16>>(cut(image, cut_to)).into(),
        // No format that we accept is decoded to anything else.
        other => DynamicImage::ImageRgba16(weighted(cut(other.into_rgba16(), cut_to))),
    };
    let small = part.resize_exact(size.0, size.1, FilterType::CatmullRom);
    drop(part);
    unweighted(small.into_rgba16())
}

/// The middle of these sides, which are no longer than the picture's, moved to the beginning of the picture's own memory.
fn cut<P: Pixel>(
    image: ImageBuffer<P, Vec<P::Subpixel>>,
    (wide, high): (u32, u32),
) -> ImageBuffer<P, Vec<P::Subpixel>> {
    let (width, height) = image.dimensions();
    let (left, top) = ((width - wide) / 2, (height - high) / 2);
    let channels = usize::from(P::CHANNEL_COUNT);
    let [width, columns, rows, left, top] = [width, wide, high, left, top].map(|pixels| pixels as usize);
    let mut samples = image.into_raw();
    for row in 0..rows {
        let start = ((top + row) * width + left) * channels;
        samples.copy_within(start..start + columns * channels, row * columns * channels);
    }
    samples.truncate(columns * rows * channels);
    // There are exactly as many samples as the part needs.
    ImageBuffer::from_raw(wide, high, samples).unwrap_or_default()
}

/// Each colour multiplied by its opacity: so that, when pixels are averaged, what is clear has no colour to give.
fn weighted<P: Pixel>(mut image: ImageBuffer<P, Vec<P::Subpixel>>) -> ImageBuffer<P, Vec<P::Subpixel>>
where
    P::Subpixel: Primitive + Into<u32> + TryFrom<u32>,
{
    let most: u32 = P::Subpixel::DEFAULT_MAX_VALUE.into();
    for pixel in image.pixels_mut() {
        let channels = pixel.channels_mut();
        let Some((alpha, colours)) = channels.split_last_mut() else {
            continue;
        };
        let alpha: u32 = (*alpha).into();
        if alpha == most {
            continue;
        }
        for colour in colours {
            let value: u32 = (*colour).into();
            // At most 65,535², which fits.
            let scaled = (value * alpha + most / 2) / most;
            *colour = P::Subpixel::try_from(scaled).unwrap_or(*colour);
        }
    }
    image
}

fn unweighted(mut pixels: Pixels) -> Pixels {
    for Rgba([red, green, blue, alpha]) in pixels.pixels_mut() {
        let alpha = u32::from(*alpha);
        for colour in [red, green, blue] {
            let whole = (u32::from(*colour) * 65_535 + alpha / 2).checked_div(alpha);
            *colour = u16::try_from(whole.unwrap_or(0)).unwrap_or(u16::MAX);
        }
    }
    pixels
}

/// Eight bits for each, rounded.
pub(super) fn to_eight_bits(pixels: &Pixels) -> RgbaImage {
    let (width, height) = pixels.dimensions();
    RgbaImage::from_fn(width, height, |x, y| {
        Rgba(
            pixels
                .get_pixel(x, y)
                .0
                .map(|value| u8::try_from((u32::from(value) + 128) / 257).unwrap_or(u8::MAX)),
        )
    })
}
