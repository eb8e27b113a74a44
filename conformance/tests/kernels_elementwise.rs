//! Elementwise kernels, reductions, batch normalisation and image conversion against plain arithmetic, on every
//! instruction set.

use convnet_conformance::problem::{Guarded, numbers};
use convnet_conformance::{
    activation, assert_close, batch_norm, borders, broadcast, numeric_gradient, widen,
};
use convnet_kernels::conv::Residual;
use convnet_kernels::elementwise::{self, Activation, BinaryFunction, Border, Borders, Broadcast};
use convnet_kernels::reduce::Reduction;
use convnet_kernels::{cpu, images, norm, reduce};
use proptest::prelude::*;
use std::sync::Mutex;

/// Lengths around the sizes of vectors, blocks and pieces.
const LENGTHS: [usize; 9] = [1, 3, 8, 31, 32, 33, 100, 16_384, 40_001];

/// The instruction set is one for the whole process, so tests that force it take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Runs `test` on every instruction set; `bits` of all of them must agree, because these kernels promise it.
fn on_every_isa(test: impl Fn() -> Vec<f32>) {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut first: Option<Vec<u32>> = None;
    for isa in cpu::supported() {
        cpu::force(isa).expect("it is supported");
        let bits: Vec<u32> = test().into_iter().map(f32::to_bits).collect();
        match &first {
            None => first = Some(bits),
            Some(first) => assert!(*first == bits, "{isa} gives other bits than plain Rust"),
        }
    }
}

fn scaled(seed: u64, len: usize, scale: f32) -> Vec<f32> {
    numbers(seed, len).into_iter().map(|x| x * scale).collect()
}

#[test]
fn activations_are_right_over_their_range() {
    for activation in activation::examples() {
        for len in LENGTHS {
            on_every_isa(|| {
                let mut x = scaled(1, len, 12.0);
                x[0] = 0.0;
                if activation::is_for_positive(activation) {
                    x.iter_mut().for_each(|x| *x = x.abs() + 1e-3);
                }
                let expected: Vec<f64> =
                    x.iter().map(|&x| activation::value(activation, f64::from(x))).collect();
                let mut y = vec![f32::NAN; len];
                elementwise::activate(activation, &x, &mut y);
                // What comes out of a difference is as exact as its parts.
                assert_close(&format!("{activation:?}"), &y, &expected, 1e-6, 6e-7);
                elementwise::activate_in_place(activation, &mut x);
                assert_eq!(x, y, "{activation} in place differs");
                y
            });
        }
    }
}

#[test]
fn smooth_functions_keep_their_digits_near_zero_and_far_below() {
    let x: Vec<f32> =
        (0..400).map(|i| -15.0 + 0.07 * i as f32).chain([1e-3, -1e-3, 1e-6, -1e-6, 1e-30]).collect();
    for (activation, digits) in [
        (Activation::Tanh, 1e-6),
        (Activation::Sigmoid, 1e-6),
        (Activation::Softplus, 1e-6),
        (Activation::LogSigmoid, 1e-6),
        (Activation::elu(1.0), 1e-6),
        (Activation::Silu, 1e-6),
        (Activation::Mish, 1e-6),
        (Activation::Softsign, 1e-6),
    ] {
        let expected: Vec<f64> = x.iter().map(|&x| activation::value(activation, f64::from(x))).collect();
        let mut y = x.clone();
        elementwise::activate_in_place(activation, &mut y);
        assert_close(activation.name(), &y, &expected, digits, 1e-37);
    }
}

#[test]
fn every_activation_passes_nan_and_its_gradient_too() {
    for activation in activation::examples() {
        // Powers of these are not numbers either; where x is cut to a constant, a NaN is not above the threshold.
        let mut y = [f32::NAN; 40];
        elementwise::activate_in_place(activation, &mut y);
        assert!(y.iter().all(|y| y.is_nan()), "{activation:?} loses a NaN");
        let mut dy = [f32::NAN; 40];
        elementwise::activation_gradient_in_place(activation, &[0.7; 40], &mut dy);
        let zero = activation::value(activation, 0.7 + 1e-3) == activation::value(activation, 0.7);
        assert!(zero || dy.iter().all(|dy| dy.is_nan()), "the gradient of {activation:?} loses a NaN");
    }
}

