//! Pictures made here: a [`Canvas`] of bytes `(height, width, 3)`, [text](Canvas::text), [colours of numbers](ColourMap), [sheets](Sheet) of
//! pictures with titles, [animations](gif()).
//!
//! Reading and writing of PNG files is elsewhere (`convnet_data::images`).

mod animation;
mod canvas;
mod colour;
mod sheet;
mod text;

pub use animation::gif;
pub(crate) use canvas::resized_map;
pub use canvas::{Canvas, enlarged, picture, resized};
pub use colour::ColourMap;
pub use sheet::{Cell, Sheet};
pub use text::{line_height, text_width, wrapped};
