//! Optimizers and random numbers: against references, and the same on every instruction set and number of threads.

use convnet_conformance::problem::numbers;
use convnet_conformance::{assert_close, optimizers as reference, updates, widen};
use convnet_kernels::elementwise::{gather_rows, scatter_rows};
use convnet_kernels::optimizer::{self, Adam, RmsProp, Sgd, adam, rmsprop, sgd};
use convnet_kernels::par::Pool;
use convnet_kernels::random::{Noise, Philox, dropout, dropout_in_place, noise_in_place};

const LEN: usize = 20_001;
const STEPS: usize = 4;

fn gradients(step: usize) -> Vec<f32> {
    numbers(100 + step as u64, LEN)
}

#[test]
fn sgd_agrees_with_the_reference() {
    for (momentum, nesterov) in [(None, false), (Some(0.9), false), (Some(0.9), true)] {
        let mut w = numbers(1, LEN);
        let mut velocity = vec![0.0; LEN];
        let mut w64 = widen(&w);
        let mut velocity64 = vec![0.0; LEN];
        for step in 0..STEPS {
            let g = gradients(step);
            let settings = Sgd { learning_rate: 0.1, momentum: momentum.unwrap_or(0.0), nesterov };
            sgd(settings, &mut w, &g, momentum.map(|_| velocity.as_mut_slice()));
            for i in 0..LEN {
                let slot = momentum.map(|_| &mut velocity64[i]);
                w64[i] = reference::sgd(
                    w64[i],
                    f64::from(g[i]),
                    slot,
                    0.1,
                    f64::from(settings.momentum),
                    nesterov,
                );
            }
        }
        assert_close("sgd", &w, &w64, 1e-5, 1e-6);
    }
}

#[test]
fn rmsprop_agrees_with_the_reference() {
    for (momentum, centered) in [(false, false), (true, false), (false, true), (true, true)] {
        let settings = RmsProp { learning_rate: 0.01, rho: 0.9, momentum: 0.8, epsilon: 1e-4 };
        let mut w = numbers(1, LEN);
        let (mut square, mut velocity, mut mean) = (vec![0.0; LEN], vec![0.0; LEN], vec![0.0; LEN]);
        let mut w64 = widen(&w);
        let slot = reference::RmsPropSlots {
            mean_square: 0.0,
            momentum: momentum.then_some(0.0),
            mean_gradient: centered.then_some(0.0),
        };
        let mut slots = vec![slot; LEN];
        for step in 0..STEPS {
            let g = gradients(step);
            let velocity = momentum.then_some(velocity.as_mut_slice());
            let mean = centered.then_some(mean.as_mut_slice());
            rmsprop(settings, &mut w, &g, &mut square, velocity, mean);
            for i in 0..LEN {
                w64[i] = reference::rmsprop(w64[i], f64::from(g[i]), &mut slots[i], 0.01, 0.9, 0.8, 1e-4);
            }
        }
        assert_close("rmsprop", &w, &w64, 1e-4, 1e-5);
    }
}

#[test]
fn adam_agrees_with_the_reference() {
    let settings = Adam { learning_rate: 0.01, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 };
    let mut w = numbers(1, LEN);
    let (mut m, mut v) = (vec![0.0; LEN], vec![0.0; LEN]);
    let mut w64 = widen(&w);
    let (mut m64, mut v64) = (vec![0.0; LEN], vec![0.0; LEN]);
    for step in 0..STEPS {
        let g = gradients(step);
        adam(settings, step as u64 + 1, &mut w, &g, &mut m, &mut v);
        for i in 0..LEN {
            let settings = [0.01, 0.9, 0.999, 1e-7];
            w64[i] =
                reference::adam(w64[i], f64::from(g[i]), &mut m64[i], &mut v64[i], step as i32 + 1, settings);
        }
    }
    assert_close("adam", &w, &w64, 1e-4, 1e-5);
}

/// A kernel: step, parameters, gradients, slots.
type Kernel = fn(u64, &mut [f32], &[f32], &mut [Vec<f32>]);
/// Its reference on one parameter.
type Reference = fn(f64, f64, &mut [f64], i32, [f64; 4]) -> f64;

/// Step size, two shares, epsilon.
const SETTINGS: [f64; 4] = [0.02, 0.9, 0.97, 1e-4];

macro_rules! settings {
    ($name:ident { $($field:ident),* }) => {
        optimizer::$name { learning_rate: 0.02, $($field: settings!(@ $field)),* }
    };
    (@ beta_1) => { 0.9 };
    (@ rho) => { 0.9 };
    (@ beta_2) => { 0.97 };
    (@ epsilon) => { 1e-4 };
}