#[test]
fn the_logarithm_is_right_over_the_whole_range() {
    for exponent in -149..128 {
        for step in 0..300 {
            let x = ((1.0 + f64::from(step) / 300.0) * 2.0_f64.powi(exponent)) as f32;
            let expected = f64::from(x).ln();
            let actual = f64::from(elementwise::math::ln(x));
            assert!(
                (actual - expected).abs() <= 2.5e-7 * expected.abs(),
                "ln {x} = {actual}, expected {expected}"
            );
        }
    }
    assert_eq!(elementwise::math::ln(0.0), f32::NEG_INFINITY);
    assert_eq!(elementwise::math::ln(f32::INFINITY), f32::INFINITY);
    assert!(elementwise::math::ln(-1.0).is_nan() && elementwise::math::ln(f32::NAN).is_nan());
}

#[test]
fn activations_keep_to_their_limits() {
    let x = [f32::NEG_INFINITY, -200.0, -88.0, -1e-30, 1e-30, 88.0, 200.0, f32::INFINITY];
    let expect = |name, expected: [f64; 8]| {
        let mut y = [0.0; 8];
        elementwise::activate(name, &x, &mut y);
        assert_close("limits", &y, &expected, 1e-6, 1e-37);
    };
    expect(Activation::Tanh, [-1.0, -1.0, -1.0, -1e-30, 1e-30, 1.0, 1.0, 1.0]);
    expect(Activation::Sigmoid, [0.0, 0.0, (-88.0_f64).exp(), 0.5, 0.5, 1.0, 1.0, 1.0]);
    expect(Activation::Relu, [0.0, 0.0, 0.0, 0.0, 1e-30, 88.0, 200.0, f64::INFINITY]);
}

#[test]
fn the_exponential_is_right_over_the_whole_range() {
    for step in 0..200_000 {
        let x = -87.3 + step as f32 * (176.0 / 200_000.0);
        let expected = f64::from(x).exp();
        let actual = f64::from(elementwise::math::exp(x));
        assert!((actual - expected).abs() <= 2.5e-7 * expected, "e^{x} = {actual}, expected {expected}");
    }
    assert_eq!(elementwise::math::exp(-1e9), 0.0);
    assert_eq!(elementwise::math::exp(f32::NEG_INFINITY), 0.0);
    assert_eq!(elementwise::math::exp(1e9), f32::INFINITY);
    assert!(elementwise::math::exp(f32::NAN).is_nan());
    assert_eq!(elementwise::math::exp(0.0), 1.0);
}

#[test]
fn gradients_of_activations_are_those_of_the_functions() {
    for activation in activation::examples() {
        let function = |x: f64| activation::value(activation, x);
        on_every_isa(|| {
            let (mut x, dy) = (scaled(1, 200, 4.0), numbers(2, 200));
            if activation::is_for_positive(activation) {
                x.iter_mut().for_each(|x| *x = x.abs() + 0.1);
            }
            let slope = |x: f32| numeric_gradient(|x| function(x[0]), &[f64::from(x)], 1e-6)[0];
            let expected: Vec<f64> = x.iter().zip(&dy).map(|(&x, &dy)| slope(x) * f64::from(dy)).collect();
            let seen: Vec<f32> = match activation.gradient_from_output() {
                true => x.iter().map(|&x| function(f64::from(x)) as f32).collect(),
                false => x,
            };
            let mut dx = vec![f32::NAN; 200];
            elementwise::activation_gradient(activation, &seen, &dy, &mut dx);
            assert_close(&format!("{activation:?}"), &dx, &expected, 1e-4, 1e-6);
            let mut in_place = dy;
            elementwise::activation_gradient_in_place(activation, &seen, &mut in_place);
            assert_eq!(in_place, dx, "{activation} in place differs");
            dx
        });
    }
}

