//! Animations.

use std::time::Duration;

use convnet_nn::{Error, Result};
use gif::{Encoder, Frame, Repeat};
use ndarray::Array3;

/// The GIF file of pictures `(height, width, 3)` of one size, each shown so long, the last four times as long, over and over.
///
/// # Errors
/// If there is no picture, or they have different sizes or more than 65,535 pixels in a row or column.
pub fn gif(pictures: &[Array3<u8>], each: Duration) -> Result<Vec<u8>> {
    let refuse = |problem: String| Error::argument("gif", problem);
    let sizes = pictures.first().ok_or_else(|| refuse("there are no pictures".into()))?.dim();
    if let Some(other) = pictures.iter().find(|picture| picture.dim() != sizes) {
        return Err(refuse(format!("pictures of sizes {sizes:?} and {:?}", other.dim())));
    }
    let (Ok(height), Ok(width), 3) = (u16::try_from(sizes.0), u16::try_from(sizes.1), sizes.2) else {
        return Err(refuse(format!("{sizes:?} are not the sizes of a GIF file's pictures")));
    };
    let broken = |problem: gif::EncodingError| refuse(problem.to_string());
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width, height, &[]).map_err(broken)?;
    encoder.set_repeat(Repeat::Infinite).map_err(broken)?;
    let delay = u16::try_from(each.as_millis() / 10).unwrap_or(u16::MAX).max(2);
    for (index, picture) in pictures.iter().enumerate() {
        let bytes: Vec<u8> = picture.iter().copied().collect();
        let mut frame = Frame::from_rgb_speed(width, height, &bytes, 10);
        let is_last = index + 1 == pictures.len();
        frame.delay = if is_last { delay.saturating_mul(4) } else { delay };
        encoder.write_frame(&frame).map_err(broken)?;
    }
    drop(encoder);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_gives_the_pictures_back() {
        let pictures = [[200, 10, 10], [10, 200, 10]]
            .map(|colour| Array3::from_shape_fn((5, 7, 3), |(_, _, channel)| colour[channel]));
        let file = gif(&pictures, Duration::from_millis(100)).unwrap();
        let mut options = ::gif::DecodeOptions::new();
        options.set_color_output(::gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(&file[..]).unwrap();
        assert_eq!((decoder.width(), decoder.height()), (7, 5));
        for picture in &pictures {
            let frame = decoder.read_next_frame().unwrap().unwrap();
            for (shown, wanted) in frame.buffer.chunks(4).zip(picture.rows()) {
                for channel in 0..3 {
                    assert!(shown[channel].abs_diff(wanted[channel]) < 8);
                }
            }
        }
        assert!(decoder.read_next_frame().unwrap().is_none());
        assert!(gif(&[], Duration::ZERO).is_err());
        let other = [Array3::zeros((5, 7, 3)), Array3::zeros((5, 8, 3))];
        assert!(gif(&other, Duration::ZERO).unwrap_err().to_string().contains("(5, 8, 3)"));
    }
}