const FURTHER: &[(&str, usize, Kernel, Reference)] = &[
    (
        "amsgrad",
        3,
        |step, w, g, slots| {
            let [m, v, largest] = slots else { unreachable!() };
            optimizer::amsgrad(settings!(Adam { beta_1, beta_2, epsilon }), step, w, g, m, v, largest);
        },
        updates::amsgrad,
    ),
    (
        "nadam",
        2,
        |step, w, g, slots| {
            let [m, v] = slots else { unreachable!() };
            optimizer::nadam(settings!(Nadam { beta_1, beta_2, epsilon }), step, w, g, m, v);
        },
        updates::nadam,
    ),
    (
        "adamax",
        2,
        |step, w, g, slots| {
            let [m, u] = slots else { unreachable!() };
            optimizer::adamax(settings!(Adamax { beta_1, beta_2, epsilon }), step, w, g, m, u);
        },
        updates::adamax,
    ),
    (
        "adagrad",
        1,
        |_, w, g, slots| optimizer::adagrad(settings!(Adagrad { epsilon }), w, g, &mut slots[0]),
        updates::adagrad,
    ),
    (
        "adadelta",
        2,
        |_, w, g, slots| {
            let [s, t] = slots else { unreachable!() };
            optimizer::adadelta(settings!(Adadelta { rho, epsilon }), w, g, s, t);
        },
        updates::adadelta,
    ),
    (
        "lion",
        1,
        |_, w, g, slots| optimizer::lion(settings!(Lion { beta_1, beta_2 }), w, g, &mut slots[0]),
        updates::lion,
    ),
];

#[test]
fn further_optimizers_agree_with_their_references() {
    for &(name, slots, kernel, reference) in FURTHER {
        let mut w = numbers(1, LEN);
        let mut w64 = widen(&w);
        let mut own = vec![vec![0.0; LEN]; slots];
        let mut slots64 = vec![vec![0.0; slots]; LEN];
        for step in 0..STEPS {
            let g = gradients(step);
            kernel(step as u64 + 1, &mut w, &g, &mut own);
            for i in 0..LEN {
                w64[i] = reference(w64[i], f64::from(g[i]), &mut slots64[i], step as i32 + 1, SETTINGS);
            }
        }
        assert_close(name, &w, &w64, 1e-4, 1e-5);
    }
}

#[test]
fn lamb_agrees_with_its_reference() {
    let mut w = numbers(1, LEN);
    let (mut m, mut v) = (vec![0.0; LEN], vec![0.0; LEN]);
    let (mut w64, mut slots) = (widen(&w), vec![[0.0; 2]; LEN]);
    for step in 0..STEPS {
        let g = gradients(step);
        let settings = settings!(Lamb { beta_1, beta_2, epsilon });
        optimizer::lamb(settings, step as u64 + 1, &mut w, &g, &mut m, &mut v);
        updates::lamb(&mut w64, &widen(&g), &mut slots, step as i32 + 1, SETTINGS);
    }
    assert_close("lamb", &w, &w64, 1e-4, 1e-5);
}

#[test]
fn what_goes_before_and_after_an_optimizer_is_what_it_says() {
    let x = numbers(3, LEN);
    let squares: f64 = widen(&x).iter().map(|x| x * x).sum();
    assert!((optimizer::squares(&x) / squares - 1.0).abs() < 1e-6);
    let (mut y, mut sums) = (numbers(4, LEN), vec![0.0; LEN]);
    let expected: Vec<f64> = x.iter().zip(&y).map(|(x, y)| (f64::from(*x) + f64::from(*y)) / 2.0).collect();
    optimizer::accumulate(&mut sums, &x);
    optimizer::average(&mut y, &mut sums, 2.0);
    assert_close("mean of gradients", &y, &expected, 1e-6, 1e-7);
    assert!(sums.iter().all(|sum| *sum == 0.0), "sums begin anew");
    let mut mixed = x.clone();
    optimizer::mix(&mut mixed, &y, 0.75);
    let expected: Vec<f64> = x.iter().zip(&y).map(|(x, y)| f64::from(0.75 * x + 0.25 * y)).collect();
    assert_close("average", &mixed, &expected, 1e-6, 1e-7);
    optimizer::clip(&mut mixed, 0.25);
    assert!(mixed.iter().all(|x| x.abs() <= 0.25) && mixed.iter().any(|x| x.abs() < 0.25));
    let mut decayed = x.clone();
    optimizer::decay(&mut decayed, 0.1);
    optimizer::scale(&mut decayed, 2.0);
    let expected: Vec<f64> = x.iter().map(|x| f64::from(*x) * 1.8).collect();
    assert_close("decay", &decayed, &expected, 1e-6, 1e-7);
}

