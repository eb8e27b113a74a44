//! Kernels of pictures and of axes: warps, other sizes, borders, pools of fixed output, copies in another order.

use super::*;
use convnet_kernels::elementwise::{AxisOrder, Border, Borders};
use convnet_kernels::pool::AdaptiveGeometry;
use convnet_kernels::reduce::{Extreme, Reduction, Taps};
use convnet_kernels::resize::{Interpolation, Resize};
use convnet_kernels::warp::{Outside, Sizes, Warp};

const INTERPOLATIONS: [Interpolation; 2] = [Interpolation::Nearest, Interpolation::Bilinear];

#[test]
fn warps_keep_to_their_slices() {
    in_a_process("pictures::warps_keep_to_their_slices", || {
        on_every_isa(|isa, edge| {
            let mut dice = Dice::new(19);
            let all = [
                Outside::Nearest,
                Outside::Constant(0.5),
                Outside::Blend(0.5),
                Outside::Reflect,
                Outside::Wrap,
                Outside::Repeat,
            ];
            for _ in 0..cases(150) {
                let [from, to] = [0, 1].map(|_| [dice.throw(1..=9), dice.throw(1..=20)]);
                let sizes = Sizes { from, to, channels: dice.throw(1..=4) };
                // From far away to pixel by pixel.
                let mut number = || (dice.throw(0..=400) as f64 - 200.0) / 40.0;
                let matrix = [0, 1].map(|_| [number(), number(), 8.0 * number()]);
                let [from_len, to_len] = [from, to].map(|size| size[0] * size[1] * sizes.channels);
                let (x, dy) = (fenced(&numbers(1, from_len), edge), fenced(&numbers(2, to_len), edge));
                for outside in all {
                    for interpolation in INTERPOLATIONS {
                        let warp = Warp { matrix, outside, interpolation };
                        eprintln!("{isa}, {edge:?}: {sizes:?} {warp:?}");
                        warp.forward(&x, &mut zeros(to_len, edge), sizes);
                        warp.backward(&dy, &mut zeros(from_len, edge), sizes);
                    }
                }
            }
        });
    });
}

#[test]
fn other_sizes_keep_to_their_slices() {
    in_a_process("pictures::other_sizes_keep_to_their_slices", || {
        on_every_isa(|isa, edge| {
            let mut dice = Dice::new(23);
            for _ in 0..cases(100) {
                let (batch, channels) = (dice.throw(1..=3), dice.throw(1..=40));
                let [input, output] =
                    [0, 1].map(|_| [dice.throw(1..=3), dice.throw(1..=9), dice.throw(1..=9)]);
                let g = AdaptiveGeometry { batch, channels, input, output };
                eprintln!("{isa}, {edge:?}: {g:?}");
                let (x, dy) =
                    (fenced(&numbers(1, g.input_len()), edge), fenced(&numbers(2, g.output_len()), edge));
                let (mut y, mut dx) = (zeros(g.output_len(), edge), zeros(g.input_len(), edge));
                pool::adaptive_average_forward(&g, &x, &mut y);
                pool::adaptive_average_backward(&g, &dy, &mut dx);
                pool::adaptive_max_forward(&g, &x, &mut y);
                pool::adaptive_max_backward(&g, &x, &dy, &mut dx);
                let [from, to] = [input, output].map(|size| [size[1], size[2]]);
                let [from_len, to_len] = [from, to].map(|size| batch * size[0] * size[1] * channels);
                for interpolation in INTERPOLATIONS {
                    let resize = Resize::new(from, to, channels, interpolation);
                    let (x, dy) = (fenced(&numbers(1, from_len), edge), fenced(&numbers(2, to_len), edge));
                    resize.forward(&x, &mut zeros(to_len, edge));
                    resize.backward(&dy, &mut zeros(from_len, edge));
                }
            }
        });
    });
}

#[test]
fn axes_keep_to_their_slices() {
    in_a_process("pictures::axes_keep_to_their_slices", || {
        on_every_isa(|isa, edge| {
            let mut dice = Dice::new(29);
            for _ in 0..cases(100) {
                let dims = [dice.throw(1..=5), dice.throw(1..=9), dice.throw(1..=70)];
                eprintln!("{isa}, {edge:?}: {dims:?}");
                let len = dims.iter().product();
                let x = fenced(&numbers(1, len), edge);
                for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
                    elementwise::permute(&AxisOrder::new(&dims, &order), &x, &mut zeros(len, edge));
                }
                let borders =
                    dims.map(|size| Border { size, before: dice.throw(0..=2), after: dice.throw(0..=2) });
                let borders = Borders::new(&borders);
                let mut padded = zeros(borders.padded_len(), edge);
                elementwise::pad(&borders, 0.5, &x, &mut padded);
                elementwise::crop(&borders, &padded, &mut zeros(len, edge));
                let [outer, length, inner] = dims;
                let mut reduced = zeros(outer * inner, edge);
                for reduction in [Reduction::Sum, Reduction::Max, Reduction::Min, Reduction::Product] {
                    reduce::reduce_axis(reduction, dims, &x, &mut reduced);
                }
                reduce::extreme_place(Extreme { smallest: true, last: true }, dims, &x, &mut reduced);
                let taps = Taps::new(length, (0..7).map(|place| vec![(place % length, 0.5), (0, 1.0)]));
                let mut blended = zeros(outer * 7 * inner, edge);
                reduce::blend(&taps, inner, &x, &mut blended);
                reduce::blend(&taps.transposed(), inner, &blended, &mut zeros(len, edge));
                let rows = outer * length;
                let (width, offset) = (dice.throw(1..=inner), dice.throw(0..=3));
                let mut wider = zeros(rows * (width + offset), edge);
                elementwise::copy_block(
                    rows,
                    &x,
                    inner,
                    inner - width,
                    &mut wider,
                    width + offset,
                    offset,
                    width,
                );
                pool::channel_max_forward(inner, &x, &mut zeros(rows, edge));
                let dy = fenced(&numbers(2, rows), edge);
                pool::channel_max_backward(inner, &x, &dy, &mut zeros(len, edge));
                let places: Vec<f32> = (0..9).map(|place| (place * 7 % (rows + 1)) as f32).collect();
                let (places, mut picked) = (fenced(&places, edge), zeros(9 * inner, edge));
                elementwise::gather_rows(&places, &x, inner, &mut picked);
                elementwise::scatter_rows(&places, &picked, inner, &mut zeros(len, edge));
            }
        });
    });
}
