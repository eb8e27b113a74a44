//! Kernels touch nothing but their slices: each buffer ends at a page that cannot be touched, on one side and then on the
//! other, on every instruction set.

#![cfg(unix)]

mod pictures;
mod rows;

use convnet_conformance::problem::{cases, numbers};
use convnet_kernels::conv::{Banded, Convolution, Epilogue, Filters, Residual};
use convnet_kernels::cpu::{self, Isa};
use convnet_kernels::elementwise::{self, Activation, BinaryFunction, Broadcast, UnaryFunction};
use convnet_kernels::fence::{Edge, Fenced};
use convnet_kernels::geometry::{Axis, ConvGeometry, Padding, PoolGeometry, Window};
use convnet_kernels::optimizer::{self, Adam, Lamb, adam};
use convnet_kernels::random::Philox;
use convnet_kernels::winograd::{Method, TileSize, Winograd};
use convnet_kernels::{norm, pool, reduce, softmax};
use std::process::Command;
use std::sync::Mutex;

const CHILD: &str = "CONVNET_MEMORY_TEST";

/// Runs `work` in a process of its own, because touching a fence ends it; what it said last names the case.
///
/// Where a process cannot be started again (an emulator may not allow it), the cases run in this one.
fn in_a_process(test: &str, work: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some() {
        return work();
    }
    let mut child = Command::new(std::env::current_exe().expect("this test is a file"));
    match child.args([test, "--exact", "--nocapture"]).env(CHILD, "1").output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("");
            assert!(output.status.success(), "something outside was touched ({}) by {last}\n", output.status);
            assert!(!said.trim().is_empty(), "no case ran");
        }
        Err(_) => work(),
    }
}

fn fenced<T: Copy>(content: &[T], edge: Edge) -> Fenced<T> {
    Fenced::new(content, edge).expect("the system gives pages")
}

fn zeros(len: usize, edge: Edge) -> Fenced<f32> {
    fenced(&vec![0.0; len], edge)
}

/// Numbers of a fixed stream, one after the other.
struct Dice {
    stream: Philox,
    thrown: u64,
}

impl Dice {
    fn new(seed: u64) -> Self {
        Self { stream: Philox::new(seed, 0), thrown: 0 }
    }

    /// One of `range`.
    fn throw(&mut self, range: std::ops::RangeInclusive<usize>) -> usize {
        self.thrown += 1;
        range.start() + self.stream.word(self.thrown) as usize % (range.end() - range.start() + 1)
    }

    fn axis(&mut self, largest: usize) -> Axis {
        loop {
            let padding = match self.throw(0..=2) {
                0 => Padding::Valid,
                1 => Padding::Same,
                _ => Padding::Explicit { before: self.throw(0..=3), after: self.throw(0..=3) },
            };
            let (input, kernel) = (self.throw(1..=largest), self.throw(1..=5));
            if let Ok(axis) = Axis::new(input, kernel, self.throw(1..=3), self.throw(1..=3), padding) {
                return axis;
            }
        }
    }

    fn window(&mut self) -> Window {
        match self.throw(0..=2) {
            0 => Window { axes: [Axis::UNIT, Axis::UNIT, self.axis(40)] },
            1 => Window::image(self.axis(13), self.axis(13)),
            _ => Window { axes: [self.axis(4), self.axis(6), self.axis(6)] },
        }
    }
}

