//! Three convolutions band by band against the same one after the other, whose kernels are held to their references elsewhere, and
//! against the references themselves.

use convnet_conformance::problem::{Guarded, cases, image_convolution, numbers};
use convnet_conformance::{assert_close, convolution as reference, widen};
use convnet_kernels::conv::{Banded, Convolution, Epilogue, Filters, Residual};
use convnet_kernels::cpu::{Isa, supported};
use convnet_kernels::elementwise::Activation;
use convnet_kernels::geometry::{Axis, ConvGeometry, Padding, Window};
use convnet_kernels::par::Pool;
use convnet_kernels::winograd::Method;
use proptest::prelude::*;

const RELU6: Activation = Activation::Rectifier { negative_slope: 0.0, max_value: 6.0, threshold: 0.0 };

/// Geometries of the three, by those of the first two.
fn chain(wide: ConvGeometry, window: Window, filters: usize) -> [ConvGeometry; 3] {
    let channels = wide.out_channels;
    let depthwise = ConvGeometry {
        batch: wide.batch,
        in_channels: channels,
        out_channels: channels,
        groups: channels,
        window,
    };
    let [depth, height, width] = window.output();
    let flat = |size: usize| Axis::new(size, 1, 1, 1, Padding::Valid).expect("one tap fits");
    let window = Window { axes: [depth, height, width].map(flat) };
    let narrow =
        ConvGeometry { batch: wide.batch, in_channels: channels, out_channels: filters, groups: 1, window };
    [wide, depthwise, narrow]
}

/// Weights, biases, input and residual.
struct Problem {
    chain: [ConvGeometry; 3],
    input: Vec<f32>,
    weights: [Vec<f32>; 3],
    biases: [Vec<f32>; 3],
    residual: Option<Vec<f32>>,
    activations: [Activation; 3],
}

impl Problem {
    fn new(chain: [ConvGeometry; 3], residual: bool, activations: [Activation; 3]) -> Self {
        let of = |index: u64, g: &ConvGeometry| {
            (numbers(index, g.weights_len()), numbers(index + 3, g.out_channels))
        };
        let [(a, d), (b, e), (c, f)] = [of(1, &chain[0]), of(2, &chain[1]), of(3, &chain[2])];
        Self {
            chain,
            input: numbers(7, chain[0].input_len()),
            weights: [a, b, c],
            biases: [d, e, f],
            residual: residual.then(|| numbers(8, chain[2].output_len())),
            activations,
        }
    }

    fn epilogue(&self, index: usize) -> Epilogue<'_> {
        let residual = match &self.residual {
            Some(values) if index == 2 => Residual::Slice(values),
            _ => Residual::None,
        };
        Epilogue { bias: Some(&self.biases[index]), residual, activation: self.activations[index] }
    }

    /// One after the other.
    fn apart(&self, isa: Isa) -> Vec<f32> {
        let mut x = self.input.clone();
        for index in 0..3 {
            let convolution = Convolution::with_isa(self.chain[index], isa).with_method(Method::Direct);
            let mut y = vec![f32::NAN; self.chain[index].output_len()];
            let mut scratch = vec![f32::NAN; convolution.forward_scratch()];
            convolution.forward(&x, &self.weights[index], self.epilogue(index), &mut y, &mut scratch);
            x = y;
        }
        x
    }

    /// Band by band; `None` if that is not done.
    fn together(&self, isa: Isa) -> Option<Vec<f32>> {
        let [wide, depthwise, narrow] = self.chain;
        let banded = Banded::with_isa(wide, depthwise, narrow, isa)?;
        let pack = |index: usize| {
            let convolution = Convolution::with_isa(self.chain[index], isa);
            let mut packed =
                vec![f32::NAN; convolution.packed_weights_len().expect("a banded one is packed")];
            convolution.pack_weights(&self.weights[index], &mut packed);
            Guarded::input(&packed)
        };
        let weights = [pack(0), Guarded::input(&self.weights[1]), pack(2)];
        let mut index = 0;
        let filters = [(); 3].map(|()| {
            index += 1;
            Filters { weights: weights[index - 1].slice(), epilogue: self.epilogue(index - 1) }
        });
        let mut output = Guarded::new(narrow.output_len());
        let mut scratch = Guarded::new(banded.scratch());
        let input = Guarded::input(&self.input);
        banded.forward(input.slice(), filters, output.slice_mut(), scratch.slice_mut());
        output.assert_intact();
        scratch.assert_intact();
        Some(output.slice().to_vec())
    }

    /// By definition, for a chain whose activations are rectifiers.
    fn defined(&self) -> Vec<f64> {
        let mut x = widen(&self.input);
        for index in 0..3 {
            let (weights, bias) = (widen(&self.weights[index]), widen(&self.biases[index]));
            x = reference::forward(&self.chain[index], &x, &weights, Some(&bias));
            if let Some(residual) = self.residual.as_ref().filter(|_| index == 2) {
                x.iter_mut().zip(residual).for_each(|(x, r)| *x += f64::from(*r));
            }
            match self.activations[index] {
                Activation::Linear => (),
                Activation::Relu => x.iter_mut().for_each(|x| *x = x.max(0.0)),
                _ => x.iter_mut().for_each(|x| *x = x.clamp(0.0, 6.0)),
            }
        }
        x
    }
}

