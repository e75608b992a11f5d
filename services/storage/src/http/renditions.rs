//! How a picture is asked for that is to be smaller, or in another format.

use axum::http::{HeaderMap, header};
use garde::Validate;
use serde::Deserialize;
use stoa_http::{Failure, Result};
use stoa_pictures::{Fit, Format, Rendering};
use utoipa::ToSchema;

use crate::{StorageConfig, ids::VersionId, ops::renditions::own_format, store::versions::VersionRow};

/// Quality where none is asked for, and the steps that there are of it.
const QUALITY: u8 = 80;
const STEP: u8 = 5;

/// How a picture is fitted into a width and a height.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StorageFit {
    /// All of it, as large as it may be.
    Inside,
    /// The middle of it, of exactly this shape.
    Cover,
    /// All of it, with margins.
    Contain,
}

/// The format that a picture is sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StorageFormat {
    /// WebP for who takes it, else its own.
    Auto,
    /// Its own; of a GIF PNG.
    Original,
    Jpeg,
    Png,
    Webp,
}

/// Which version is meant, and how a picture is to be sent.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// This one; the current one, if absent. A deleted one is found until it is purged, by those who may read the bucket.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    pub(super) version: Option<VersionId>,
    /// Of a picture: as wide as this at most, in pixels.
    #[garde(range(min = 1, max = 10_000))]
    width: Option<u32>,
    /// Of a picture: as high as this at most, in pixels.
    #[garde(range(min = 1, max = 10_000))]
    height: Option<u32>,
    /// How it is fitted into both; `inside`, if absent.
    #[garde(skip)]
    #[param(inline)]
    fit: Option<StorageFit>,
    /// Of a picture: its format; `auto`, if absent.
    #[garde(skip)]
    #[param(inline)]
    format: Option<StorageFormat>,
    /// Of a JPEG or WebP: 1 to 100, in steps of 5; 80, if absent.
    #[garde(range(min = 1, max = 100))]
    quality: Option<u8>,
}

/// The rendition that is asked for, and whether it depends on the header `Accept`.
pub(super) struct Wanted {
    pub(super) rendering: Rendering,
    pub(super) varies: bool,
}

impl Which {
    /// What is asked for besides the object as it is, if something is.
    ///
    /// # Errors
    /// 422 when it is no picture, or sides are not as the settings have them.
    pub(super) fn wanted(
        &self,
        version: &VersionRow,
        headers: &HeaderMap,
        config: &StorageConfig,
    ) -> Result<Option<Wanted>> {
        let asked = [
            ("width", self.width.is_some()),
            ("height", self.height.is_some()),
            ("format", self.format.is_some()),
            ("quality", self.quality.is_some()),
            ("fit", self.fit.is_some()),
        ];
        let Some((field, _)) = asked.into_iter().find(|(_, is_asked)| *is_asked) else {
            return Ok(None);
        };
        let Some(own) = own_format(&version.media_type) else {
            let message = "Only JPEG, PNG, WebP and GIF are sent otherwise than they are";
            return Err(Failure::invalid(field, "not_an_image", message));
        };
        for (field, side) in [("width", self.width), ("height", self.height)] {
            check(field, side, config)?;
        }
        let format = self.format.unwrap_or(StorageFormat::Auto);
        let quality = self.quality.unwrap_or(QUALITY);
        Ok(Some(Wanted {
            varies: format == StorageFormat::Auto,
            rendering: Rendering {
                width: self.width,
                height: self.height,
                fit: match self.fit {
                    None | Some(StorageFit::Inside) => Fit::Inside,
                    Some(StorageFit::Cover) => Fit::Cover,
                    Some(StorageFit::Contain) => Fit::Contain,
                },
                format: match format {
                    StorageFormat::Auto if takes_webp(headers) => Format::WebP,
                    StorageFormat::Auto | StorageFormat::Original => own,
                    StorageFormat::Jpeg => Format::Jpeg,
                    StorageFormat::Png => Format::Png,
                    StorageFormat::Webp => Format::WebP,
                },
                quality: quality.div_ceil(STEP) * STEP,
            },
        }))
    }
}

fn check(field: &'static str, side: Option<u32>, config: &StorageConfig) -> Result<()> {
    let Some(side) = side else { return Ok(()) };
    let max = config.rendition_max_side;
    if side > max {
        let message = format!("At most {max} pixels are made");
        return Err(Failure::invalid(field, "out_of_range", message));
    }
    if !config.rendition_sides.is_empty() && !config.rendition_sides.contains(&side) {
        let sides: Vec<_> = config.rendition_sides.iter().map(u32::to_string).collect();
        let message = format!("It is one of {}", sides.join(", "));
        return Err(Failure::invalid(field, "not_allowed", message));
    }
    Ok(())
}

/// Whether the header names WebP, and not to refuse it: what takes anything says nothing of it.
fn takes_webp(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter();
    let mut kinds = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    kinds.any(|kind| {
        let (kind, parameters) = kind.split_once(';').unwrap_or((kind, ""));
        let refused = ["q=0", "q=0.0", "q=0.00", "q=0.000"];
        kind.trim().eq_ignore_ascii_case("image/webp") && !refused.contains(&parameters.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webp_is_for_those_who_name_it() {
        for (accept, takes) in [
            ("image/avif,image/webp,image/apng,*/*;q=0.8", true),
            ("Image/WebP;q=0.5", true),
            ("image/webp;q=0, */*", false),
            ("*/*", false),
            ("image/*", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(takes_webp(&headers), takes, "{accept}");
        }
    }
}
