//! Images in another size, pixel centres at halves.

use convnet_kernels::resize::Interpolation;

/// The pixel in whose square an output pixel lies. On the border between two, TensorFlow's rounding in single precision decides.
fn nearest(output: usize, from: usize, to: usize) -> f64 {
    f64::from(((output as f32 + 0.5) * (from as f32 / to as f32)).floor())
}

/// `(batch, height, width, channels)` in a new height and width.
pub fn resize(
    x: &[f64],
    [height, width, channels]: [usize; 3],
    size: [usize; 2],
    how: Interpolation,
) -> Vec<f64> {
    let mut y = Vec::new();
    for image in x.chunks(height * width * channels) {
        let pixel = |row: f64, column: f64, c: usize| {
            let row = row.clamp(0.0, (height - 1) as f64) as usize;
            let column = column.clamp(0.0, (width - 1) as f64) as usize;
            image[(row * width + column) * channels + c]
        };
        for oy in 0..size[0] {
            for ox in 0..size[1] {
                let at_y = (oy as f64 + 0.5) * height as f64 / size[0] as f64;
                let at_x = (ox as f64 + 0.5) * width as f64 / size[1] as f64;
                for c in 0..channels {
                    y.push(match how {
                        Interpolation::Nearest => {
                            pixel(nearest(oy, height, size[0]), nearest(ox, width, size[1]), c)
                        }
                        Interpolation::Bilinear => {
                            let (top, left) = ((at_y - 0.5).floor(), (at_x - 0.5).floor());
                            let (down, right) = (at_y - 0.5 - top, at_x - 0.5 - left);
                            let line =
                                |row| pixel(row, left, c) * (1.0 - right) + pixel(row, left + 1.0, c) * right;
                            line(top) * (1.0 - down) + line(top + 1.0) * down
                        }
                    });
                }
            }
        }
    }
    y
}
