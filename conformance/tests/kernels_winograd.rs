//! Winograd's convolutions against the references of all convolutions, on every instruction set and tile size.

use convnet_conformance::problem::{Guarded, image_convolution, numbers};
use convnet_conformance::{assert_close, convolution as reference, widen};
use convnet_kernels::conv::{Convolution, Epilogue};
use convnet_kernels::cpu::{Isa, supported};
use convnet_kernels::elementwise::Activation;
use convnet_kernels::geometry::{Axis, ConvGeometry, Padding, Window};
use convnet_kernels::par::Pool;
use convnet_kernels::random::Philox;
use convnet_kernels::winograd::{Method, Pass, TileSize, Winograd};
use proptest::prelude::*;

fn instruction_sets() -> Vec<Isa> {
    let mut all = supported();
    all.push(Isa::Emulated512);
    all
}

/// What a wrong sum would miss by far: some times the largest error that is met with so many terms.
fn tolerance(size: TileSize, terms: usize) -> f64 {
    let share = match size {
        TileSize::Two => 4e-6,
        TileSize::Four => 1.2e-5,
        TileSize::Six => 6e-5,
    };
    share * ((terms as f64).sqrt() + 1.0)
}

/// A problem and its reference results.
struct Problem {
    g: ConvGeometry,
    x: Vec<f32>,
    w: Vec<f32>,
    dy: Vec<f32>,
    bias: Vec<f32>,
    relu: Vec<f64>,
    dx: Vec<f64>,
    dw: Vec<f64>,
}

impl Problem {
    fn new(g: ConvGeometry) -> Self {
        let (x, w, dy) = (numbers(1, g.input_len()), numbers(2, g.weights_len()), numbers(3, g.output_len()));
        let bias = numbers(4, g.out_channels);
        let (x64, w64, dy64) = (widen(&x), widen(&w), widen(&dy));
        let y = reference::forward(&g, &x64, &w64, Some(&widen(&bias)));
        Self {
            relu: y.iter().map(|y| y.max(0.0)).collect(),
            dx: reference::backward_data(&g, &dy64, &w64),
            dw: reference::backward_weights(&g, &x64, &dy64),
            g,
            x,
            w,
            dy,
            bias,
        }
    }

    fn forward(&self, winograd: &Winograd, what: &str) {
        let g = &self.g;
        let (x, w, bias) = (Guarded::input(&self.x), Guarded::input(&self.w), Guarded::input(&self.bias));
        let mut out = Guarded::new(g.output_len());
        let mut scratch = Guarded::new(winograd.forward_scratch());
        let epilogue = Epilogue { bias: Some(bias.slice()), activation: Activation::Relu, ..Epilogue::NONE };
        winograd.forward(x.slice(), w.slice(), epilogue, out.slice_mut(), scratch.slice_mut());
        let close = tolerance(winograd.size(), 9 * g.in_channels);
        assert_close(&format!("forward {what}"), out.slice(), &self.relu, 0.0, close);
        out.assert_intact();
        scratch.assert_intact();

        let mut packed = Guarded::new(winograd.packed_weights_len());
        winograd.pack_weights(w.slice(), packed.slice_mut());
        packed.assert_intact();
        let mut again = Guarded::new(g.output_len());
        let mut scratch = Guarded::new(winograd.forward_packed_scratch());
        winograd.forward_packed(x.slice(), packed.slice(), epilogue, again.slice_mut(), scratch.slice_mut());
        again.assert_intact();
        scratch.assert_intact();
        assert!(out.slice() == again.slice(), "packed weights give other results: {what}");
    }

    fn backward_data(&self, winograd: &Winograd, what: &str) {
        let g = &self.g;
        let (w, dy) = (Guarded::input(&self.w), Guarded::input(&self.dy));
        let mut out = Guarded::new(g.input_len());
        let mut scratch = Guarded::new(winograd.backward_data_scratch());
        winograd.backward_data(dy.slice(), w.slice(), out.slice_mut(), scratch.slice_mut());
        let close = tolerance(winograd.size(), 9 * g.out_channels);
        assert_close(&format!("backward data {what}"), out.slice(), &self.dx, 0.0, close);
        out.assert_intact();
        scratch.assert_intact();
    }