#[test]
fn sums_products_and_affine_maps_are_right() {
    for len in LENGTHS {
        on_every_isa(|| {
            let (a, b, c) = (numbers(1, len), numbers(2, len), numbers(3, len));
            let mut out = vec![f32::NAN; len];
            elementwise::add(&a, &b, &mut out);
            assert!((0..len).all(|i| out[i] == a[i] + b[i]));
            elementwise::add_assign(&mut out, &c);
            assert!((0..len).all(|i| out[i] == a[i] + b[i] + c[i]));
            let mut total = vec![f32::NAN; len];
            elementwise::sum(&[&a, &b, &c], &mut total);
            assert_eq!(out, total);
            elementwise::sum(&[&a], &mut total);
            assert_eq!(a, total);
            elementwise::multiply(&a, &b, &mut out);
            assert!((0..len).all(|i| out[i] == a[i] * b[i]));
            elementwise::scale_shift(&a, 2.5, -0.5, &mut out);
            assert!((0..len).all(|i| out[i] == a[i] * 2.5 - 0.5));
            out
        });
    }
}

#[test]
fn maps_per_channel_are_right() {
    for (rows, channels) in [(1, 1), (7, 3), (100, 33), (700, 64)] {
        on_every_isa(|| {
            let (x, scale, shift) = (numbers(1, rows * channels), numbers(2, channels), numbers(3, channels));
            let affine = |i: usize| x[i] * scale[i % channels] + shift[i % channels];
            let mut y = vec![f32::NAN; x.len()];
            elementwise::affine_channels(&x, &scale, &shift, Activation::Relu, &mut y);
            assert!((0..x.len()).all(|i| y[i] == affine(i).max(0.0)));
            let mut z = x.clone();
            elementwise::affine_channels_in_place(&mut z, &scale, &shift, Activation::Relu);
            assert_eq!(y, z);
            let mut z = x.clone();
            elementwise::add_bias(&mut z, &shift);
            assert!((0..x.len()).all(|i| z[i] == x[i] + shift[i % channels]));
            y
        });
    }
}

