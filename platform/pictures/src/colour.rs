//! Colours by the profile that a picture brings along.

use moxcms::{CmsError, ColorProfile, DataColorSpace, Layout, TransformOptions};

use super::square::Pixels;

/// Converts to sRGB from what the profile says. A profile that cannot be read, or is for colours of another kind than the decoded ones,
/// says nothing: browsers pass over it as well.
pub(super) fn to_srgb(pixels: &mut Pixels, profile: &[u8], is_grey: bool) {
    if let Err(error) = convert(pixels, profile, is_grey) {
        tracing::debug!(%error, "passed over the colour profile of a picture");
    }
}

fn convert(pixels: &mut Pixels, profile: &[u8], is_grey: bool) -> Result<(), CmsError> {
    let profile = ColorProfile::new_from_slice(profile)?;
    let (source, layout): (Vec<u16>, _) = match (profile.color_space, is_grey) {
        (DataColorSpace::Rgb, _) => (pixels.as_raw().clone(), Layout::Rgba),
        (DataColorSpace::Gray, true) => {
            let grey = pixels.pixels().flat_map(|pixel| [pixel.0[0], pixel.0[3]]);
            (grey.collect(), Layout::GrayAlpha)
        }
        _ => return Err(CmsError::InvalidProfile),
    };
    let srgb = ColorProfile::new_srgb();
    let options = TransformOptions::default();
    let transform = profile.create_transform_16bit(layout, &srgb, Layout::Rgba, options)?;
    let mut converted = vec![0; pixels.as_raw().len()];
    transform.transform(&source, &mut converted)?;
    pixels.copy_from_slice(&converted);
    Ok(())
}