fn check(problem: &Problem) -> bool {
    let mut done = false;
    for isa in supported().into_iter().chain([Isa::Emulated512]) {
        let Some(together) = problem.together(isa) else { continue };
        done = true;
        assert!(
            together == problem.apart(isa),
            "{isa}: other bits than one after the other: {:?}",
            problem.chain
        );
        assert_close(&format!("{isa} {:?}", problem.chain), &together, &problem.defined(), 1e-4, 1e-4);
    }
    done
}

fn axis(largest: usize) -> impl Strategy<Value = Axis> {
    let padding = prop_oneof![
        Just(Padding::Valid),
        Just(Padding::Same),
        (0..3_usize, 0..3_usize).prop_map(|(before, after)| Padding::Explicit { before, after }),
    ];
    (1..=largest, 1..=5_usize, 1..=3_usize, 1..=2_usize, padding)
        .prop_filter_map("the window fits", |(input, kernel, stride, dilation, padding)| {
            Axis::new(input, kernel, stride, dilation, padding).ok()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(300), failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(9), ..ProptestConfig::default() })]

    #[test]
    fn random_chains_give_the_bits_of_one_after_the_other(
        batch in 1..=3_usize,
        channels in (1..=20_usize, 1..=70_usize, 1..=40_usize),
        first in (axis(60), axis(16)),
        kernel in (1..=5_usize, 1..=3_usize, 1..=2_usize),
        same in any::<bool>(),
        residual in any::<bool>(),
    ) {
        let (inner, wide_channels, filters) = channels;
        let window = Window::image(first.0, first.1);
        let wide = ConvGeometry { batch, in_channels: inner, out_channels: wide_channels, groups: 1, window };
        let [_, height, width] = window.output();
        let padding = if same { Padding::Same } else { Padding::Valid };
        let along = |size: usize| Axis::new(size, kernel.0, kernel.1, kernel.2, padding).ok();
        let (Some(height), Some(width)) = (along(height), along(width)) else { return Ok(()) };
        let chain = chain(wide, Window::image(height, width), filters);
        prop_assume!(chain.iter().map(ConvGeometry::multiply_adds).sum::<u64>() < 3_000_000);
        check(&Problem::new(chain, residual, [Activation::Relu, RELU6, Activation::Linear]));
    }
}

/// A block of MobileNetV2: pixels, channels of both ends, strides.
fn block(pixels: usize, channels: [usize; 2], stride: usize, batch: usize) -> [ConvGeometry; 3] {
    let wide = 6 * channels[0];
    let first =
        image_convolution(batch, [channels[0], wide], [pixels, 1, 1, 1], [pixels, 1, 1, 1], Padding::Same);
    let along = Axis::new(pixels, 3, stride, 1, Padding::Same).expect("it fits");
    chain(first, Window::image(along, along), channels[1])
}

#[test]
fn the_wide_layers_of_mobile_networks_are_right() {
    let relu6 = [RELU6, RELU6, Activation::Linear];
    assert!(check(&Problem::new(block(56, [16, 24], 2, 1), false, relu6)));
    assert!(check(&Problem::new(block(57, [24, 24], 1, 2), true, relu6)));
    // Activations that are no part of the micro-kernels.
    let problem =
        Problem::new(block(20, [16, 24], 1, 1), true, [Activation::Silu, Activation::Silu, Activation::Tanh]);
    for isa in supported() {
        assert!(problem.together(isa).expect("it can be done") == problem.apart(isa), "{isa}");
    }
}

#[test]
fn what_is_no_such_chain_is_refused() {
    let [wide, depthwise, narrow] = block(12, [16, 24], 1, 1);
    assert!(Banded::new(wide, depthwise, narrow).is_some());
    assert!(Banded::new(wide, ConvGeometry { groups: 1, ..depthwise }, narrow).is_none());
    assert!(Banded::new(wide, depthwise, ConvGeometry { in_channels: 32, ..narrow }).is_none());
    let tiles = image_convolution(1, [96, 96], [12, 3, 1, 1], [12, 3, 1, 1], Padding::Same);
    assert!(Banded::new(wide, depthwise, tiles).is_none());
}

#[test]
fn bands_have_the_same_bits_on_any_number_of_threads() {
    let problem = Problem::new(block(112, [16, 24], 2, 1), false, [RELU6, RELU6, Activation::Linear]);
    let run = |threads: usize| {
        let pool = Pool::new(threads).unwrap();
        pool.install(|| problem.together(convnet_kernels::cpu::isa()).expect("it can be done"))
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        assert!(run(threads) == one, "{threads} threads differ from one");
    }
}