#[test]
fn a_block_of_columns_is_copied_and_the_rest_kept() {
    let source: Vec<f32> = (0..5 * 7).map(|i| i as f32).collect();
    let mut target = vec![-1.0; 5 * 9];
    elementwise::copy_block(5, &source, 7, 2, &mut target, 9, 4, 3);
    for row in 0..5 {
        for column in 0..9 {
            let expected = if (4..7).contains(&column) { (row * 7 + column - 2) as f32 } else { -1.0 };
            assert_eq!(target[row * 9 + column], expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(9), ..ProptestConfig::default() })]

    #[test]
    fn borders_are_added_and_taken_off(
        batch in 1..=3_usize,
        axes in prop::array::uniform3((1..=9_usize, 0..=3_usize, 0..=3_usize)),
    ) {
        let border: [(usize, usize); 4] = [(0, 0), (axes[0].1, axes[0].2), (axes[1].1, axes[1].2), (axes[2].1, axes[2].2)];
        let inner = [batch, axes[0].0, axes[1].0, axes[2].0];
        let borders = Borders::new(&axes.map(|(size, before, after)| Border { size, before, after }));
        let x = numbers(1, inner.iter().product());
        let expected = borders::pad(&widen(&x), inner, border, 7.0);
        let mut y = Guarded::new(expected.len());
        elementwise::pad(&borders, 7.0, &x, y.slice_mut());
        assert_close("pad", y.slice(), &expected, 0.0, 0.0);
        y.assert_intact();
        let mut z = Guarded::new(x.len());
        elementwise::crop(&borders, y.slice(), z.slice_mut());
        prop_assert_eq!(z.slice(), &x[..]);
        z.assert_intact();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(10), ..ProptestConfig::default() })]

    #[test]
    fn functions_of_two_repeat_the_axes_of_either(
        axes in prop::collection::vec((1..=5_usize, 0..=3_usize), 0..=3),
        inner in prop_oneof![Just(1_usize), Just(3), Just(40), Just(300)],
    ) {
        let mut dims: Vec<(usize, usize)> = axes;
        dims.push((inner, dims.len() % 4));
        let side = |repeated: usize| -> Vec<usize> {
            dims.iter().map(|&(size, which)| if which == repeated { 1 } else { size }).collect()
        };
        let (a_dims, b_dims) = (side(1), side(2));
        let a = numbers(1, a_dims.iter().product());
        let b = numbers(2, b_dims.iter().product());
        let broadcast = Broadcast::new(&a_dims, &b_dims);
        for function in BinaryFunction::ALL {
            let f = |a: f64, b: f64| match function {
                BinaryFunction::Add => a + b,
                BinaryFunction::Subtract => a - b,
                BinaryFunction::Multiply => a * b,
                BinaryFunction::Divide => a / b,
                BinaryFunction::Maximum => a.max(b),
                BinaryFunction::Minimum => a.min(b),
                BinaryFunction::Equal => f64::from(a == b),
                BinaryFunction::Greater => f64::from(a > b),
                BinaryFunction::Power => a.powf(b),
                BinaryFunction::Remainder => a % b,
                BinaryFunction::Modulo => a - b * (a / b).floor(),
            };
            let expected = broadcast::binary(f, (&a_dims, &widen(&a)), (&b_dims, &widen(&b)));
            on_every_isa(|| {
                let mut y = Guarded::new(expected.len());
                elementwise::binary(function, &broadcast, &a, &b, y.slice_mut());
                assert_close(function.name(), y.slice(), &expected, 2e-7, 0.0);
                y.assert_intact();
                if a.len() == expected.len() {
                    let mut z = a.clone();
                    elementwise::binary_in_place(function, &broadcast, &b, &mut z);
                    // By bits, because the power of a negative number is none.
                    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
                    assert_eq!(bits(&z), bits(y.slice()), "in place differs");
                }
                y.slice().to_vec()
            });
        }
        let expected = broadcast::binary(|a, _| a, (&a_dims, &widen(&a)), (&b_dims, &widen(&b)));
        let mut y = Guarded::new(expected.len());
        elementwise::expand(&broadcast, &a, y.slice_mut());
        assert_close("expand", y.slice(), &expected, 0.0, 0.0);
        y.assert_intact();
    }

    #[test]
    fn reductions_along_an_axis_are_right(
        outer in 1..=5_usize,
        length in prop_oneof![1..=9_usize, Just(100), Just(1500)],
        inner in prop_oneof![Just(1_usize), Just(5), Just(300)],
        poisoned in any::<bool>(),
    ) {
        let mut x = numbers(3, outer * length * inner);
        if poisoned {
            x[length * inner / 2] = f32::NAN;
        }
        let dims = [1, outer, length, inner];
        let folds: [(Reduction, fn(&[f64]) -> f64); 4] = [
            (Reduction::Product, |x| x.iter().product()),
            (Reduction::Sum, |x| x.iter().sum()),
            (Reduction::Max, |x| x.iter().copied().reduce(|a, b| if a > b || a.is_nan() { a } else { b }).unwrap()),
            (Reduction::Min, |x| x.iter().copied().reduce(|a, b| if a < b || a.is_nan() { a } else { b }).unwrap()),
        ];
        for (reduction, fold) in folds {
            let expected = broadcast::reduce(fold, &widen(&x), dims, [false, false, true, false]);
            on_every_isa(|| {
                let mut y = Guarded::new(outer * inner);
                reduce::reduce_axis(reduction, [outer, length, inner], &x, y.slice_mut());
                assert_close(&format!("{reduction:?}"), y.slice(), &expected, 1e-6, 1e-5);
                y.assert_intact();
                // The bits of a NaN are of no consequence.
                y.slice().iter().map(|&y| if y.is_nan() { 0.0 } else { y }).collect()
            });
        }
    }
}

