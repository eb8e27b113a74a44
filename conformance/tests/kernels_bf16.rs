//! Numbers of 16 bits against a search for the nearest one, and what multiplies them against its references, on every instruction set.

use convnet_conformance::problem::{Guarded, cases as usual, numbers};
use convnet_conformance::{assert_close, convolution, widen as wide};
use convnet_kernels::conv::{Convolution, Epilogue, PairConvolution, Residual};
use convnet_kernels::cpu::{self, Isa};
use convnet_kernels::elementwise::{
    Activation, from_bf16, narrow, narrow_in_place, round_in_place, to_bf16, widen,
};
use convnet_kernels::geometry::{Axis, ConvGeometry, Padding, Window};
use convnet_kernels::par::Pool;
use proptest::prelude::*;
use std::sync::Mutex;

/// The instruction set is one for the whole process, so tests that force it take turns.
static TURN: Mutex<()> = Mutex::new(());

/// What a number of 16 bits is, from its sign, exponent and fraction; the one after the largest is 2¹²⁸.
fn value(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 7 & 0xFF), f64::from(bits & 0x7F) / 128.0);
    let size = match exponent {
        0 => fraction * 2.0_f64.powi(-126),
        _ => (1.0 + fraction) * 2.0_f64.powi(exponent - 127),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// The nearest of the two numbers around `x`, and of two equally near the one whose last bit is 0.
fn nearest(x: f32) -> u16 {
    if x.is_infinite() {
        return if x > 0.0 { 0x7F80 } else { 0xFF80 };
    }
    let below = (x.to_bits() >> 16) as u16;
    let (near, far) =
        ((value(below) - f64::from(x)).abs(), (value(below.wrapping_add(1)) - f64::from(x)).abs());
    match near.partial_cmp(&far) {
        Some(std::cmp::Ordering::Less) => below,
        Some(std::cmp::Ordering::Greater) => below + 1,
        _ => below + (below & 1),
    }
}

/// Each number of 16 bits with endings around those where rounding changes: all signs, exponents, subnormal numbers, infinities.
fn cases() -> impl Iterator<Item = f32> {
    let endings = [0, 1, 0x4321, 0x7FFF, 0x8000, 0x8001, 0xFFFF];
    (0..=u32::from(u16::MAX)).flat_map(move |upper| endings.map(|lower| f32::from_bits(upper << 16 | lower)))
}

#[test]
fn rounding_goes_to_the_nearest_and_of_two_to_the_even() {
    for x in cases().filter(|x| !x.is_nan()) {
        assert_eq!(to_bf16(x), nearest(x), "{x:e} ({:#010x})", x.to_bits());
    }
    assert_eq!(from_bf16(to_bf16(1.0 + 2.0_f32.powi(-8))), 1.0);
    assert_eq!(from_bf16(to_bf16(f32::MAX)), f32::INFINITY);
    assert_eq!(from_bf16(to_bf16(-0.0)).to_bits(), (-0.0_f32).to_bits());
}

#[test]
fn not_a_number_stays_so_with_its_sign() {
    for x in cases().filter(|x| x.is_nan()) {
        let back = from_bf16(to_bf16(x));
        assert!(back.is_nan() && back.is_sign_negative() == x.is_sign_negative(), "{:#010x}", x.to_bits());
    }
}

#[test]
fn what_has_16_bits_is_kept_exactly() {
    let all: Vec<u16> = (0..=u16::MAX).filter(|&bits| !from_bf16(bits).is_nan()).collect();
    let (mut floats, mut back) = (vec![0.0; all.len()], vec![0; all.len()]);
    widen(&all, &mut floats);
    narrow(&floats, &mut back);
    assert!(all == back);
    assert!(all.iter().zip(&floats).all(|(&bits, &x)| x.is_infinite() || value(bits) == f64::from(x)));
}

#[test]
fn every_instruction_set_and_form_gives_the_same_bits_on_any_number_of_threads() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let special: Vec<f32> = cases().step_by(97).collect();
    for len in [0, 1, 7, 15, 16, 33, 1000, 40_001] {
        let x: Vec<f32> = special.iter().copied().chain(numbers(3, len)).take(len).collect();
        let x = if len < 100 { numbers(4, len) } else { x };
        let expected: Vec<u16> = x.iter().map(|&x| to_bf16(x)).collect();
        let rounded: Vec<u32> = expected.iter().map(|&bits| u32::from(bits) << 16).collect();
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
        for isa in cpu::supported() {
            cpu::force(isa).expect("it is supported");
            for threads in [1, 3] {
                let pool = Pool::new(threads).expect("threads start");
                pool.install(|| {
                    let (mut stored, mut y) = (vec![1; len], x.clone());
                    narrow(&x, &mut stored);
                    assert!(stored == expected, "{isa}: narrow, {len} elements");
                    round_in_place(&mut y);
                    assert!(bits(&y) == rounded, "{isa}: round, {len} elements");
                    let (mut stored, mut y) = (vec![1; len], x.clone());
                    narrow_in_place(&mut y, &mut stored);
                    assert!(stored == expected && bits(&y) == rounded, "{isa}: in place, {len} elements");
                    let mut wide = vec![f32::NAN; len];
                    widen(&stored, &mut wide);
                    assert!(bits(&wide) == rounded, "{isa}: widen, {len} elements");
                });
            }
        }
    }
}

