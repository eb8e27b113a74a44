//! Height and width as arguments.

use serde::{Deserialize, Serialize};

/// Height and width in pixels. In text one number for both, or `HEIGHTxWIDTH`; in TOML also a list of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Given", into = "[usize; 2]")]
pub struct Size(pub [usize; 2]);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number of pixels, [height, width] or \"HEIGHTxWIDTH\"")]
enum Given {
    Both(usize),
    Each([usize; 2]),
    Text(String),
}

impl TryFrom<Given> for Size {
    type Error = String;

    fn try_from(given: Given) -> Result<Self, String> {
        let size = match given {
            Given::Both(side) => Some([side, side]),
            Given::Each(size) => Some(size),
            Given::Text(text) => text
                .split_once('x')
                .and_then(|(height, width)| Some([height.trim().parse().ok()?, width.trim().parse().ok()?])),
        };
        let size = size.filter(|size| size.iter().all(|side| (1..=65_535).contains(side)));
        size.map(Self).ok_or_else(|| "a size is HEIGHTxWIDTH, both of 1 to 65535 pixels".into())
    }
}

impl From<Size> for [usize; 2] {
    fn from(size: Size) -> Self {
        size.0
    }
}