    fn backward_weights(&self, winograd: &Winograd, what: &str) {
        let g = &self.g;
        let (x, dy) = (Guarded::input(&self.x), Guarded::input(&self.dy));
        let mut out = Guarded::new(g.weights_len());
        let mut scratch = Guarded::new(winograd.backward_weights_scratch());
        winograd.backward_weights(x.slice(), dy.slice(), out.slice_mut(), scratch.slice_mut());
        let close = tolerance(winograd.size(), g.output_len() / g.out_channels);
        assert_close(&format!("backward weights {what}"), out.slice(), &self.dw, 0.0, close);
        out.assert_intact();
        scratch.assert_intact();
    }
}

/// Runs all passes of `g` on every instruction set and tile size and compares them with the references.
fn check(g: ConvGeometry) {
    let problem = Problem::new(g);
    for isa in instruction_sets() {
        for size in TileSize::ALL {
            let what = format!("{isa} {size:?} {g:?}");
            let winograd = Winograd::new(g, isa, size);
            problem.forward(&winograd, &what);
            problem.backward_data(&winograd, &what);
            problem.backward_weights(&winograd, &what);
        }
    }
}

fn axis() -> impl Strategy<Value = Axis> {
    let padding = prop_oneof![
        Just(Padding::Valid),
        Just(Padding::Same),
        (0..5_usize, 0..5_usize).prop_map(|(before, after)| Padding::Explicit { before, after }),
    ];
    (1..=20_usize, padding)
        .prop_filter_map("the window fits", |(input, padding)| Axis::new(input, 3, 1, 1, padding).ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn all_passes_agree_with_the_references(
        batch in 1..=6_usize,
        in_channels in 1..=40_usize,
        out_channels in 1..=70_usize,
        height in axis(),
        width in axis(),
    ) {
        let g = ConvGeometry { batch, in_channels, out_channels, groups: 1, window: Window::image(height, width) };
        prop_assume!(g.multiply_adds() < 3_000_000);
        check(g);
    }
}

#[test]
fn every_width_of_the_last_panel_and_vector_is_right() {
    for channels in 1..=40 {
        check(image_convolution(2, [3, channels], [6, 3, 1, 1], [5, 3, 1, 1], Padding::Same));
        check(image_convolution(1, [channels, 5], [6, 3, 1, 1], [9, 3, 1, 1], Padding::Valid));
    }
}

#[test]
fn the_layers_of_real_networks_are_right() {
    check(image_convolution(1, [64, 48], [40, 3, 1, 1], [56, 3, 1, 1], Padding::Same));
    check(image_convolution(2, [128, 96], [14, 3, 1, 1], [14, 3, 1, 1], Padding::Same));
    check(image_convolution(1, [130, 140], [7, 3, 1, 1], [7, 3, 1, 1], Padding::Same));
    check(image_convolution(30, [32, 64], [13, 3, 1, 1], [13, 3, 1, 1], Padding::Valid));
    check(image_convolution(33, [64, 128], [5, 3, 1, 1], [5, 3, 1, 1], Padding::Valid));
}

#[test]
fn activations_are_applied_after_the_bias() {
    let g = image_convolution(3, [4, 37], [7, 3, 1, 1], [7, 3, 1, 1], Padding::Same);
    let (x, w, bias) = (numbers(1, g.input_len()), numbers(2, g.weights_len()), numbers(3, g.out_channels));
    let sums = reference::forward(&g, &widen(&x), &widen(&w), Some(&widen(&bias)));
    let expected: Vec<f64> = sums.iter().map(|&x| convnet_conformance::activation::tanh(x)).collect();
    for isa in instruction_sets() {
        for size in TileSize::ALL {
            let winograd = Winograd::new(g, isa, size);
            let mut scratch = vec![0.0; winograd.forward_scratch()];
            let mut out = vec![f32::NAN; g.output_len()];
            let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Tanh, ..Epilogue::NONE };
            winograd.forward(&x, &w, epilogue, &mut out, &mut scratch);
            assert_close(&format!("{isa} {size:?}"), &out, &expected, 0.0, tolerance(size, 36));
        }
    }
}

