//! Pooling kernels against their references, on every instruction set.

use convnet_conformance::problem::{Guarded, cases, numbers};
use convnet_conformance::{adaptive, assert_close, pooling as reference, widen};
use convnet_kernels::cpu;
use convnet_kernels::geometry::{Axis, Padding, PoolGeometry, Window};
use convnet_kernels::pool::{
    AdaptiveGeometry, adaptive_average_backward, adaptive_average_forward, adaptive_max_backward,
    adaptive_max_forward, argmax_fits, average_backward, average_forward, max_backward,
    max_backward_recompute, max_forward,
};
use proptest::prelude::*;
use std::sync::Mutex;

/// The instruction set is one for the whole process, so tests that force it take turns.
static TURN: Mutex<()> = Mutex::new(());

fn check(g: PoolGeometry) {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // Few different values, so that there are ties.
    let x: Vec<f32> = numbers(5, g.input_len()).iter().map(|x| (x * 4.0).round()).collect();
    let dy = numbers(6, g.output_len());
    let (x64, dy64) = (widen(&x), widen(&dy));
    let (maxima, _) = reference::max_forward(&g, &x64);
    let max_gradient = reference::max_backward(&g, &x64, &dy64);
    let means = reference::average_forward(&g, &x64);
    let mean_gradient = reference::average_backward(&g, &dy64);
    let input = Guarded::input(&x);
    for isa in cpu::supported() {
        cpu::force(isa).expect("it is supported");
        let what = format!("{isa} {g:?}");
        let mut y = Guarded::new(g.output_len());
        let mut dx = Guarded::new(g.input_len());
        if argmax_fits(&g) {
            let mut argmax = vec![0; g.output_len()];
            max_forward(&g, input.slice(), y.slice_mut(), Some(&mut argmax));
            max_backward(&g, &argmax, &dy, dx.slice_mut());
            assert_close(&format!("max {what}"), y.slice(), &maxima, 0.0, 0.0);
            assert_close(&format!("max gradient {what}"), dx.slice(), &max_gradient, 1e-5, 1e-5);
        }
        max_forward(&g, input.slice(), y.slice_mut(), None);
        assert_close(&format!("max without argmax {what}"), y.slice(), &maxima, 0.0, 0.0);
        max_backward_recompute(&g, &x, &dy, dx.slice_mut());
        assert_close(&format!("max gradient recomputed {what}"), dx.slice(), &max_gradient, 1e-5, 1e-5);
        average_forward(&g, input.slice(), y.slice_mut());
        average_backward(&g, &dy, dx.slice_mut());
        assert_close(&format!("mean {what}"), y.slice(), &means, 1e-5, 1e-5);
        assert_close(&format!("mean gradient {what}"), dx.slice(), &mean_gradient, 1e-5, 1e-5);
        y.assert_intact();
        dx.assert_intact();
    }
}

fn axis(largest: usize) -> impl Strategy<Value = Axis> {
    let padding = prop_oneof![
        Just(Padding::Valid),
        Just(Padding::Same),
        (0..4_usize, 0..4_usize).prop_map(|(before, after)| Padding::Explicit { before, after }),
    ];
    (1..=largest, 1..=4_usize, 1..=4_usize, 1..=2_usize, padding)
        .prop_filter_map("the window fits", |(input, kernel, stride, dilation, padding)| {
            Axis::new(input, kernel, stride, dilation, padding).ok()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(200), failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(8), ..ProptestConfig::default() })]

    #[test]
    fn pools_agree_with_the_references(
        batch in 1..=3_usize,
        channels in 1..=70_usize,
        depth in axis(4),
        height in axis(8),
        width in axis(8),
        dimensions in 1..=3_usize,
    ) {
        let axes = match dimensions {
            1 => [Axis::UNIT, Axis::UNIT, width],
            2 => [Axis::UNIT, height, width],
            _ => [depth, height, width],
        };
        check(PoolGeometry { batch, channels, window: Window { axes } });
    }
}

fn check_adaptive(g: AdaptiveGeometry) {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let x: Vec<f32> = numbers(5, g.input_len()).iter().map(|x| (x * 4.0).round()).collect();
    let dy = numbers(6, g.output_len());
    let (x64, dy64) = (widen(&x), widen(&dy));
    for isa in cpu::supported() {
        cpu::force(isa).expect("it is supported");
        let what = format!("{isa} {g:?}");
        let (mut y, mut dx) = (Guarded::new(g.output_len()), Guarded::new(g.input_len()));
        adaptive_max_forward(&g, &x, y.slice_mut());
        adaptive_max_backward(&g, &x, &dy, dx.slice_mut());
        assert_close(&format!("max {what}"), y.slice(), &adaptive::max(&g, &x64), 0.0, 0.0);
        let expected = adaptive::max_backward(&g, &x64, &dy64);
        assert_close(&format!("max gradient {what}"), dx.slice(), &expected, 1e-5, 1e-5);
        adaptive_average_forward(&g, &x, y.slice_mut());
        adaptive_average_backward(&g, &dy, dx.slice_mut());
        assert_close(&format!("mean {what}"), y.slice(), &adaptive::average(&g, &x64), 1e-5, 1e-5);
        let expected = adaptive::average_backward(&g, &dy64);
        assert_close(&format!("mean gradient {what}"), dx.slice(), &expected, 1e-5, 1e-5);
        y.assert_intact();
        dx.assert_intact();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(11), ..ProptestConfig::default() })]

    #[test]
    fn adaptive_pools_agree_with_the_references(
        batch in 1..=2_usize,
        channels in 1..=70_usize,
        axes in prop::array::uniform3((1..=6_usize, 1..=7_usize)),
        dimensions in 1..=3_usize,
    ) {
        let size = |axis: usize| if axis + dimensions >= 3 { axes[axis] } else { (1, 1) };
        let sizes = [size(0), size(1), size(2)];
        check_adaptive(AdaptiveGeometry { batch, channels, input: sizes.map(|s| s.0), output: sizes.map(|s| s.1) });
    }
}

#[test]
fn images_that_are_cut_into_bands_are_right() {
    let axis = |input, kernel, stride, padding| Axis::new(input, kernel, stride, 1, padding).unwrap();
    let around = Padding::Explicit { before: 1, after: 1 };
    for (kernel, stride, padding) in
        [(3, 2, around), (3, 2, Padding::Same), (2, 2, Padding::Valid), (5, 1, around)]
    {
        let (height, width) = (axis(67, kernel, stride, padding), axis(40, kernel, stride, padding));
        check(PoolGeometry { batch: 2, channels: 35, window: Window::image(height, width) });
        let length = axis(3001, kernel, stride, padding);
        check(PoolGeometry {
            batch: 1,
            channels: 33,
            window: Window { axes: [Axis::UNIT, Axis::UNIT, length] },
        });
    }
}

#[test]
fn two_by_two_and_global_windows_are_right() {
    let square = |input, kernel, stride| {
        let axis = Axis::new(input, kernel, stride, 1, Padding::Valid).unwrap();
        Window::image(axis, axis)
    };
    for channels in [1, 31, 32, 64, 100] {
        check(PoolGeometry { batch: 3, channels, window: square(11, 2, 2) });
        check(PoolGeometry { batch: 2, channels, window: square(7, 7, 1) });
        check(PoolGeometry { batch: 2, channels, window: square(20, 17, 1) });
    }
}
