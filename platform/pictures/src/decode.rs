//! Turning whatever picture a person sends into a small square PNG with nothing but pixels in it.
//!
//! Work and memory are bounded by what the header says, before any pixel is decoded, and by the size of the square: the picture is cut
//! first, in place, and scaled then.

use std::{io::Cursor, sync::Arc};

use bytes::Bytes;
use image::{
    DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader, Limits, RgbaImage,
    codecs::png::{CompressionType, FilterType as PngFilter, PngEncoder},
    error::LimitErrorKind,
    metadata::Orientation,
};
use stoa_kernel::Actor;

use crate::{
    PictureError, PictureLimits, budget::Budget, colour, jpeg, limits::Largest, square, upload::Upload,
};

/// Bytes of a pixel at most, in any format that we read.
const PIXEL_BYTES: u64 = 8;
/// Bytes of a pixel of a decoded GIF.
const GIF_PIXEL_BYTES: u64 = 4;
/// What stands in a PNG beside its pixels, such as a colour profile, may be so large when it is unpacked.
const METADATA_BYTES: u64 = 4 << 20;
/// What is needed beside the pixels of the picture: the square, as it is scaled, and the file.
const BESIDE: u64 = 24 << 20;

/// The picture that `by` sent, as it is kept. As many at once as there is room for, on a thread of their own; of one person one.
pub(crate) async fn small(
    budget: &Arc<Budget>,
    limits: &PictureLimits,
    by: &Actor,
    bytes: Bytes,
) -> Result<Bytes, PictureError> {
    let upload = Upload::begin(by.user_id)?;
    let unknown = || PictureError::Unreadable("its first bytes are of no accepted format".to_owned());
    let format = format_of(&bytes).ok_or_else(unknown)?;
    let (largest, size) = (Largest::of(limits, format), limits.size);
    let memory = memory(&bytes, format, largest)?;
    let turn = budget.turn(memory, by.request.address).await?;
    let decoded = tokio::task::spawn_blocking(move || {
        // Held until it is done, also when the caller has gone.
        let _held = (upload, turn);
        square(&bytes, format, largest, size)
    });
    let png = decoded
        .await
        .map_err(|error| PictureError::Internal(format!("decoding a picture ended early: {error}")))??;
    Ok(png.into())
}

/// The format of a file, told by its first bytes; none if such pictures are not accepted.
pub(crate) fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    let format = image::guess_format(bytes).ok()?;
    let accepted = [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Gif,
    ];
    accepted.contains(&format).then_some(format)
}

/// About how many bytes of memory [`square`] will need, by what the header says.
///
/// # Errors
/// As [`square`].
pub(crate) fn memory(bytes: &[u8], format: ImageFormat, largest: Largest) -> Result<u64, PictureError> {
    let decoder = open(bytes, format, largest)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    let decoded = match format {
        // The picture, and the coefficients of a progressive one of four colours.
        ImageFormat::Jpeg => pixels * 11,
        // The picture, the frame, and what is drawn on; or the planes of one that is not animated.
        ImageFormat::WebP => pixels * 12,
        // The picture, and the frame.
        ImageFormat::Gif => pixels * 8,
        _ => decoder.total_bytes(),
    };
    Ok(decoded + BESIDE)
}

/// A picture that was decoded, and what its file says of it.
pub(crate) struct Decoded {
    pub(crate) image: DynamicImage,
    pub(crate) orientation: Orientation,
    pub(crate) profile: Option<Vec<u8>>,
}

/// Decodes a whole picture, or the first frame of one that moves.
///
/// # Errors
/// As [`square`].
pub(crate) fn decode(bytes: &[u8], format: ImageFormat, largest: Largest) -> Result<Decoded, PictureError> {
    if format == ImageFormat::Jpeg && !jpeg::is_whole(bytes) {
        return Err(PictureError::Unreadable("it ends early".to_owned()));
    }
    let mut decoder = open(bytes, format, largest)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().unwrap_or(None);
    let image = DynamicImage::from_decoder(decoder).map_err(|error| refused(error, format, largest))?;
    Ok(Decoded {
        image,
        orientation,
        profile,
    })
}

/// The picture as a square PNG of `size` pixels a side: its middle, upright, the first frame if it moves, in the colours of sRGB.
/// Whatever else was in the file (where a photograph was taken, by which camera) is gone. Slow: not for async threads.
///
/// # Errors
/// [`PictureError::TooLarge`] by what the header says, before any pixel is decoded, if it is larger than `largest`;
/// [`PictureError::Unreadable`] if the bytes are not of this format, or not all of them are there.
fn square(bytes: &[u8], format: ImageFormat, largest: Largest, size: u32) -> Result<Vec<u8>, PictureError> {
    let Decoded {
        image,
        orientation,
        profile,
    } = decode(bytes, format, largest)?;
    let is_grey = !image.color().has_color();
    let has_alpha = image.color().has_alpha();

    let mut pixels = square::scaled(image, size);
    if let Some(profile) = profile {
        colour::to_srgb(&mut pixels, &profile, is_grey);
    }
    let mut square = DynamicImage::ImageRgba8(square::to_eight_bits(&pixels));
    // The middle square turns within itself, so the small one is turned and not the large picture.
    square.apply_orientation(orientation);
    encode(square.into_rgba8(), has_alpha)
        .map_err(|error| PictureError::Internal(format!("a picture cannot be encoded: {error}")))
}

/// Reads the header.
pub(crate) fn open(
    bytes: &[u8],
    format: ImageFormat,
    largest: Largest,
) -> Result<impl ImageDecoder + '_, PictureError> {
    let failed = |error| refused(error, format, largest);
    let mut limits = Limits::default();
    limits.max_image_width = Some(largest.side);
    limits.max_image_height = Some(largest.side);
    limits.max_alloc = Some(match format {
        // What is unpacked beside the pixels, for which there is room already.
        ImageFormat::Png => METADATA_BYTES,
        // A frame, which may be larger than the picture says that it is.
        ImageFormat::Gif => largest.area * GIF_PIXEL_BYTES,
        _ => largest.area * PIXEL_BYTES,
    });
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(PictureError::Unreadable("no pixels".to_owned()));
    }
    if !largest.holds(width, height) {
        return Err(too_large(largest));
    }
    Ok(decoder)
}

fn too_large(Largest { side, area }: Largest) -> PictureError {
    PictureError::TooLarge { side, area }
}

pub(crate) fn refused(error: ImageError, format: ImageFormat, largest: Largest) -> PictureError {
    match error {
        ImageError::Limits(limit)
            if format == ImageFormat::Png && limit.kind() == LimitErrorKind::InsufficientMemory =>
        {
            PictureError::Unreadable("what stands in it beside the pixels is too large".to_owned())
        }
        ImageError::Limits(_) => too_large(largest),
        other => PictureError::Unreadable(other.to_string()),
    }
}

fn encode(image: RgbaImage, has_alpha: bool) -> Result<Vec<u8>, ImageError> {
    let mut png = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Best, PngFilter::Adaptive);
    let (width, height) = image.dimensions();
    if has_alpha {
        encoder.write_image(&image, width, height, image::ExtendedColorType::Rgba8)?;
    } else {
        let opaque = DynamicImage::ImageRgba8(image).into_rgb8();
        encoder.write_image(&opaque, width, height, image::ExtendedColorType::Rgb8)?;
    }
    Ok(png)
}
