//! Normalisation of rows and groups, local response normalisation and resizing against their references, on every
//! instruction set.

use convnet_conformance::problem::{Guarded, numbers};
use convnet_conformance::{assert_close, norms, resize as resize_reference, widen};
use convnet_kernels::norm::{
    GroupNorm, GroupNormBackward, Response, RowNorm, RowNormBackward, RowStatistics, group_norm_backward,
    group_norm_forward, group_norm_scratch, response_norm_backward, response_norm_forward, row_norm_backward,
    row_norm_forward,
};
use convnet_kernels::resize::{Interpolation, Resize};
use convnet_kernels::{cpu, par};
use proptest::prelude::*;
use std::sync::Mutex;

/// The instruction set is one for the whole process, so tests that force it take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Runs `test` on every instruction set, alone and on two threads; all must give the same bits.
fn everywhere(test: impl Fn() -> Vec<f32> + Sync) {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let pool = par::Pool::new(2).expect("two threads can be started");
    let mut first: Option<Vec<u32>> = None;
    for isa in cpu::supported() {
        cpu::force(isa).expect("it is supported");
        for values in [test(), pool.install(&test)] {
            let bits: Vec<u32> = values.into_iter().map(f32::to_bits).collect();
            assert!(*first.get_or_insert_with(|| bits.clone()) == bits, "{isa} gives other bits");
        }
    }
}

/// The derivative of Σ y·dy along a direction, by central differences of the reference.
fn along(f: impl Fn(&[f64]) -> Vec<f64>, x: &[f64], dy: &[f32], direction: &[f32]) -> f64 {
    let moved = |h: f64| -> f64 {
        let x: Vec<f64> = x.iter().zip(direction).map(|(x, d)| x + h * f64::from(*d)).collect();
        f(&x).iter().zip(dy).map(|(y, dy)| y * f64::from(*dy)).sum()
    };
    (moved(1e-5) - moved(-1e-5)) / 2e-5
}

/// Holds a gradient to the derivative along a random direction.
fn assert_along(what: &str, gradient: &[f32], expected: f64, direction: &[f32]) {
    let products = || gradient.iter().zip(direction).map(|(g, d)| f64::from(*g) * f64::from(*d));
    let size: f64 = products().map(f64::abs).sum();
    let actual: f64 = products().sum();
    assert!((actual - expected).abs() <= 1e-5 * (1.0 + size), "{what}: {actual}, expected {expected}");
}

fn row_norm(norm: RowNorm, rows: usize, columns: usize) {
    let len = rows * columns;
    let (x, dy) = (numbers(1, len), numbers(2, len));
    let (gamma, beta, direction) = (numbers(3, columns), numbers(4, columns), numbers(5, len));
    let (x64, gamma64, beta64) = (widen(&x), widen(&gamma), widen(&beta));
    let expected = norms::rows(norm, &x64, &gamma64, &beta64);
    let by_x = along(|x| norms::rows(norm, x, &gamma64, &beta64), &x64, &dy, &direction);
    let by_gamma =
        along(|gamma| norms::rows(norm, &x64, gamma, &beta64), &gamma64, &dy, &direction[..columns]);
    let by_beta = along(|beta| norms::rows(norm, &x64, &gamma64, beta), &beta64, &dy, &direction[..columns]);
    everywhere(|| {
        let (mut y, mut dx) = (Guarded::new(len), Guarded::new(len));
        let (mut mean, mut inv) = (vec![f32::NAN; rows], vec![f32::NAN; rows]);
        let statistics = RowStatistics { mean: &mut mean, inv: &mut inv };
        row_norm_forward(norm, columns, &x, Some(&gamma), Some(&beta), y.slice_mut(), statistics);
        assert_close(&format!("{norm:?} {rows} {columns}"), y.slice(), &expected, 1e-5, 1e-5);
        let (mut dgamma, mut dbeta) = (Guarded::new(columns), Guarded::new(columns));
        let from = RowNormBackward { x: &x, dy: &dy, gamma: Some(&gamma), mean: &mean, inv: &inv };
        row_norm_backward(norm, from, dx.slice_mut(), Some([dgamma.slice_mut(), dbeta.slice_mut()]));
        assert_along(&format!("{norm:?} dx"), dx.slice(), by_x, &direction);
        assert_along(&format!("{norm:?} dgamma"), dgamma.slice(), by_gamma, &direction[..columns]);
        assert_along(&format!("{norm:?} dbeta"), dbeta.slice(), by_beta, &direction[..columns]);
        [&y, &dx, &dgamma, &dbeta].into_iter().for_each(Guarded::assert_intact);
        [y.slice(), dx.slice(), dgamma.slice(), dbeta.slice()].concat()
    });
}

