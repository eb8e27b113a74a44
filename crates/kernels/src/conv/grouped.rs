//! Convolutions of several groups. Of groups too large for the depthwise kernels each group's channels are gathered side by side, and its product is a dense one.

use super::{ALIGNMENT, Convolution, Epilogue};
use crate::cpu::Isa;
use crate::depthwise::Depthwise;
use crate::geometry::ConvGeometry;
use crate::par::{self, Shared};
use crate::winograd::Method;

/// Groups that are under way at the same time, each with scratch of its own.
const LANES: usize = 8;

/// A convolution of several groups.
#[derive(Clone, Debug)]
pub(super) enum Grouped {
    /// Groups of a few channels.
    Depthwise(Box<Depthwise>),
    /// Larger ones.
    Dense(DenseGroups),
}

impl Grouped {
    pub(super) fn new(g: &ConvGeometry, isa: Isa) -> Self {
        if Depthwise::serves(g) {
            Self::Depthwise(Box::new(Depthwise::new(*g, isa)))
        } else {
            Self::Dense(DenseGroups::new(g, isa))
        }
    }

    /// As [`Convolution::with_method`], for the dense convolution of a group.
    pub(super) fn with_method(self, method: Method) -> Self {
        match self {
            Self::Dense(groups) => {
                Self::Dense(DenseGroups { group: Box::new(groups.group.with_method(method)), ..groups })
            }
            depthwise => depthwise,
        }
    }

    pub(super) fn forward_scratch(&self) -> usize {
        match self {
            Self::Depthwise(depthwise) => depthwise.forward_scratch(),
            Self::Dense(groups) => groups.scratch(Pass::Forward),
        }
    }

    pub(super) fn backward_data_scratch(&self) -> usize {
        match self {
            Self::Depthwise(depthwise) => depthwise.backward_data_scratch(),
            Self::Dense(groups) => groups.scratch(Pass::Data),
        }
    }

    pub(super) fn backward_weights_scratch(&self) -> usize {
        match self {
            Self::Depthwise(depthwise) => depthwise.backward_weights_scratch(),
            Self::Dense(groups) => groups.scratch(Pass::Weights),
        }
    }

    pub(super) fn forward(
        &self,
        input: &[f32],
        weights: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        match self {
            Self::Depthwise(depthwise) => depthwise.forward(input, weights, epilogue, output, scratch),
            Self::Dense(groups) => groups.forward(input, weights, epilogue, output, scratch),
        }
    }

    pub(super) fn backward_data(
        &self,
        output_gradient: &[f32],
        weights: &[f32],
        input_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        match self {
            Self::Depthwise(depthwise) => {
                depthwise.backward_data(output_gradient, weights, input_gradient, scratch);
            }
            Self::Dense(groups) => groups.backward_data(output_gradient, weights, input_gradient, scratch),
        }
    }

    pub(super) fn backward_weights(
        &self,
        input: &[f32],
        output_gradient: &[f32],
        weight_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        match self {
            Self::Depthwise(depthwise) => {
                depthwise.backward_weights(input, output_gradient, weight_gradient, scratch);
            }
            Self::Dense(groups) => groups.backward_weights(input, output_gradient, weight_gradient, scratch),
        }
    }
}

/// Groups of one shape, each computed as a dense convolution.
#[derive(Clone, Debug)]
pub(super) struct DenseGroups {
    groups: usize,
    /// The convolution of one group.
    group: Box<Convolution>,
}

/// Which way the elements of a group go.
#[derive(Clone, Copy)]
enum Pass {
    Forward,
    Data,
    Weights,
}

/// `rows` rows of `width` elements, `stride` apart, of which a group has its part.
#[derive(Clone, Copy)]
struct Rows {
    rows: usize,
    stride: usize,
    width: usize,
}

impl Rows {
    fn len(self) -> usize {
        self.rows * self.width
    }

    fn gather(self, group: usize, source: &[f32], target: &mut [f32]) {
        let rows = source.chunks_exact(self.stride).zip(target.chunks_exact_mut(self.width));
        rows.for_each(|(source, target)| target.copy_from_slice(&source[group * self.width..][..self.width]));
    }

    /// Different groups have different parts of each row, and a group is scattered by one piece only.
    fn scatter(self, group: usize, source: &[f32], target: &Shared<'_>) {
        for (row, source) in source.chunks_exact(self.width).enumerate() {
            // SAFETY: this group's part of the row, which no other group has.
            let target = unsafe { target.part(row * self.stride + group * self.width, self.width) };
            target.copy_from_slice(source);
        }
    }
}