#[test]
fn weights_of_16_bits_give_the_sums_of_what_they_are() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let axis = |input, kernel| Axis::new(input, kernel, 2, 1, Padding::Same).expect("a window");
    let image = Window::image(axis(4, 3), axis(2, 3));
    let problems = [
        ConvGeometry::matrix(1, 1, 1),
        ConvGeometry::matrix(2, 37, 21),
        ConvGeometry::matrix(3, 200, 1300),
        ConvGeometry { batch: 1, in_channels: 5, out_channels: 19, groups: 1, window: image },
    ];
    for g in problems {
        let (x, bias) = (numbers(1, g.input_len()), numbers(2, g.out_channels));
        let residual = numbers(3, g.output_len());
        let mut weights = vec![0; g.weights_len()];
        narrow(&numbers(4, g.weights_len()), &mut weights);
        let exact: Vec<f64> = weights.iter().map(|&bits| value(bits)).collect();
        let sums = convolution::forward(&g, &wide(&x), &exact, Some(&wide(&bias)));
        let expected: Vec<f64> =
            sums.iter().zip(&residual).map(|(y, &r)| (y + f64::from(r)).max(0.0)).collect();
        for isa in cpu::supported() {
            cpu::force(isa).expect("it is supported");
            let kernel = Convolution::with_isa(g, isa);
            assert!(kernel.has_forward_bf16(), "{g:?}");
            let epilogue = Epilogue {
                bias: Some(&bias),
                residual: Residual::Slice(&residual),
                activation: Activation::Relu,
            };
            let (mut y, mut scratch) =
                (vec![f32::NAN; g.output_len()], vec![f32::NAN; kernel.forward_scratch()]);
            kernel.forward_bf16(&x, &weights, epilogue, &mut y, &mut scratch);
            assert_close(&format!("{isa}, {g:?}"), &y, &expected, 1e-5, 1e-5);
        }
    }
    assert!(!Convolution::new(ConvGeometry::matrix(4, 8, 8)).has_forward_bf16());
}