#[test]
fn sums_over_rows_and_of_all_are_right() {
    for (rows, columns) in [(1, 1), (3, 5), (64, 10), (1000, 32), (515, 33), (70, 300), (4000, 3)] {
        on_every_isa(|| {
            let x = numbers(1, rows * columns);
            let mut expected = vec![0.0; columns];
            x.iter().enumerate().for_each(|(i, &x)| expected[i % columns] += f64::from(x));
            let mut out = vec![f32::NAN; columns];
            reduce::sum_rows(rows, columns, &x, &mut out);
            assert_close("sum_rows", &out, &expected, 1e-6, 1e-5);
            out.push(reduce::sum(&x));
            assert_close("sum", &out[columns..], &[expected.iter().sum()], 1e-6, 1e-5);
            out
        });
    }
    assert_eq!(reduce::sum(&[]), 0.0);
}

#[test]
fn moments_of_values_far_from_zero_stay_exact() {
    let (rows, columns) = (5000, 3);
    on_every_isa(|| {
        let x: Vec<f32> = numbers(1, rows * columns).iter().map(|x| 1000.0 + x).collect();
        let (mut mean, mut variance) = ([0.0; 3], [0.0; 3]);
        let mut scratch = vec![f32::NAN; reduce::mean_variance_scratch(columns)];
        reduce::mean_variance(rows, columns, &x, &mut mean, &mut variance, &mut scratch);
        let expected = batch_norm::forward(&widen(&x), &[1.0; 3], &[0.0; 3], 0.0);
        assert_close("mean", &mean, &expected.mean, 2e-7, 0.0);
        assert_close("variance", &variance, &expected.variance, 1e-4, 0.0);
        mean.into_iter().chain(variance).collect()
    });
}

#[test]
fn batch_norm_and_its_gradient_agree_with_the_reference() {
    let ceiling = Activation::Rectifier { negative_slope: 0.0, max_value: 0.7, threshold: 0.0 };
    for (rows, channels) in [(2, 1), (9, 3), (40, 70), (35, 300), (1100, 4)] {
        for activation in [Activation::Linear, Activation::Relu, ceiling] {
            for residual in [false, true] {
                on_every_isa(|| check_batch_norm(rows, channels, activation, residual));
            }
        }
    }
}