#[test]
fn uniform_and_normal_numbers_have_their_moments() {
    let philox = Philox::new(3, 4);
    let moments = |values: &[f32]| {
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64;
        let variance =
            values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / values.len() as f64;
        (mean, variance)
    };
    let mut values = vec![0.0; 100_003];
    philox.fill_uniform(-1.0, 3.0, &mut values);
    assert!(values.iter().all(|x| (-1.0..3.0).contains(x)));
    assert_eq!(values[77_777], -1.0 + 4.0 * philox.uniform(77_777));
    let (mean, variance) = moments(&values);
    assert!((mean - 1.0).abs() < 0.02 && (variance - 16.0 / 12.0).abs() < 0.02, "{mean} {variance}");
    philox.fill_normal(2.0, 3.0, &mut values);
    assert_eq!(values[77_777], 2.0 + 3.0 * philox.normal(77_777));
    let (mean, variance) = moments(&values);
    assert!((mean - 2.0).abs() < 0.04 && (variance - 9.0).abs() < 0.15, "{mean} {variance}");
}

#[test]
fn dropout_keeps_its_share_and_scales_it() {
    let x = vec![1.0; 50_001];
    let mut y = vec![f32::NAN; x.len()];
    dropout(&x, 0.25, 1, 2, 3, &mut y);
    assert!(y.iter().all(|&y| y == 0.0 || (y - 4.0 / 3.0).abs() < 1e-6));
    let kept = y.iter().filter(|&&y| y > 0.0).count() as f64 / y.len() as f64;
    assert!((kept - 0.75).abs() < 0.01, "{kept}");
    let mut z = x.clone();
    dropout_in_place(&mut z, 0.25, 1, 2, 3);
    assert_eq!(y, z);
    let masks = [(1, 2, 4), (1, 3, 3), (2, 2, 3)].map(|(seed, stream, step)| {
        let mut z = x.clone();
        dropout_in_place(&mut z, 0.25, seed, stream, step);
        z
    });
    assert!(masks.iter().all(|mask| *mask != y), "seed, stream and step must each change the mask");
    dropout_in_place(&mut z, 0.0, 1, 2, 3);
    assert_eq!(y, z, "a rate of zero keeps everything as it is");
    dropout_in_place(&mut z, 1.0, 1, 2, 3);
    assert!(z.iter().all(|&z| z == 0.0));
}

#[test]
fn noise_has_its_deviation_and_is_made_again_alike() {
    let x = vec![2.0; 50_001];
    let noisy = |noise, seed, stream, step| {
        let mut y = x.clone();
        noise_in_place(noise, &mut y, 0.25, seed, stream, step);
        y
    };
    for (noise, deviation) in [(Noise::Additive, 0.25), (Noise::Multiplicative, 0.5)] {
        let y = noisy(noise, 1, 2, 3);
        let mean = y.iter().map(|&y| f64::from(y)).sum::<f64>() / y.len() as f64;
        let variance = y.iter().map(|&y| (f64::from(y) - mean).powi(2)).sum::<f64>() / y.len() as f64;
        assert!((mean - 2.0).abs() < 0.02, "{noise:?}: mean {mean}");
        assert!((variance.sqrt() / deviation - 1.0).abs() < 0.02, "{noise:?}: deviation {}", variance.sqrt());
        assert_eq!(y, noisy(noise, 1, 2, 3));
        let others = [(1, 2, 4), (1, 3, 3), (2, 2, 3)];
        assert!(others.iter().all(|&(seed, stream, step)| noisy(noise, seed, stream, step) != y));
    }
}

#[test]
fn rows_are_looked_up_and_summed_by_number() {
    let table = [0.0, 1.0, 10.0, 11.0, 20.0, 21.0];
    let mut rows = vec![0.0; 8];
    gather_rows(&[2.0, 0.0, 3.0, -1.0], &table, 2, &mut rows);
    assert_eq!(rows[..4], [20.0, 21.0, 0.0, 1.0]);
    assert!(rows[4..].iter().all(|x| x.is_nan()), "numbers of no row are noticed");
    let mut sums = vec![f32::NAN; 6];
    scatter_rows(&[2.0, 0.0, 2.0, 7.0], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0, 9.0], 2, &mut sums);
    assert_eq!(sums, [3.0, 4.0, 0.0, 0.0, 6.0, 8.0]);
}

#[test]
fn numbers_do_not_depend_on_threads() {
    let run = |threads: usize| {
        Pool::new(threads).unwrap().install(|| {
            let mut values = numbers(9, 100_000);
            dropout_in_place(&mut values, 0.5, 1, 2, 3);
            let mut m = vec![0.0; values.len()];
            let mut v = vec![0.0; values.len()];
            let g = numbers(10, values.len());
            let settings = Adam { learning_rate: 0.01, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 };
            adam(settings, 1, &mut values, &g, &mut m, &mut v);
            values.push(convnet_kernels::reduce::sum(&g));
            let settings = optimizer::Lamb { learning_rate: 0.1, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 };
            optimizer::lamb(settings, 1, &mut values[..100_000], &g, &mut m, &mut v);
            values.push(optimizer::squares(&g) as f32);
            values
        })
    };
    let one = run(1);
    assert!(run(2) == one && run(5) == one);
}
