//! Direct convolution kernels against their references, on every instruction set and on the emulated wide tiles; for
//! those by tiles see `kernels_winograd.rs`.

use convnet_conformance::problem::{Guarded, cases, image_convolution, numbers};
use convnet_conformance::{assert_close, convolution as reference, widen};
use convnet_kernels::conv::{Convolution, Epilogue, Residual};
use convnet_kernels::cpu::{Isa, supported};
use convnet_kernels::elementwise::Activation;
use convnet_kernels::geometry::{Axis, ConvGeometry, Padding, Window};
use convnet_kernels::par::Pool;
use convnet_kernels::winograd::{Method, TileSize, Winograd};
use proptest::prelude::*;

/// An activation and its reference.
type Function = (Activation, fn(f64) -> f64);

fn instruction_sets() -> Vec<Isa> {
    let mut all = supported();
    all.push(Isa::Emulated512);
    all
}

/// What a wrong sum would miss by far, and rounding of a long sum never reaches.
fn tolerance(terms: usize) -> f64 {
    2e-6 * (terms as f64).sqrt() + 2e-6
}

/// Results above it are cut.
const CEILING: f64 = 0.5;
const BOUNDED: Activation =
    Activation::Rectifier { negative_slope: 0.0, max_value: CEILING as f32, threshold: 0.0 };

/// Runs all three direct passes of `g` on every instruction set and compares them with the references.
fn check(g: ConvGeometry) {
    let (x, w, dy) = (numbers(1, g.input_len()), numbers(2, g.weights_len()), numbers(3, g.output_len()));
    let bias = numbers(4, g.out_channels);
    let (x64, w64, dy64, bias64) = (widen(&x), widen(&w), widen(&dy), widen(&bias));
    let y = reference::forward(&g, &x64, &w64, Some(&bias64));
    let relu: Vec<f64> = y.iter().map(|y| y.max(0.0)).collect();
    let dx = reference::backward_data(&g, &dy64, &w64);
    let dw = reference::backward_weights(&g, &x64, &dy64);
    let db = reference::backward_bias(&g, &dy64);
    let (x, w, dy, bias) =
        (Guarded::input(&x), Guarded::input(&w), Guarded::input(&dy), Guarded::input(&bias));
    for isa in instruction_sets() {
        let what = format!("{isa} {g:?}");
        let convolution = Convolution::with_isa(g, isa).with_method(Method::Direct);

        let mut out = Guarded::new(g.output_len());
        let mut scratch = Guarded::new(convolution.forward_scratch());
        let epilogue = Epilogue { bias: Some(bias.slice()), activation: Activation::Relu, ..Epilogue::NONE };
        convolution.forward(x.slice(), w.slice(), epilogue, out.slice_mut(), scratch.slice_mut());
        assert_close(
            &format!("forward {what}"),
            out.slice(),
            &relu,
            0.0,
            tolerance(g.weights_len() / g.out_channels),
        );
        let epilogue = Epilogue { activation: BOUNDED, ..epilogue };
        convolution.forward(x.slice(), w.slice(), epilogue, out.slice_mut(), scratch.slice_mut());
        let bounded: Vec<f64> = relu.iter().map(|y| y.min(CEILING)).collect();
        let close = tolerance(g.weights_len() / g.out_channels);
        assert_close(&format!("forward, bounded {what}"), out.slice(), &bounded, 0.0, close);
        out.assert_intact();
        scratch.assert_intact();

        for method in [Method::Direct, Method::Winograd(TileSize::Two), Method::Winograd(TileSize::Four)] {
            if method == Method::Direct || Winograd::allows(&g) {
                let convolution = convolution.clone().with_method(method);
                check_residual_and_packed(&convolution, x.slice(), w.slice(), &what);
            }
        }

        let mut out = Guarded::new(g.input_len());
        let mut scratch = Guarded::new(convolution.backward_data_scratch());
        convolution.backward_data(dy.slice(), w.slice(), out.slice_mut(), scratch.slice_mut());
        assert_close(
            &format!("backward data {what}"),
            out.slice(),
            &dx,
            0.0,
            tolerance(g.window.taps() * g.group_out_channels()),
        );
        out.assert_intact();
        scratch.assert_intact();

        let mut out = Guarded::new(g.weights_len());
        let mut bias_out = Guarded::new(g.out_channels);
        let mut scratch = Guarded::new(convolution.backward_weights_scratch());
        let bias_slice = Some(bias_out.slice_mut());
        convolution.backward_weights(x.slice(), dy.slice(), out.slice_mut(), bias_slice, scratch.slice_mut());
        let terms = tolerance(g.output_len() / g.out_channels);
        assert_close(&format!("backward weights {what}"), out.slice(), &dw, 0.0, terms);
        assert_close(&format!("bias gradient {what}"), bias_out.slice(), &db, 0.0, terms);
        out.assert_intact();
        bias_out.assert_intact();
        scratch.assert_intact();
    }
}