#[test]
fn results_have_the_same_bits_on_any_number_of_threads() {
    let cases = [
        image_convolution(16, [8, 32], [26, 3, 1, 1], [26, 3, 1, 1], Padding::Same),
        image_convolution(32, [32, 64], [13, 3, 1, 1], [13, 3, 1, 1], Padding::Valid),
        image_convolution(64, [64, 128], [5, 3, 1, 1], [5, 3, 1, 1], Padding::Valid),
        image_convolution(1, [256, 256], [7, 3, 1, 1], [7, 3, 1, 1], Padding::Same),
        image_convolution(1, [64, 64], [56, 3, 1, 1], [56, 3, 1, 1], Padding::Same),
    ];
    for g in cases {
        let (x, w, dy) = (numbers(1, g.input_len()), numbers(2, g.weights_len()), numbers(3, g.output_len()));
        for size in TileSize::ALL {
            let run = |threads: usize| {
                Pool::new(threads).unwrap().install(|| {
                    let winograd = Winograd::new(g, convnet_kernels::cpu::isa(), size);
                    let lengths = [
                        winograd.forward_scratch(),
                        winograd.backward_data_scratch(),
                        winograd.backward_weights_scratch(),
                    ];
                    let mut scratch = vec![f32::NAN; lengths.into_iter().max().unwrap()];
                    let mut y = vec![0.0; g.output_len()];
                    let mut dx = vec![0.0; g.input_len()];
                    let mut dw = vec![0.0; g.weights_len()];
                    winograd.forward(&x, &w, Epilogue::NONE, &mut y, &mut scratch);
                    winograd.backward_data(&dy, &w, &mut dx, &mut scratch);
                    winograd.backward_weights(&x, &dy, &mut dw, &mut scratch);
                    [y, dx, dw].map(|values| values.into_iter().map(f32::to_bits).collect::<Vec<_>>())
                })
            };
            let one = run(1);
            for threads in [2, 5] {
                assert!(run(threads) == one, "{threads} threads differ from one: {size:?} {g:?}");
            }
        }
    }
}

/// Largest and root mean square error of results, as shares of the root mean square of the expected ones.
fn errors(results: &[f32], expected: &[f64]) -> [f64; 2] {
    let mean_square = |values: &mut dyn Iterator<Item = f64>| {
        values.map(|value| value * value).sum::<f64>() / expected.len() as f64
    };
    let scale = mean_square(&mut expected.iter().copied()).sqrt();
    let differences = || results.iter().zip(expected).map(|(&result, expected)| f64::from(result) - expected);
    let largest = differences().fold(0.0_f64, |largest, difference| largest.max(difference.abs()));
    [largest / scale, mean_square(&mut differences()).sqrt() / scale]
}

/// Runs a pass of a convolution and gives its result.
fn result(convolution: &Convolution, pass: Pass, [a, b]: [&[f32]; 2]) -> Vec<f32> {
    let g = convolution.geometry();
    let scratch = |len: usize| vec![0.0; len];
    match pass {
        Pass::Forward | Pass::ForwardPacked => {
            let mut out = vec![0.0; g.output_len()];
            convolution.forward(a, b, Epilogue::NONE, &mut out, &mut scratch(convolution.forward_scratch()));
            out
        }
        Pass::BackwardData => {
            let mut out = vec![0.0; g.input_len()];
            convolution.backward_data(a, b, &mut out, &mut scratch(convolution.backward_data_scratch()));
            out
        }
        Pass::BackwardWeights => {
            let mut out = vec![0.0; g.weights_len()];
            let mut scratch = scratch(convolution.backward_weights_scratch());
            convolution.backward_weights(a, b, &mut out, None, &mut scratch);
            out
        }
    }
}