/// Both passes of batch normalisation, gradients in place and beside it; returns all results.
fn check_batch_norm(rows: usize, channels: usize, activation: Activation, residual: bool) -> Vec<f32> {
    const EPSILON: f64 = 1e-3;
    let len = rows * channels;
    let clip = norm::Clip::of(activation).expect("a rectifier");
    let (x, dy, other) = (numbers(1, len), numbers(2, len), numbers(5, len));
    let (gamma, beta) = (numbers(3, channels), numbers(4, channels));
    let [x64, dy64, gamma64, beta64, other64] = [&x, &dy, &gamma, &beta, &other].map(|values| widen(values));
    let reference = |x: &[f64], gamma: &[f64], beta: &[f64], other: &[f64]| -> Vec<f64> {
        let z = batch_norm::forward(x, gamma, beta, EPSILON).y;
        let z = z.iter().zip(other).map(|(z, other)| if residual { z + other } else { *z });
        z.map(|z| activation::value(activation, z)).collect()
    };
    let mut scratch = vec![f32::NAN; norm::batch_norm_scratch(channels)];
    let [mut mean, mut variance, mut inv_std] = [(); 3].map(|()| vec![f32::NAN; channels]);
    let statistics = norm::Statistics { mean: &mut mean, variance: &mut variance, inv_std: &mut inv_std };
    let slice = if residual { Residual::Slice(&other) } else { Residual::None };
    let (gamma_, beta_) = (Some(&gamma[..]), Some(&beta[..]));
    let from = norm::BatchNormForward { x: &x, gamma: gamma_, beta: beta_, residual: slice, clip };
    let mut y = vec![f32::NAN; len];
    norm::batch_norm_forward(from, EPSILON as f32, &mut y, statistics, &mut scratch);
    let statistics = batch_norm::forward(&x64, &gamma64, &beta64, EPSILON);
    assert_close("y", &y, &reference(&x64, &gamma64, &beta64, &other64), 1e-5, 4e-6);
    assert_close("mean", &mean, &statistics.mean, 1e-5, 1e-6);
    assert_close("variance", &variance, &statistics.variance, 1e-5, 1e-6);
    if residual {
        let mut in_place = other.clone();
        let from = norm::BatchNormForward { residual: Residual::Output, ..from };
        norm::batch_norm_apply(from, &mean, &inv_std, &mut in_place, &mut scratch);
        assert!(y == in_place, "y in the residual's place");
    }

    let mut results = Vec::new();
    for in_place in [false, true] {
        let (mean, inv_std) = (&mean, &inv_std);
        let dy_ = (!in_place).then_some(&dy[..]);
        let from =
            norm::BatchNormBackward { x: &x, dy: dy_, gamma: gamma_, beta: beta_, mean, inv_std, clip };
        let mut first = if in_place { dy.clone() } else { vec![f32::NAN; len] };
        let (mut dx, mut again) = (vec![f32::NAN; len], vec![f32::NAN; len]);
        let (mut dgamma, mut dbeta) = (vec![f32::NAN; channels], vec![f32::NAN; channels]);
        let of_channels = [&mut dgamma[..], &mut dbeta[..]];
        if residual {
            norm::batch_norm_residual_backward(from, &y, [&mut first, &mut dx], of_channels, &mut scratch);
        } else {
            norm::batch_norm_backward(from, &mut first, of_channels, Some(&mut again), &mut scratch);
            assert!(y == again, "y once more");
            dx.clone_from(&first);
        }
        let all = [&y, &first, &dx, &dgamma, &dbeta].map(|values| values.to_vec()).concat();
        if in_place {
            assert!(results == all, "the gradient in place");
            continue;
        }
        results = all;
        let loss = |x: &[f64], gamma: &[f64], beta: &[f64], other: &[f64]| -> f64 {
            reference(x, gamma, beta, other).iter().zip(&dy64).map(|(y, dy)| y * dy).sum()
        };
        if len < 100 {
            let wanted = numeric_gradient(|x| loss(x, &gamma64, &beta64, &other64), &x64, 1e-6);
            assert_close("dx", &dx, &wanted, 1e-3, 1e-4);
            if residual {
                let wanted = numeric_gradient(|other| loss(&x64, &gamma64, &beta64, other), &other64, 1e-6);
                assert_close("gradient of the other branch", &first, &wanted, 1e-3, 1e-4);
            }
        }
        if channels < 100 {
            let wanted = numeric_gradient(|gamma| loss(&x64, gamma, &beta64, &other64), &gamma64, 1e-7);
            assert_close("dgamma", &dgamma, &wanted, 1e-4, 1e-4);
            let wanted = numeric_gradient(|beta| loss(&x64, &gamma64, beta, &other64), &beta64, 1e-7);
            assert_close("dbeta", &dbeta, &wanted, 1e-4, 1e-4);
        }
    }
    results
}

#[test]
fn frozen_batch_norm_is_the_same_map() {
    let (mean, variance) = ([0.5, -1.0], [4.0, 0.25]);
    let (mut scale, mut shift) = ([0.0; 2], [0.0; 2]);
    norm::frozen_affine(Some(&[2.0, 3.0]), Some(&[1.0, -1.0]), &mean, &variance, 0.0, &mut scale, &mut shift);
    assert_eq!((scale, shift), ([1.0, 6.0], [0.5, 5.0]));
    let mut moving = [1.0, 2.0];
    norm::moving_average(&mut moving, &[3.0, 4.0], 0.75);
    assert_eq!(moving, [1.5, 2.5]);
}

#[test]
fn bytes_become_scaled_numbers() {
    on_every_isa(|| {
        let source: Vec<u8> = (0..=255).chain(0..77).collect();
        let mut out = vec![f32::NAN; source.len()];
        images::u8_to_f32(&source, 1.0 / 255.0, &mut out);
        assert!(source.iter().zip(&out).all(|(&source, &out)| out == f32::from(source) * (1.0 / 255.0)));
        out
    });
}