fn convolve(g: ConvGeometry, isa: Isa, method: Method, edge: Edge) {
    eprintln!("{isa}, {method}, {edge:?}: {g:?}");
    let convolution = Convolution::with_isa(g, isa).with_method(method);
    let (x, w) = (fenced(&numbers(1, g.input_len()), edge), fenced(&numbers(2, g.weights_len()), edge));
    let (dy, bias) = (fenced(&numbers(3, g.output_len()), edge), fenced(&numbers(4, g.out_channels), edge));
    let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Relu, ..Epilogue::NONE };
    let mut scratch = zeros(convolution.forward_scratch(), edge);
    convolution.forward(&x, &w, epilogue, &mut zeros(g.output_len(), edge), &mut scratch);
    convolution.forward(&x, &w, Epilogue::NONE, &mut zeros(g.output_len(), edge), &mut scratch);
    if let Some(len) = convolution.packed_weights_len() {
        let mut packed = zeros(len, edge);
        convolution.pack_weights(&w, &mut packed);
        let mut scratch = zeros(convolution.forward_packed_scratch(), edge);
        let mut y = fenced(&dy, edge);
        convolution.forward_packed(&x, &packed, epilogue, &mut y, &mut scratch);
        for residual in [Residual::Output, Residual::Slice(&dy)] {
            if g.groups == 1 {
                convolution.forward_packed(
                    &x,
                    &packed,
                    Epilogue { residual, ..epilogue },
                    &mut y,
                    &mut scratch,
                );
            }
        }
    }
    let mut scratch = zeros(convolution.backward_data_scratch(), edge);
    convolution.backward_data(&dy, &w, &mut zeros(g.input_len(), edge), &mut scratch);
    let mut scratch = zeros(convolution.backward_weights_scratch(), edge);
    let (mut dw, mut db) = (zeros(g.weights_len(), edge), zeros(g.out_channels, edge));
    convolution.backward_weights(&x, &dy, &mut dw, Some(&mut db), &mut scratch);
}

fn convolve_everywhere(g: ConvGeometry) {
    let tiles = TileSize::ALL.map(Method::Winograd).into_iter().filter(|_| Winograd::allows(&g));
    let methods: Vec<Method> = std::iter::once(Method::Direct).chain(tiles).collect();
    for isa in cpu::supported().into_iter().chain([Isa::Emulated512]) {
        for edge in Edge::ALL {
            for &method in &methods {
                convolve(g, isa, method, edge);
            }
        }
    }
}

#[test]
fn convolutions_keep_to_their_slices() {
    in_a_process("convolutions_keep_to_their_slices", || {
        let mut dice = Dice::new(11);
        let mut left = cases(120);
        while left > 0 {
            let (batch, in_channels) = (dice.throw(1..=4), dice.throw(1..=20));
            let (out_channels, window) = (dice.throw(1..=40), dice.window());
            // One group, one a channel, or as many as both counts allow.
            let groups = [1, 1, in_channels, 2][dice.throw(0..=3)];
            let out_channels = out_channels.next_multiple_of(groups);
            let in_channels = in_channels.next_multiple_of(groups);
            let g = ConvGeometry { batch, in_channels, out_channels, groups, window };
            if g.multiply_adds() < 2_000_000 {
                convolve_everywhere(g);
                left -= 1;
            }
        }
    });
}

/// A chain of convolutions that is computed band by band, if it can be.
fn convolve_in_bands(chain: [ConvGeometry; 3], isa: Isa, edge: Edge) {
    let [wide, depthwise, narrow] = chain;
    let Some(banded) = Banded::with_isa(wide, depthwise, narrow, isa) else { return };
    eprintln!("{isa}, {edge:?}: {chain:?}");
    let packed = |g: ConvGeometry| {
        let convolution = Convolution::with_isa(g, isa);
        let mut packed = zeros(convolution.packed_weights_len().expect("banded ones are packed"), edge);
        convolution.pack_weights(&numbers(1, g.weights_len()), &mut packed);
        packed
    };
    let weights = [packed(wide), fenced(&numbers(2, depthwise.weights_len()), edge), packed(narrow)];
    let biases = chain.map(|g| fenced(&numbers(3, g.out_channels), edge));
    let residual = fenced(&numbers(4, narrow.output_len()), edge);
    let epilogue = |index: usize| {
        let residual = if index == 2 { Residual::Slice(&residual) } else { Residual::None };
        Epilogue { bias: Some(&biases[index]), residual, activation: Activation::Relu }
    };
    let filters = [0, 1, 2].map(|index| Filters { weights: &weights[index], epilogue: epilogue(index) });
    let mut scratch = zeros(banded.scratch(), edge);
    let input = fenced(&numbers(5, wide.input_len()), edge);
    banded.forward(&input, filters, &mut zeros(narrow.output_len(), edge), &mut scratch);
}

