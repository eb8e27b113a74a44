//! Charts of a training: [`curves`] of its history, the [`confusion`] matrix and the receiver operating characteristic ([`roc`]) of what
//! came out. Each is a [`Chart`], shapes on a sheet, and becomes SVG for a page or a picture for anything else.

mod confusion;
mod curves;
mod panel;
mod raster;
mod roc;
mod scene;

pub use confusion::confusion;
pub use curves::curves;
pub use panel::{Line, Panel, panels};
pub use roc::{Roc, roc};
pub use scene::Chart;

/// A colour: red, green, blue.
type Colour = [u8; 3];

/// Colour of what was trained on.
const TRAINING: Colour = [31, 111, 180];

/// Colour of what was kept back.
const VALIDATION: Colour = [217, 102, 11];

/// Colours of lines that are neither, in turn.
const OTHERS: [Colour; 8] = [
    TRAINING,
    VALIDATION,
    [44, 140, 60],
    [179, 49, 74],
    [122, 85, 176],
    [138, 90, 68],
    [15, 143, 153],
    [119, 119, 119],
];

/// Colour of letters.
const INK: Colour = [40, 40, 40];

/// Colour of axes and of what is less important.
const GREY: Colour = [130, 130, 130];

/// Colour of the grid.
const GRID: Colour = [226, 226, 226];
