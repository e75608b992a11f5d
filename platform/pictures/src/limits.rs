//! How large pictures may be.

use image::ImageFormat;

/// Pixels of a picture at most, however long its sides may be: a bound of the time that decoding takes.
const MOST: u64 = 24 << 20;
/// The same of a format that takes longer, and in which a few bytes can stand for all pixels. A photograph of a phone is none of these.
const MOST_SLOW: u64 = 8 << 20;

/// What a service accepts, and what it makes of it.
#[derive(Clone, Copy, Debug)]
pub struct PictureLimits {
    /// Largest side that is accepted, in pixels.
    pub max_pixels: u32,
    /// Side of the square that a picture is kept as, in pixels.
    pub size: u32,
    /// Memory that pictures may take up while they are decoded, all together, in bytes. Where the services of a process say different
    /// things the most counts.
    pub memory_bytes: usize,
}

impl PictureLimits {
    /// Whether they make sense together. `prefix`: how their settings begin, such as `users.avatar`.
    ///
    /// # Errors
    /// In words that name the setting.
    pub fn check(&self, prefix: &str) -> Result<(), String> {
        if self.size > self.max_pixels {
            return Err(format!(
                "{prefix}_size is {} and {prefix}_max_pixels {}: no picture would be large enough",
                self.size, self.max_pixels
            ));
        }
        Ok(())
    }
}

/// The largest picture of one format that is accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Largest {
    /// In pixels.
    pub(crate) side: u32,
    /// In pixels, all together.
    pub(crate) area: u64,
}

impl Largest {
    /// By the limits of a service.
    pub(crate) fn of(limits: &PictureLimits, format: ImageFormat) -> Self {
        let most = match format {
            ImageFormat::WebP | ImageFormat::Gif => MOST_SLOW,
            _ => MOST,
        };
        let side = limits.max_pixels;
        Self {
            side,
            area: most.min(u64::from(side).pow(2)),
        }
    }

    /// Whether a picture of this size is accepted.
    pub(crate) fn holds(self, width: u32, height: u32) -> bool {
        width.max(height) <= self.side && u64::from(width) * u64::from(height) <= self.area
    }
}