#[test]
fn bands_of_convolutions_keep_to_their_slices() {
    in_a_process("bands_of_convolutions_keep_to_their_slices", || {
        let mut dice = Dice::new(17);
        let mut left = cases(120);
        while left > 0 {
            let (batch, in_channels, channels) = (dice.throw(1..=3), dice.throw(1..=20), dice.throw(1..=40));
            let window = Window::image(dice.axis(20), dice.axis(13));
            let wide = ConvGeometry { batch, in_channels, out_channels: channels, groups: 1, window };
            let [_, height, width] = window.output();
            let (kernel, stride) = (dice.throw(1..=4), dice.throw(1..=3));
            let along = |size: usize| Axis::new(size, kernel, stride, 1, Padding::Same);
            let (Ok(height), Ok(width)) = (along(height), along(width)) else { continue };
            let window = Window::image(height, width);
            let (in_channels, out_channels) = (channels, dice.throw(1..=40));
            let depthwise =
                ConvGeometry { batch, in_channels, out_channels: channels, groups: channels, window };
            let rows = depthwise.output_len() / channels;
            let narrow = ConvGeometry::matrix(rows, in_channels, out_channels);
            for isa in cpu::supported().into_iter().chain([Isa::Emulated512]) {
                Edge::ALL
                    .into_iter()
                    .for_each(|edge| convolve_in_bands([wide, depthwise, narrow], isa, edge));
            }
            left -= 1;
        }
    });
}

#[test]
fn dense_layers_keep_to_their_slices() {
    in_a_process("dense_layers_keep_to_their_slices", || {
        let mut dice = Dice::new(12);
        for _ in 0..cases(120) {
            convolve_everywhere(ConvGeometry::matrix(
                dice.throw(1..=70),
                dice.throw(1..=80),
                dice.throw(1..=70),
            ));
        }
    });
}

/// The instruction set of what follows is one for the whole process.
static TURN: Mutex<()> = Mutex::new(());

fn on_every_isa(work: impl Fn(Isa, Edge)) {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for isa in cpu::supported() {
        cpu::force(isa).expect("it is supported");
        for edge in Edge::ALL {
            work(isa, edge);
        }
    }
}

#[test]
fn pools_keep_to_their_slices() {
    in_a_process("pools_keep_to_their_slices", || {
        on_every_isa(|isa, edge| {
            let mut dice = Dice::new(13);
            for _ in 0..cases(150) {
                let (batch, channels) = (dice.throw(1..=3), dice.throw(1..=70));
                let g = PoolGeometry { batch, channels, window: dice.window() };
                eprintln!("{isa}, {edge:?}: {g:?}");
                let (x, dy) =
                    (fenced(&numbers(5, g.input_len()), edge), fenced(&numbers(6, g.output_len()), edge));
                let (mut y, mut dx) = (zeros(g.output_len(), edge), zeros(g.input_len(), edge));
                if pool::argmax_fits(&g) {
                    let mut argmax = fenced(&vec![0_u8; g.output_len()], edge);
                    pool::max_forward(&g, &x, &mut y, Some(&mut argmax));
                    pool::max_backward(&g, &argmax, &dy, &mut dx);
                }
                if pool::rectified_argmax_fits(&g) {
                    let mut argmax = fenced(&vec![0_u8; g.output_len()], edge);
                    pool::max_forward_rectified(&g, &x, &mut y, &mut argmax);
                }
                pool::max_forward(&g, &x, &mut y, None);
                pool::max_backward_recompute(&g, &x, &dy, &mut dx);
                pool::average_forward(&g, &x, &mut y);
                pool::average_backward(&g, &dy, &mut dx);
            }
        });
    });
}

