//! Images that are turned, moved, resized and mirrored at random, each by itself.

use convnet_kernels::par;
use convnet_kernels::random::Philox;
pub use convnet_kernels::warp::Outside;
use convnet_kernels::warp::{Sizes as Extents, Warp};

use super::Interpolation;
use super::uniform::numbers;
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Bound, Shape, TensorType};

/// y is x `(batch, height, width, channels)`, each image warped by a matrix of its own, which follows from the run's seed, the `stream`, the step and the
/// image's place in the batch alone, so that the gradient need not store it.
///
/// What is done, in this order: cut out, mirror, turn, resize, move.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomWarp {
    /// Probability of being mirrored: top and bottom, left and right.
    pub flips: [f32; 2],
    /// Least and largest angle in radians, anticlockwise.
    pub angle: [f64; 2],
    /// Least and largest factor by which height and width of what is shown grow; things become smaller.
    pub zoom: [[f64; 2]; 2],
    /// Whether width and height have one factor, that of the height.
    pub uniform_zoom: bool,
    /// Least and largest distance, as a share of height and width, by which things move down and to the right.
    pub shift: [[f64; 2]; 2],
    /// Height and width of y; where they are smaller than those of x, a part is cut out at a random place, in whole pixels.
    pub size: [usize; 2],
    /// What is outside of the image.
    pub outside: Outside,
    /// How values between pixels are found.
    pub interpolation: Interpolation,
    /// Number of the layer, so that no two layers do the same.
    pub stream: u64,
}

/// dx of a [`RandomWarp`]. Input dy.
#[derive(Clone, Debug)]
struct RandomWarpGradient {
    warp: RandomWarp,
    input: Shape,
}

/// Random numbers that an image takes, at most.
const NUMBERS: u64 = 16;

/// Nanoseconds for a value, about.
const COST: u64 = 4;

impl RandomWarp {
    /// Images of this height and width that stay as they are.
    pub fn new(size: [usize; 2], stream: u64) -> Self {
        Self {
            flips: [0.0; 2],
            angle: [0.0; 2],
            zoom: [[1.0; 2]; 2],
            uniform_zoom: false,
            shift: [[0.0; 2]; 2],
            size,
            outside: Outside::Reflect,
            interpolation: Interpolation::Bilinear,
            stream,
        }
    }

    /// Where the pixels of image `index` of a batch come from, the image having this height and width: see the kernel's `Warp`.
    pub fn matrix(&self, numbers: &Philox, index: u64, [height, width]: [usize; 2]) -> [[f64; 3]; 2] {
        let uniform = |number: u64| f64::from(numbers.uniform(index * NUMBERS + number));
        let between = |[low, high]: [f64; 2], number: u64| low + (high - low) * uniform(number);
        let side = [height as f64, width as f64];
        let middle = side.map(|side| (side - 1.0) / 2.0);
        let (sine, cosine) = between(self.angle, 0).sin_cos();
        let rows = between(self.zoom[0], 1);
        let zoom = [rows, if self.uniform_zoom { rows } else { between(self.zoom[1], 2) }];
        let mirror = [0, 1]
            .map(|axis| if uniform(3 + axis as u64) < f64::from(self.flips[axis]) { -1.0 } else { 1.0 });
        // From a place of the result to one of the original, so backwards, about the middle.
        let turned = [[cosine, sine], [-sine, cosine]];
        [0, 1].map(|axis| {
            let row = [0, 1].map(|from| mirror[axis] * turned[axis][from] * zoom[from]);
            let start =
                [0, 1].map(|from| -middle[from] - between(self.shift[from], 5 + from as u64) * side[from]);
            // Where a part begins is a whole pixel.
            let room = side[axis] - self.size[axis] as f64;
            let cut =
                if room > 0.0 { (uniform(7 + axis as u64) * (room + 1.0)).floor().min(room) } else { 0.0 };
            [row[0], row[1], middle[axis] + cut + row[0] * start[0] + row[1] * start[1]]
        })
    }

    fn images(&self, input: &Bound) -> Extents {
        let [height, width, channels] = input.inner() else { unreachable!("checked by `infer`") };
        Extents { from: [*height, *width], to: self.size, channels: *channels }
    }

    fn warp(&self, numbers: &Philox, index: usize, extents: Extents) -> Warp {
        let matrix = self.matrix(numbers, index as u64, extents.from);
        Warp { matrix, outside: self.outside, interpolation: self.interpolation }
    }
}

impl Op for RandomWarp {
    fn name(&self) -> &'static str {
        "random warp"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        let mut shape = inputs[0].shape.clone();
        if shape.dims.len() != 3 || shape.is_empty() {
            return Err(Mismatch::new("images (height, width, channels)", &shape));
        }
        let fits = (0..2).all(|axis| (1..=shape.dims[axis]).contains(&self.size[axis]));
        if !fits {
            let expected = format!("images of at least {} × {}", self.size[0].max(1), self.size[1].max(1));
            return Err(Mismatch::new(expected, &shape));
        }
        shape.dims[..2].copy_from_slice(&self.size);
        Ok(vec![shape.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let input = at.type_of(at.inputs[0]).shape;
        Ok(vec![Some(at.apply(RandomWarpGradient { warp: self.clone(), input }, &[dy])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let (op, extents) = (self.clone(), self.images(&sizes.inputs[0]));
        let from = extents.from.iter().product::<usize>() * extents.channels;
        let to = extents.to.iter().product::<usize>() * extents.channels;
        Lowered::new(move |call| {
            let numbers = numbers(call.run.seed, call.run.step, op.stream);
            let (x, y) = (call.inputs[0], &mut *call.outputs[0]);
            let cost = y.len() as u64 * COST;
            par::for_each_chunk(y, to, cost, |start, y| {
                let index = start / to;
                op.warp(&numbers, index, extents).forward(&x[index * from..][..from], y, extents);
            });
        })
    }
}

impl Op for RandomWarpGradient {
    fn name(&self) -> &'static str {
        "random warp gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        Ok(vec![self.input.clone().into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(ddx) = at.output_gradient() else { return at.constant() };
        // Linear but for the number outside, which no gradient has.
        let outside = match self.warp.outside {
            Outside::Constant(_) => Outside::Constant(0.0),
            Outside::Blend(_) => Outside::Blend(0.0),
            other => other,
        };
        Ok(vec![Some(at.apply(RandomWarp { outside, ..self.warp.clone() }, &[ddx])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let (op, extents) = (self.warp.clone(), self.warp.images(&sizes.outputs[0]));
        let from = extents.from.iter().product::<usize>() * extents.channels;
        let to = extents.to.iter().product::<usize>() * extents.channels;
        Lowered::new(move |call| {
            let numbers = numbers(call.run.seed, call.run.step, op.stream);
            let (dy, dx) = (call.inputs[0], &mut *call.outputs[0]);
            let cost = dy.len() as u64 * COST * 4;
            par::for_each_chunk(dx, from, cost, |start, dx| {
                let index = start / from;
                op.warp(&numbers, index, extents).backward(&dy[index * to..][..to], dx, extents);
            });
        })
    }
}