impl DenseGroups {
    fn new(g: &ConvGeometry, isa: Isa) -> Self {
        let group = ConvGeometry {
            in_channels: g.group_in_channels(),
            out_channels: g.group_out_channels(),
            groups: 1,
            ..*g
        };
        Self { groups: g.groups, group: Box::new(Convolution::with_isa(group, isa)) }
    }

    fn lanes(&self) -> usize {
        self.groups.min(LANES)
    }

    /// The rows of input, weights and output.
    fn parts(&self) -> [Rows; 3] {
        let g = &self.group.geometry;
        let rows = |len: usize, width: usize| Rows { rows: len / width, stride: width * self.groups, width };
        [
            rows(g.input_len(), g.in_channels),
            rows(g.weights_len(), g.out_channels),
            rows(g.output_len(), g.out_channels),
        ]
    }

    fn inner_scratch(&self, pass: Pass) -> usize {
        match pass {
            Pass::Forward => self.group.forward_scratch(),
            Pass::Data => self.group.backward_data_scratch(),
            Pass::Weights => self.group.backward_weights_scratch(),
        }
    }

    /// Elements of a lane's scratch.
    fn lane_len(&self, pass: Pass) -> usize {
        let parts: usize = self.parts().iter().map(|part| part.len().next_multiple_of(ALIGNMENT)).sum();
        (parts + self.inner_scratch(pass)).next_multiple_of(ALIGNMENT)
    }

    fn scratch(&self, pass: Pass) -> usize {
        self.lanes() * self.lane_len(pass)
    }

    /// Calls `work(group, [input, weights, output], inner scratch)` for each group.
    fn for_each(
        &self,
        pass: Pass,
        scratch: &mut [f32],
        work: impl Fn(usize, [&mut [f32]; 3], &mut [f32]) + Sync + Send,
    ) {
        let (lanes, lane_len, parts) = (self.lanes(), self.lane_len(pass), self.parts());
        let copies: usize = parts.iter().map(|part| part.len()).sum();
        let cost =
            self.groups as u64 * (super::work::cost(self.group.geometry.multiply_adds()) + copies as u64);
        par::for_each_chunk(&mut scratch[..lanes * lane_len], lane_len, cost, |start, scratch| {
            for group in (start / lane_len..self.groups).step_by(lanes) {
                let mut rest = &mut *scratch;
                let slices = parts.map(|part| {
                    let (slice, after) =
                        std::mem::take(&mut rest).split_at_mut(part.len().next_multiple_of(ALIGNMENT));
                    rest = after;
                    &mut slice[..part.len()]
                });
                work(group, slices, rest);
            }
        });
    }

    fn forward(
        &self,
        input: &[f32],
        weights: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let [x, w, y] = self.parts();
        let output = Shared::new(output);
        self.for_each(Pass::Forward, scratch, |group, [input_part, weights_part, output_part], scratch| {
            x.gather(group, input, input_part);
            w.gather(group, weights, weights_part);
            let bias = epilogue.bias.map(|bias| &bias[group * y.width..][..y.width]);
            let epilogue = Epilogue { bias, ..epilogue };
            self.group.forward(input_part, weights_part, epilogue, output_part, scratch);
            y.scatter(group, output_part, &output);
        });
    }

    fn backward_data(
        &self,
        output_gradient: &[f32],
        weights: &[f32],
        input_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        let [x, w, y] = self.parts();
        let input_gradient = Shared::new(input_gradient);
        self.for_each(Pass::Data, scratch, |group, [input_part, weights_part, output_part], scratch| {
            y.gather(group, output_gradient, output_part);
            w.gather(group, weights, weights_part);
            self.group.backward_data(output_part, weights_part, input_part, scratch);
            x.scatter(group, input_part, &input_gradient);
        });
    }

    fn backward_weights(
        &self,
        input: &[f32],
        output_gradient: &[f32],
        weight_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        let [x, w, y] = self.parts();
        let weight_gradient = Shared::new(weight_gradient);
        self.for_each(Pass::Weights, scratch, |group, [input_part, weights_part, output_part], scratch| {
            x.gather(group, input, input_part);
            y.gather(group, output_gradient, output_part);
            self.group.backward_weights(input_part, output_part, weights_part, None, scratch);
            w.scatter(group, weights_part, &weight_gradient);
        });
    }
}
