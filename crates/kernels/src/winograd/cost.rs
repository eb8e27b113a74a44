//! What a pass costs by each method: the model behind [`super::model`].
//!
//! A cost is a sum of counts times constants. Counts follow from shape and tiles: multiplications with their waste in
//! last panels and last tiles, elements that are transformed, elements that are streamed from beyond the second-level
//! cache. The constants are least-squares fits, without negative ones, to the times that the benchmark `winograd` printed
//! for all its layers and passes with AVX2 on one thread of a machine with 512 KiB of second-level cache; the method
//! chosen by the fitted model was on average 1 % slower than the fastest. For other instruction sets they are scaled,
//! see [`Scale`].

use super::gradient::GradientPlan;
use super::picture::Picture;
use super::product::ProductPlan;
use super::{Method, Pass, TileSize};
use crate::cpu::Isa;
use crate::gemm::Kernels;
use crate::geometry::{Axis, ConvGeometry};

/// Picoseconds for each of what is counted.
struct Constants {
    /// Multiply-adds of the direct passes: forward, gradient of the input, gradient of the weights.
    direct: [f64; 3],
    /// Weights that these passes pack, transpose or collect.
    direct_weights: [f64; 3],
    /// Weights that were packed before, which the forward pass streams.
    packed_weights: f64,
    /// Multiply-adds at the points: of the forward pass and the gradient of the input, and of that of the weights.
    products: [f64; 2],
    /// Elements at the points of tiles that are read, and of those that are written.
    data: f64,
    results: f64,
    /// Elements at the points of tiles, in the gradient of the weights.
    gradient_tiles: f64,
    /// Elements at the points of taps.
    taps: f64,
    /// Weights that are transposed.
    transposed: f64,
    /// Elements of the sums at the points, for each block of tiles.
    sums: f64,
    /// Elements of taps or sums that have no place in the caches: more than [`NEAR`].
    far_taps: f64,
    far_sums: f64,
    /// A call.
    call: f64,
}

const CONSTANTS: Constants = Constants {
    direct: [21.4, 21.8, 25.7],
    direct_weights: [680.0, 928.0, 682.0],
    packed_weights: 80.0,
    products: [25.4, 22.9],
    data: 141.0,
    results: 229.0,
    gradient_tiles: 316.0,
    taps: 376.0,
    transposed: 327.0,
    sums: 211.0,
    far_taps: 225.0,
    far_sums: 658.0,
    call: 5e6,
};

/// Elements of taps or sums that stay in the caches from one use to the next.
const NEAR: usize = 3 << 19;

/// Fewer rows of a product take as long, since each sum waits for the multiply-add before.
const FEWEST_ROWS: usize = 4;

/// How the constants change with the instruction set. Only AVX2 was measured in full: products follow the lanes and
/// whether multiply-adds are fused; transforms are partly bound by the caches, and packing by memory.
struct Scale {
    products: f64,
    transforms: f64,
}

impl Scale {
    fn of(isa: Isa) -> Self {
        match isa {
            Isa::Scalar => Self { products: 4.0, transforms: 2.0 },
            Isa::Neon => Self { products: 2.0, transforms: 1.5 },
            Isa::Avx2 => Self { products: 1.0, transforms: 1.0 },
            Isa::Avx512 | Isa::Emulated512 => Self { products: 0.5, transforms: 0.75 },
        }
    }
}

/// Expected nanoseconds of a pass on one thread.
pub(super) fn nanoseconds(g: &ConvGeometry, pass: Pass, isa: Isa, method: Method) -> f64 {
    let scale = Scale::of(isa);
    let picoseconds = match method {
        Method::Direct => direct(g, pass, isa, &scale),
        Method::Winograd(size) if pass == Pass::BackwardWeights => gradient(g, isa, size, &scale),
        Method::Winograd(size) => product(g, pass, isa, size, &scale),
    };
    picoseconds * 1e-3
}

fn direct(g: &ConvGeometry, pass: Pass, isa: Isa, scale: &Scale) -> f64 {
    let (index, channels, filters) = match pass {
        Pass::Forward | Pass::ForwardPacked => (0, g.in_channels, g.out_channels),
        Pass::BackwardData => (1, g.out_channels, g.in_channels),
        Pass::BackwardWeights => (2, g.in_channels, g.out_channels),
    };
    let taps: usize = if pass == Pass::BackwardData {
        // Only taps that reach the input are multiplied.
        let reach = |axis: &Axis| (0..axis.kernel).map(|tap| length(axis.outputs_inside(tap))).sum::<usize>();
        g.window.axes.iter().map(reach).product()
    } else {
        g.window.output_positions() * g.window.taps()
    };
    let filters = filters.next_multiple_of(Kernels::of(isa).columns());
    let multiply_adds = (g.batch * taps) as f64 * (channels * filters) as f64;
    let is_packed = pass == Pass::ForwardPacked;
    let weights = if is_packed { CONSTANTS.packed_weights } else { CONSTANTS.direct_weights[index] };
    CONSTANTS.direct[index] * scale.products * multiply_adds + weights * g.weights_len() as f64
}

fn length((start, end): (usize, usize)) -> usize {
    end - start
}

fn product(g: &ConvGeometry, pass: Pass, isa: Isa, size: TileSize, scale: &Scale) -> f64 {
    let is_forward = pass != Pass::BackwardData;
    let picture = if is_forward { Picture::forward(g, size) } else { Picture::backward(g, size) };
    let kernels = Kernels::of(isa);
    let plan = ProductPlan::new(picture, g.batch, size, kernels);
    let (channels, filters) = (picture.channels, picture.filters.next_multiple_of(kernels.columns()));
    let all_tiles = g.batch * picture.tiles();
    let tile_points = (all_tiles * size.points()) as f64;
    let mut tiles = CONSTANTS.data * channels as f64 + CONSTANTS.results * picture.filters as f64;
    tiles *= tile_points * scale.transforms;
    let mut taps = CONSTANTS.far_taps * plan.packed_len().saturating_sub(NEAR) as f64;
    if pass != Pass::ForwardPacked {
        taps += CONSTANTS.taps * scale.transforms * (size.points() * channels * filters) as f64;
    }
    if !is_forward {
        taps += CONSTANTS.transposed * g.weights_len() as f64;
    }
    let rows = (all_tiles.max(FEWEST_ROWS) * size.points()) as f64;
    let products = CONSTANTS.products[0] * scale.products * rows * (channels * filters) as f64;
    CONSTANTS.call + products + tiles + taps
}

fn gradient(g: &ConvGeometry, isa: Isa, size: TileSize, scale: &Scale) -> f64 {
    let picture = Picture::forward(g, size);
    let kernels = Kernels::of(isa);
    let plan = GradientPlan::new(picture, g.batch, size, kernels);
    let filters = picture.filters.next_multiple_of(kernels.columns());
    let tile_points = (g.batch * picture.tiles() * size.points()) as f64;
    let tiles = CONSTANTS.gradient_tiles
        * scale.transforms
        * tile_points
        * (picture.channels + picture.filters) as f64;
    let sums = CONSTANTS.sums * (plan.blocks() * plan.sums_len()) as f64
        + CONSTANTS.far_sums * plan.sums_len().saturating_sub(NEAR) as f64;
    let products = CONSTANTS.products[1] * scale.products * tile_points * (picture.channels * filters) as f64;
    CONSTANTS.call + products + tiles + sums
}