/// Those that multiply pairs. All give the bits of the first, which is plain Rust.
fn sets_with_pairs() -> impl Iterator<Item = Isa> {
    std::iter::once(Isa::Emulated512).chain(cpu::supported().into_iter().filter(|isa| isa.has_pairs()))
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// Convolutions of pairs on every instruction set against the sums of the rounded factors, and, as near as rounding to 16 bits allows,
/// of the factors themselves.
fn check_pairs(g: ConvGeometry) {
    let (x, w) = (numbers(1, g.input_len()), numbers(2, g.weights_len()));
    let (bias, residual) = (numbers(3, g.out_channels), numbers(4, g.output_len()));
    let (mut rounded_x, mut rounded_w) = (x.clone(), w.clone());
    round_in_place(&mut rounded_x);
    round_in_place(&mut rounded_w);
    let add = |sums: Vec<f64>| -> Vec<f64> {
        sums.iter().zip(&residual).map(|(y, &r)| (y + f64::from(r)).max(0.0)).collect()
    };
    let sums = |x: &[f32], w: &[f32]| convolution::forward(&g, &wide(x), &wide(w), Some(&wide(&bias)));
    let (exact, of_rounded) = (add(sums(&x, &w)), add(sums(&rounded_x, &rounded_w)));
    let sizes = |x: &[f32]| wide(x).iter().map(|x| x.abs()).collect::<Vec<f64>>();
    let size = convolution::forward(&g, &sizes(&x), &sizes(&w), None);
    let (x, w) = (Guarded::input(&x), Guarded::input(&w));
    let epilogue =
        Epilogue { bias: Some(&bias), residual: Residual::Slice(&residual), activation: Activation::Relu };
    let mut first = None;
    for isa in sets_with_pairs() {
        let what = format!("{isa} {g:?}");
        let kernel = PairConvolution::with_isa(g, isa).expect("it can be done in pairs");
        let (mut y, mut scratch) = (Guarded::new(g.output_len()), Guarded::new(kernel.forward_scratch()));
        kernel.forward(x.slice(), w.slice(), epilogue, y.slice_mut(), scratch.slice_mut());
        let rounding = 3e-6 * ((g.weights_len() / g.out_channels) as f64).sqrt() + 3e-6;
        assert_close(&what, y.slice(), &of_rounded, 0.0, rounding);
        for ((&y, &exact), size) in y.slice().iter().zip(&exact).zip(&size) {
            // Each factor may be off by 2⁻⁸ of it.
            let (y, most) = (f64::from(y), size * (2.0_f64.powi(-7) + 2.0_f64.powi(-16)) + rounding);
            assert!((y - exact).abs() <= most, "{what}: {y}, exactly {exact}, {most} away at most");
        }
        let mut packed = Guarded::new(kernel.packed_weights_len());
        kernel.pack_weights(w.slice(), packed.slice_mut());
        let (mut again, mut short) =
            (Guarded::new(g.output_len()), Guarded::new(kernel.forward_packed_scratch()));
        kernel.forward_packed(x.slice(), packed.slice(), epilogue, again.slice_mut(), short.slice_mut());
        assert!(bits(y.slice()) == bits(again.slice()), "{what}: other bits with packed weights");
        [y.clone(), scratch, packed, again, short].iter().for_each(Guarded::assert_intact);
        let first = first.get_or_insert_with(|| bits(y.slice()));
        assert!(*first == bits(y.slice()), "{what}: other bits than plain Rust");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: usual(120), failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(23), ..ProptestConfig::default() })]

    #[test]
    fn convolutions_of_pairs_agree_with_the_references(
        batch in 1..=4_usize,
        pairs in 1..=20_usize,
        out_channels in 1..=70_usize,
        size in (1..=5_usize, 4..=13_usize, 4..=13_usize),
        kernel in (1..=2_usize, 1..=5_usize, 1..=5_usize),
        stride in 1..=2_usize,
        dilation in 1..=2_usize,
        padding in prop_oneof![
            Just(Padding::Valid),
            Just(Padding::Same),
            Just(Padding::Explicit { before: 2, after: 1 }),
        ],
    ) {
        let axis = |input, kernel| Axis::new(input, kernel, stride, dilation, padding).ok();
        let axes = (axis(size.0, kernel.0), axis(size.1, kernel.1), axis(size.2, kernel.2));
        let (Some(depth), Some(height), Some(width)) = axes else {
            return Err(TestCaseError::reject("the window does not fit"));
        };
        let window = Window { axes: [depth, height, width] };
        let g = ConvGeometry { batch, in_channels: 2 * pairs, out_channels, groups: 1, window };
        prop_assume!(g.multiply_adds() < 2_000_000 && batch * window.output_positions() > 3);
        check_pairs(g);
    }

    #[test]
    fn dense_layers_of_pairs_agree_with_the_references(
        rows in 4..=60_usize,
        pairs in 1..=100_usize,
        columns in 1..=100_usize,
    ) {
        check_pairs(ConvGeometry::matrix(rows, 2 * pairs, columns));
    }
}

#[test]
fn pairs_give_the_same_bits_on_any_number_of_threads() {
    let axis = |input| Axis::new(input, 3, 1, 1, Padding::Same).expect("a window");
    let window = Window::image(axis(23), axis(17));
    let g = ConvGeometry { batch: 2, in_channels: 24, out_channels: 70, groups: 1, window };
    let (x, w) = (numbers(1, g.input_len()), numbers(2, g.weights_len()));
    for isa in sets_with_pairs() {
        let results = [1, 2, 5].map(|threads| {
            let kernel = PairConvolution::with_isa(g, isa).expect("it can be done in pairs");
            let (mut y, mut scratch) = (vec![0.0; g.output_len()], vec![0.0; kernel.forward_scratch()]);
            let pool = Pool::new(threads).expect("threads start");
            pool.install(|| kernel.forward(&x, &w, Epilogue::NONE, &mut y, &mut scratch));
            bits(&y)
        });
        assert!(results.iter().all(|bits| *bits == results[0]), "{isa}");
    }
}

#[test]
fn pairs_are_left_alone_where_they_do_not_fit() {
    let possible = ConvGeometry::matrix(4, 6, 6);
    let has_pairs = |g, isa| PairConvolution::with_isa(g, isa).is_some();
    assert!(has_pairs(possible, Isa::Emulated512));
    assert!(!has_pairs(ConvGeometry { in_channels: 5, ..possible }, Isa::Emulated512), "odd channels");
    assert!(!has_pairs(ConvGeometry { groups: 2, ..possible }, Isa::Emulated512), "several groups");
    assert!(!has_pairs(ConvGeometry::matrix(3, 6, 6), Isa::Emulated512), "few rows");
    for isa in Isa::ALL {
        assert_eq!(has_pairs(possible, isa), isa.has_pairs(), "{isa}");
    }
}