/// Both passes of batch normalisation, with all that it takes in.
fn batch_norm(x: &[f32], channels: usize, edge: Edge) {
    let of_channels = || zeros(channels, edge);
    let (mut mean, mut variance, mut inv_std) = (of_channels(), of_channels(), of_channels());
    let (mut dgamma, mut dbeta) = (of_channels(), of_channels());
    let (mut y, mut dz, mut dx) = (zeros(x.len(), edge), zeros(x.len(), edge), zeros(x.len(), edge));
    let mut scratch = zeros(norm::batch_norm_scratch(channels), edge);
    let clip = norm::Clip::of(Activation::Relu).expect("a rectifier");
    let (gamma, beta) = (None, None);
    for residual in [Residual::None, Residual::Slice(x), Residual::Output] {
        let from = norm::BatchNormForward { x, gamma, beta, residual, clip };
        let statistics = norm::Statistics { mean: &mut mean, variance: &mut variance, inv_std: &mut inv_std };
        norm::batch_norm_forward(from, 1e-3, &mut y, statistics, &mut scratch);
    }
    for dy in [Some(x), None] {
        let from = norm::BatchNormBackward { x, dy, gamma, beta, mean: &mean, inv_std: &inv_std, clip };
        let of_channels = [&mut dgamma[..], &mut dbeta[..]];
        norm::batch_norm_residual_backward(from, &y, [&mut dz, &mut dx], of_channels, &mut scratch);
        let of_channels = [&mut dgamma[..], &mut dbeta[..]];
        norm::batch_norm_backward(from, &mut dx, of_channels, Some(&mut dz), &mut scratch);
    }
}

#[test]
fn sums_bf16_and_optimizers_keep_to_their_slices() {
    in_a_process("sums_bf16_and_optimizers_keep_to_their_slices", || {
        on_every_isa(|isa, edge| {
            for (rows, columns) in [(1, 1), (3, 7), (16, 33), (300, 5), (5, 5000), (40_001, 1)] {
                eprintln!("{isa}, {edge:?}: {rows} × {columns}");
                let len = rows * columns;
                let (x, g) = (fenced(&numbers(7, len), edge), fenced(&numbers(8, len), edge));
                let mut y = zeros(len, edge);
                let mut halves = fenced(&vec![0_u16; len], edge);
                elementwise::narrow(&x, &mut halves);
                elementwise::widen(&halves, &mut y);
                elementwise::round_in_place(&mut y);
                elementwise::narrow_in_place(&mut y, &mut halves);
                let (mut mean, mut variance) = (zeros(columns, edge), zeros(columns, edge));
                reduce::sum(&x);
                reduce::sum_rows(rows, columns, &x, &mut mean);
                let mut scratch = zeros(reduce::mean_variance_scratch(columns), edge);
                reduce::mean_variance(rows, columns, &x, &mut mean, &mut variance, &mut scratch);
                batch_norm(&x, columns, edge);
                softmax::softmax(columns, &x, &mut y);
                softmax::softmax_gradient(columns, &x, &g, &mut y);
                let (mut m, mut v) = (zeros(len, edge), zeros(len, edge));
                let settings = Adam { learning_rate: 0.1, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 };
                adam(settings, 1, &mut y, &g, &mut m, &mut v);
                let mut largest = zeros(len, edge);
                optimizer::amsgrad(settings, 1, &mut y, &g, &mut m, &mut v, &mut largest);
                let settings = Lamb { learning_rate: 0.1, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 };
                optimizer::lamb(settings, 1, &mut y, &g, &mut m, &mut v);
                optimizer::average(&mut y, &mut m, 2.0);
                optimizer::accumulate(&mut m, &g);
                optimizer::mix(&mut v, &y, 0.9);
                optimizer::clip(&mut y, 0.5);
                optimizer::squares(&y);
            }
        });
    });
}
