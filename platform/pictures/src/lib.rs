//! Pictures that people upload, of themselves or of what they own: made small squares, stored, offered to everybody who knows their
//! address, and deleted when nothing names them any more. And pictures of any kind, made smaller for who looks at them: [`Renderer`].

mod budget;
mod colour;
mod decode;
mod error;
mod http;
mod jpeg;
mod limits;
mod pictures;
mod render;
mod square;
mod upload;

pub use error::PictureError;
pub use http::{Picture, PictureForm, offered, received};
pub use limits::PictureLimits;
pub use pictures::{Kind, Pictures};
pub use render::{Fit, Format, Rendered, Renderer, Rendering};
