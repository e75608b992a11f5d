//! How large pictures may be.

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
