//! Turning whatever picture a person sends into a small square PNG with nothing but pixels in it.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader, Limits,
    codecs::png::{CompressionType, FilterType as PngFilter, PngEncoder},
    imageops::FilterType,
    metadata::Orientation,
};

use crate::error::Error;

/// Bytes of a pixel at most, in any format that we read.
const PIXEL_BYTES: u64 = 8;

/// Whether pictures of this format are accepted.
pub(crate) fn is_accepted(format: ImageFormat) -> bool {
    use ImageFormat::{Gif, Jpeg, Png, WebP};
    matches!(format, Png | Jpeg | WebP | Gif)
}

/// The picture as a square PNG of `size` pixels a side: its middle, upright, the first frame if it moves. Whatever else
/// was in the file (where a photograph was taken, by which camera) is gone. Slow: not for async threads.
///
/// # Errors
/// [`Error::ImageTooLarge`] by what the header says, before any pixel is decoded, if a side is longer than `max_side`;
/// [`Error::ImageUnreadable`] if the bytes are not of this format.
pub(crate) fn square(bytes: &[u8], format: ImageFormat, max_side: u32, size: u32) -> Result<Vec<u8>, Error> {
    let failed = |error: ImageError| match error {
        ImageError::Limits(_) => Error::ImageTooLarge(max_side),
        other => Error::ImageUnreadable(other.to_string()),
    };
    let most = u64::from(max_side).pow(2) * PIXEL_BYTES;
    let mut limits = Limits::default();
    limits.max_image_width = Some(max_side);
    limits.max_image_height = Some(max_side);
    limits.max_alloc = Some(most);

    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(Error::ImageUnreadable("no pixels".to_owned()));
    }
    if width > max_side || height > max_side || decoder.total_bytes() > most {
        return Err(Error::ImageTooLarge(max_side));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    let mut square = image.resize_to_fill(size, size, FilterType::CatmullRom);
    // The middle square turns within itself, so the small one is turned and not the large picture.
    square.apply_orientation(orientation);
    encode(&square).map_err(|error| Error::Internal(format!("an avatar cannot be encoded: {error}")))
}

fn encode(image: &DynamicImage) -> Result<Vec<u8>, ImageError> {
    let mut png = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Best, PngFilter::Adaptive);
    let (width, height) = (image.width(), image.height());
    if image.color().has_alpha() {
        encoder.write_image(&image.to_rgba8(), width, height, image::ExtendedColorType::Rgba8)?;
    } else {
        encoder.write_image(&image.to_rgb8(), width, height, image::ExtendedColorType::Rgb8)?;
    }
    Ok(png)
}