/// The figures of `TileSize::largest_error`; `--nocapture` shows what is measured.
#[test]
fn errors_stay_below_the_stated_bounds() {
    let normal = |seed: u64, len: usize| {
        let mut values = vec![0.0; len];
        Philox::new(seed, 0).fill_normal(0.0, 1.0, &mut values);
        values
    };
    println!("{:>8} {:>5} {:<16} {:<14} {:>9} {:>9}", "channels", "size", "pass", "method", "largest", "RMS");
    let layer =
        |channels, size| image_convolution(1, channels, [size, 3, 1, 1], [size, 3, 1, 1], Padding::Same);
    let cases = [
        (Pass::Forward, 64, layer([64, 24], 24)),
        (Pass::Forward, 128, layer([128, 24], 24)),
        (Pass::Forward, 512, layer([512, 24], 24)),
        (Pass::BackwardData, 64, layer([24, 64], 24)),
        (Pass::BackwardData, 512, layer([24, 512], 24)),
        (Pass::BackwardWeights, 0, layer([64, 48], 24)),
        (Pass::BackwardWeights, 0, layer([16, 24], 240)),
    ];
    for (pass, channels, g) in cases {
        let (x, w, dy) = (normal(1, g.input_len()), normal(2, g.weights_len()), normal(3, g.output_len()));
        let inputs: [&[f32]; 2] = match pass {
            Pass::Forward | Pass::ForwardPacked => [&x, &w],
            Pass::BackwardData => [&dy, &w],
            Pass::BackwardWeights => [&x, &dy],
        };
        let [a, b] = inputs.map(widen);
        let expected = match pass {
            Pass::Forward | Pass::ForwardPacked => reference::forward(&g, &a, &b, None),
            Pass::BackwardData => reference::backward_data(&g, &a, &b),
            Pass::BackwardWeights => reference::backward_weights(&g, &a, &b),
        };
        for method in std::iter::once(Method::Direct).chain(TileSize::ALL.map(Method::Winograd)) {
            let bound = match method {
                Method::Direct => TileSize::Two.largest_error(channels) * 2.0,
                Method::Winograd(size) => size.largest_error(channels),
            };
            let out = result(&Convolution::new(g).with_method(method), pass, inputs);
            let [largest, rms] = errors(&out, &expected);
            let (size, pass) = (g.window.axes[1].input, format!("{pass:?}"));
            println!("{channels:>8} {size:>5} {pass:<16} {method:<14} {largest:>9.1e} {rms:>9.1e}");
            assert!(largest < bound, "{channels} {pass} {method}: {largest} is not below {bound}");
            assert!(rms < bound / 5.0, "{channels} {pass} {method}: {rms} is not below {bound} / 5");
        }
    }
}

#[test]
fn a_convolution_with_a_method_computes_by_it() {
    let g = image_convolution(2, [16, 24], [13, 3, 1, 1], [9, 3, 1, 1], Padding::Same);
    let (x, w) = (numbers(1, g.input_len()), numbers(2, g.weights_len()));
    let isa = convnet_kernels::cpu::isa();
    for size in TileSize::ALL {
        let winograd = Winograd::new(g, isa, size);
        let convolution = Convolution::new(g).with_method(Method::Winograd(size));
        let (mut a, mut b) = (vec![0.0; g.output_len()], vec![0.0; g.output_len()]);
        winograd.forward(&x, &w, Epilogue::NONE, &mut a, &mut vec![0.0; winograd.forward_scratch()]);
        convolution.forward(&x, &w, Epilogue::NONE, &mut b, &mut vec![0.0; convolution.forward_scratch()]);
        assert!(a == b, "{size:?}");
    }
    // Where tiles are not allowed, a forced size means direct.
    let g = image_convolution(2, [16, 24], [13, 3, 2, 1], [9, 3, 1, 1], Padding::Same);
    let mut out = [vec![0.0; g.output_len()], vec![0.0; g.output_len()]];
    for (out, method) in out.iter_mut().zip([Method::Winograd(TileSize::Four), Method::Direct]) {
        let convolution = Convolution::new(g).with_method(method);
        convolution.forward(&x, &w, Epilogue::NONE, out, &mut vec![0.0; convolution.forward_scratch()]);
    }
    assert!(out[0] == out[1]);
}