fn group_norm(batch: usize, positions: usize, groups: usize, per_group: usize) {
    let channels = groups * per_group;
    let len = batch * positions * channels;
    let norm = GroupNorm { batch, channels, groups, epsilon: 1e-3 };
    let (x, dy) = (numbers(1, len), numbers(2, len));
    let (gamma, beta, direction) = (numbers(3, channels), numbers(4, channels), numbers(5, len));
    let (x64, gamma64, beta64) = (widen(&x), widen(&gamma), widen(&beta));
    let reference =
        |x: &[f64], gamma: &[f64]| norms::groups(batch, groups, f64::from(1e-3_f32), x, gamma, &beta64);
    let expected = reference(&x64, &gamma64);
    let by_x = along(|x| reference(x, &gamma64), &x64, &dy, &direction);
    let by_gamma = along(|gamma| reference(&x64, gamma), &gamma64, &dy, &direction[..channels]);
    everywhere(|| {
        let (mut y, mut dx) = (Guarded::new(len), Guarded::new(len));
        let mut scratch = vec![f32::NAN; group_norm_scratch(channels)];
        let (mut mean, mut inv_std) = (vec![f32::NAN; batch * groups], vec![f32::NAN; batch * groups]);
        let weights = [Some(&gamma[..]), Some(&beta[..])];
        group_norm_forward(norm, &x, weights, y.slice_mut(), [&mut mean, &mut inv_std], &mut scratch);
        assert_close(&format!("{norm:?}"), y.slice(), &expected, 1e-5, 1e-5);
        let (mut dgamma, mut dbeta) = (Guarded::new(channels), Guarded::new(channels));
        let from = GroupNormBackward { x: &x, dy: &dy, gamma: Some(&gamma), mean: &mean, inv_std: &inv_std };
        group_norm_backward(
            norm,
            from,
            dx.slice_mut(),
            [dgamma.slice_mut(), dbeta.slice_mut()],
            &mut scratch,
        );
        assert_along(&format!("{norm:?} dx"), dx.slice(), by_x, &direction);
        assert_along(&format!("{norm:?} dgamma"), dgamma.slice(), by_gamma, &direction[..channels]);
        [&y, &dx, &dgamma, &dbeta].into_iter().for_each(Guarded::assert_intact);
        [y.slice(), dx.slice(), dgamma.slice(), dbeta.slice()].concat()
    });
}

#[test]
fn rows_are_normalised_and_their_gradients_follow() {
    for norm in [
        RowNorm::Layer { epsilon: 1e-3 },
        RowNorm::Variance { epsilon: 1e-3 },
        RowNorm::RootMeanSquare { epsilon: 1e-6 },
        RowNorm::Unit { epsilon: 1e-12 },
    ] {
        for (rows, columns) in [(1, 2), (3, 5), (40, 33), (2, 3000), (700, 64)] {
            row_norm(norm, rows, columns);
        }
    }
}

#[test]
fn groups_are_normalised_and_their_gradients_follow() {
    for (batch, positions, groups, per_group) in
        [(1, 1, 2, 3), (2, 7, 3, 2), (3, 1, 4, 5), (2, 300, 32, 2), (2, 100, 5, 1)]
    {
        group_norm(batch, positions, groups, per_group);
    }
}

#[test]
fn a_row_far_from_zero_is_normalised_exactly() {
    let x: Vec<f32> = numbers(1, 4000).iter().map(|x| 1000.0 + x).collect();
    let norm = RowNorm::Layer { epsilon: 1e-3 };
    let expected = norms::rows(norm, &widen(&x), &[1.0; 2000], &[0.0; 2000]);
    everywhere(|| {
        let (mut y, mut mean, mut inv) = (vec![0.0; 4000], [0.0; 2], [0.0; 2]);
        let statistics = RowStatistics { mean: &mut mean, inv: &mut inv };
        row_norm_forward(norm, 2000, &x, None, None, &mut y, statistics);
        assert_close("y", &y, &expected, 0.0, 3e-4);
        y
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(12), ..ProptestConfig::default() })]

    #[test]
    fn responses_are_normalised_and_their_gradients_follow(
        rows in 1..=40_usize,
        channels in prop_oneof![1..=9_usize, Just(70), Just(200)],
        depth_radius in 0..=6_usize,
        beta in prop_oneof![Just(0.5_f32), Just(0.75), Just(1.3)],
    ) {
        let response = Response { depth_radius, bias: 1.0, alpha: 0.2, beta };
        let len = rows * channels;
        let (x, dy, direction) = (numbers(1, len), numbers(2, len), numbers(5, len));
        let expected = norms::response(response, channels, &widen(&x));
        let by_x = along(|x| norms::response(response, channels, x), &widen(&x), &dy, &direction);
        everywhere(|| {
            let (mut y, mut dx) = (Guarded::new(len), Guarded::new(len));
            response_norm_forward(response, channels, &x, y.slice_mut());
            assert_close("response", y.slice(), &expected, 2e-6, 1e-6);
            response_norm_backward(response, channels, &x, &dy, dx.slice_mut(), &mut vec![f32::NAN; len]);
            assert_along("response dx", dx.slice(), by_x, &direction);
            [&y, &dx].into_iter().for_each(Guarded::assert_intact);
            [y.slice(), dx.slice()].concat()
        });
    }

    #[test]
    fn images_change_their_size_and_gradients_come_back(
        batch in 1..=2_usize,
        input in (1..=9_usize, 1..=9_usize),
        output in (1..=20_usize, 1..=20_usize),
        channels in prop_oneof![1..=5_usize, Just(40)],
    ) {
        let (input, output) = ([input.0, input.1], [output.0, output.1]);
        for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
            let resize = Resize::new(input, output, channels, interpolation);
            let x = numbers(1, batch * input[0] * input[1] * channels);
            let dy = numbers(2, batch * output[0] * output[1] * channels);
            let reference = |x: &[f64]| resize_reference::resize(x, [input[0], input[1], channels], output, interpolation);
            let expected = reference(&widen(&x));
            let direction = numbers(3, x.len());
            // The map is linear, so its gradient along a direction is the map of the direction.
            let moved = reference(&widen(&direction));
            let by_x: f64 = moved.iter().zip(&dy).map(|(y, dy)| y * f64::from(*dy)).sum();
            everywhere(|| {
                let (mut y, mut dx) = (Guarded::new(dy.len()), Guarded::new(x.len()));
                resize.forward(&x, y.slice_mut());
                assert_close(&format!("{resize:?}"), y.slice(), &expected, 1e-5, 1e-5);
                resize.backward(&dy, dx.slice_mut());
                assert_along("resize dx", dx.slice(), by_x, &direction);
                [&y, &dx].into_iter().for_each(Guarded::assert_intact);
                [y.slice(), dx.slice()].concat()
            });
        }
    }
}