fn axis(largest: usize) -> impl Strategy<Value = Axis> {
    let padding = prop_oneof![
        Just(Padding::Valid),
        Just(Padding::Same),
        (0..4_usize, 0..4_usize).prop_map(|(before, after)| Padding::Explicit { before, after }),
    ];
    (1..=largest, 1..=5_usize, 1..=3_usize, 1..=3_usize, padding)
        .prop_filter_map("the window fits", |(input, kernel, stride, dilation, padding)| {
            Axis::new(input, kernel, stride, dilation, padding).ok()
        })
}

fn window() -> impl Strategy<Value = Window> {
    prop_oneof![
        axis(40).prop_map(|width| Window { axes: [Axis::UNIT, Axis::UNIT, width] }),
        (axis(13), axis(13)).prop_map(|(height, width)| Window::image(height, width)),
        (axis(5), axis(6), axis(6))
            .prop_map(|(depth, height, width)| Window { axes: [depth, height, width] }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(160), failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn all_passes_agree_with_the_references(
        batch in 1..=5_usize,
        in_channels in 1..=20_usize,
        out_channels in 1..=40_usize,
        window in window(),
    ) {
        let g = ConvGeometry { batch, in_channels, out_channels, groups: 1, window };
        prop_assume!(g.multiply_adds() < 2_000_000);
        check(g);
    }

    #[test]
    fn groups_agree_with_the_references(
        batch in 1..=3_usize,
        groups in 2..=40_usize,
        group_channels in 1..=6_usize,
        group_filters in 1..=6_usize,
        window in window(),
    ) {
        let (in_channels, out_channels) = (groups * group_channels, groups * group_filters);
        let g = ConvGeometry { batch, in_channels, out_channels, groups, window };
        prop_assume!(g.multiply_adds() < 500_000);
        check(g);
    }

    #[test]
    fn depthwise_convolutions_agree_with_the_references(
        batch in 1..=3_usize,
        channels in 1..=70_usize,
        multiplier in 1..=3_usize,
        window in window(),
    ) {
        let out_channels = channels * multiplier;
        let g = ConvGeometry { batch, in_channels: channels, out_channels, groups: channels, window };
        prop_assume!(g.multiply_adds() < 500_000);
        check(g);
    }

    #[test]
    fn dense_layers_agree_with_the_references(rows in 1..=70_usize, inner in 1..=80_usize, columns in 1..=70_usize) {
        check(ConvGeometry::matrix(rows, inner, columns));
    }
}

#[test]
fn every_width_of_the_last_panel_is_right() {
    for columns in 1..=40 {
        check(image_convolution(2, [3, columns], [6, 3, 1, 1], [5, 2, 1, 1], Padding::Same));
        check(image_convolution(2, [columns, 5], [6, 3, 1, 1], [5, 2, 1, 1], Padding::Valid));
    }
}

#[test]
fn the_layers_of_a_small_network_are_right() {
    check(image_convolution(4, [1, 32], [28, 3, 1, 1], [28, 3, 1, 1], Padding::Valid));
    check(image_convolution(5, [32, 64], [13, 3, 1, 1], [13, 3, 1, 1], Padding::Valid));
    check(image_convolution(33, [64, 128], [5, 3, 1, 1], [5, 3, 1, 1], Padding::Valid));
    check(ConvGeometry::matrix(64, 1152, 10));
    check(ConvGeometry::matrix(1, 576, 64));
}

#[test]
fn the_layers_of_a_residual_network_are_right() {
    check(image_convolution(
        1,
        [3, 16],
        [57, 7, 2, 1],
        [57, 7, 2, 1],
        Padding::Explicit { before: 3, after: 3 },
    ));
    check(image_convolution(2, [64, 32], [14, 3, 1, 1], [14, 3, 1, 1], Padding::Same));
    check(image_convolution(2, [64, 96], [14, 1, 2, 1], [14, 1, 2, 1], Padding::Valid));
    check(image_convolution(2, [32, 48], [9, 3, 2, 1], [9, 3, 2, 1], Padding::Same));
    check(image_convolution(1, [16, 16], [17, 3, 1, 4], [17, 3, 1, 4], Padding::Same));
}

/// A residual is added before the activation, wherever it lies, and packed weights give the same bits.
fn check_residual_and_packed(convolution: &Convolution, x: &[f32], w: &[f32], what: &str) {
    let g = convolution.geometry();
    if g.groups > 1 {
        return;
    }
    let residual = Guarded::input(&numbers(5, g.output_len()));
    let activation = BOUNDED;
    let mut scratch = vec![0.0; convolution.forward_scratch()];
    let mut plain = vec![0.0; g.output_len()];
    convolution.forward(x, w, Epilogue::NONE, &mut plain, &mut scratch);
    let expected: Vec<f64> =
        plain.iter().zip(residual.slice()).map(|(y, r)| f64::from(y + r).clamp(0.0, CEILING)).collect();
    let mut out = vec![f32::NAN; g.output_len()];
    let from_slice = Epilogue { residual: Residual::Slice(residual.slice()), activation, ..Epilogue::NONE };
    convolution.forward(x, w, from_slice, &mut out, &mut scratch);
    assert_close(&format!("residual {what}"), &out, &expected, 1e-6, 1e-5);
    let mut in_place = Guarded::new(g.output_len());
    in_place.slice_mut().copy_from_slice(residual.slice());
    let from_output = Epilogue { residual: Residual::Output, activation, ..Epilogue::NONE };
    convolution.forward(x, w, from_output, in_place.slice_mut(), &mut scratch);
    assert_close(&format!("residual in place {what}"), in_place.slice(), &expected, 1e-6, 1e-5);
    in_place.assert_intact();
    if let Some(len) = convolution.packed_weights_len() {
        let mut packed = Guarded::new(len);
        convolution.pack_weights(w, packed.slice_mut());
        packed.assert_intact();
        let mut again = Guarded::new(g.output_len());
        let mut scratch = Guarded::new(convolution.forward_packed_scratch());
        convolution.forward_packed(x, packed.slice(), from_slice, again.slice_mut(), scratch.slice_mut());
        assert!(again.slice() == out, "packed weights give other bits: {what}");
        again.assert_intact();
        scratch.assert_intact();
    }
}

#[test]
fn the_layers_of_separable_and_grouped_networks_are_right() {
    let depthwise = |batch: usize, channels: usize, axis: [usize; 4], padding: Padding| ConvGeometry {
        groups: channels,
        ..image_convolution(batch, [channels, channels], axis, axis, padding)
    };
    check(depthwise(2, 32, [16, 3, 1, 1], Padding::Same));
    check(depthwise(1, 96, [17, 3, 2, 1], Padding::Same));
    check(depthwise(2, 144, [9, 3, 2, 1], Padding::Explicit { before: 0, after: 1 }));
    check(depthwise(1, 240, [14, 5, 1, 1], Padding::Same));
    check(depthwise(2, 960, [7, 3, 1, 1], Padding::Same));
    check(depthwise(1, 33, [3, 7, 1, 1], Padding::Same));
    check(depthwise(3, 24, [10, 3, 1, 3], Padding::Valid));
    let grouped = image_convolution(2, [64, 64], [9, 3, 1, 1], [9, 3, 1, 1], Padding::Same);
    check(ConvGeometry { groups: 16, ..grouped });
    check(ConvGeometry { groups: 2, ..grouped });
    check(ConvGeometry { groups: 4, ..ConvGeometry::matrix(9, 24, 12) });
}

#[test]
fn activations_are_applied_after_the_bias() {
    let g = image_convolution(3, [4, 37], [7, 3, 1, 1], [7, 3, 1, 1], Padding::Same);
    let (x, w, bias) = (numbers(1, g.input_len()), numbers(2, g.weights_len()), numbers(3, g.out_channels));
    let sums = reference::forward(&g, &widen(&x), &widen(&w), Some(&widen(&bias)));
    let functions: [Function; 3] = [
        (Activation::Linear, |x| x),
        (Activation::Sigmoid, convnet_conformance::activation::sigmoid),
        (Activation::Tanh, convnet_conformance::activation::tanh),
    ];
    for isa in instruction_sets() {
        let convolution = Convolution::with_isa(g, isa).with_method(Method::Direct);
        let mut scratch = vec![0.0; convolution.forward_scratch()];
        for (activation, function) in functions {
            let mut out = vec![f32::NAN; g.output_len()];
            let epilogue = Epilogue { bias: Some(&bias), activation, ..Epilogue::NONE };
            convolution.forward(&x, &w, epilogue, &mut out, &mut scratch);
            let expected: Vec<f64> = sums.iter().map(|&x| function(x)).collect();
            assert_close(&format!("{isa} {activation}"), &out, &expected, 1e-5, 1e-5);
        }
    }
}

#[test]
fn results_have_the_same_bits_on_any_number_of_threads() {
    let cases = [
        image_convolution(16, [8, 32], [26, 3, 1, 1], [26, 3, 1, 1], Padding::Same),
        image_convolution(32, [32, 64], [13, 3, 1, 1], [13, 3, 1, 1], Padding::Valid),
        image_convolution(64, [64, 128], [5, 3, 1, 1], [5, 3, 1, 1], Padding::Valid),
        image_convolution(1, [64, 64], [28, 3, 2, 1], [28, 3, 2, 1], Padding::Same),
        ConvGeometry::matrix(64, 1152, 300),
        ConvGeometry {
            groups: 32,
            ..image_convolution(8, [128, 128], [14, 3, 1, 1], [14, 3, 1, 1], Padding::Same)
        },
        ConvGeometry {
            groups: 96,
            ..image_convolution(16, [96, 96], [28, 3, 2, 1], [28, 3, 2, 1], Padding::Same)
        },
        ConvGeometry {
            groups: 40,
            ..image_convolution(16, [40, 80], [28, 3, 1, 1], [28, 3, 1, 1], Padding::Same)
        },
    ];
    for g in cases {
        let (x, w, dy) = (numbers(1, g.input_len()), numbers(2, g.weights_len()), numbers(3, g.output_len()));
        let run = |threads: usize| {
            Pool::new(threads).unwrap().install(|| {
                let convolution = Convolution::new(g).with_method(Method::Direct);
                let lengths = [
                    convolution.forward_scratch(),
                    convolution.backward_data_scratch(),
                    convolution.backward_weights_scratch(),
                ];
                let mut scratch = vec![0.0; lengths.into_iter().max().unwrap()];
                let mut y = vec![0.0; g.output_len()];
                let mut dx = vec![0.0; g.input_len()];
                let mut dw = vec![0.0; g.weights_len()];
                let mut db = vec![0.0; g.out_channels];
                convolution.forward(&x, &w, Epilogue::NONE, &mut y, &mut scratch);
                convolution.backward_data(&dy, &w, &mut dx, &mut scratch);
                convolution.backward_weights(&x, &dy, &mut dw, Some(&mut db), &mut scratch);
                [y, dx, dw, db].map(|values| values.into_iter().map(f32::to_bits).collect::<Vec<_>>())
            })
        };
        let one = run(1);
        for threads in [2, 5] {
            assert!(run(threads) == one, "{threads} threads differ from one: {g:?}");
        }
    }
}

#[test]
fn a_slice_of_wrong_length_is_refused_with_a_clear_text() {
    let g = ConvGeometry::matrix(2, 3, 4);
    let result = std::panic::catch_unwind(|| {
        let convolution = Convolution::new(g);
        convolution.forward(&[0.0; 5], &[0.0; 12], Epilogue::NONE, &mut [0.0; 8], &mut [0.0; 1000]);
    });
    let message = *result.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("forward: the input"), "{message}");
}
