//! Speed of the kernels: multiply-adds against the measured peak, and bytes read and written: of convolutions those of
//! input, weights and output, each once.
//!
//! `cargo bench -p convnet-kernels [-- NAME]` prints a line per layer, pass and number of threads whose name contains
//! NAME. `CONVNET_ISA` chooses the instruction set.

use convnet_kernels::conv::{Convolution, Epilogue, Residual};
use convnet_kernels::elementwise::{self, Activation};
use convnet_kernels::geometry::{Axis, ConvGeometry, Padding, PoolGeometry, Window};
use convnet_kernels::norm::{self, Clip};
use convnet_kernels::optimizer::{self, Adam, RmsProp};
use convnet_kernels::par::Pool;
use convnet_kernels::random::Philox;
use convnet_kernels::{cpu, peak, pool, reduce};
use std::time::{Duration, Instant};

/// Seconds of the fastest of many calls.
fn best(mut call: impl FnMut()) -> f64 {
    call();
    let start = Instant::now();
    let mut best = f64::INFINITY;
    let mut calls = 0;
    while calls < 5 || start.elapsed() < Duration::from_millis(250) {
        let before = Instant::now();
        call();
        best = best.min(before.elapsed().as_secs_f64());
        calls += 1;
    }
    best
}

fn image(
    batch: usize,
    channels: [usize; 2],
    size: usize,
    kernel: usize,
    stride: usize,
    padding: Padding,
) -> ConvGeometry {
    let axis = Axis::new(size, kernel, stride, 1, padding).expect("the layers below are valid");
    ConvGeometry {
        batch,
        in_channels: channels[0],
        out_channels: channels[1],
        groups: 1,
        window: Window::image(axis, axis),
    }
}

fn depthwise(batch: usize, channels: usize, size: usize, kernel: usize, stride: usize) -> ConvGeometry {
    let dense = image(batch, [channels; 2], size, kernel, stride, Padding::Same);
    ConvGeometry { groups: channels, ..dense }
}

fn numbers(len: usize) -> Vec<f32> {
    let mut values = vec![0.0; len];
    Philox::new(1, 2).fill_uniform(-1.0, 1.0, &mut values);
    values
}

/// One thing to measure: what it is called, its work in GFLOP or GB, and what runs it.
struct Case {
    name: String,
    work: f64,
    /// Bytes read and written at least, in GB.
    bytes: f64,
    run: Box<dyn FnMut() + Send>,
}

fn convolution_cases(name: &str, g: ConvGeometry) -> Vec<Case> {
    let work = 2.0 * g.multiply_adds() as f64 * 1e-9;
    let bytes = 4.0 * (g.input_len() + g.weights_len() + g.output_len()) as f64 * 1e-9;
    let case =
        |pass: &str, run: Box<dyn FnMut() + Send>| Case { name: format!("{name} {pass}"), work, bytes, run };
    let make = move || {
        let (x, w, y) = (numbers(g.input_len()), numbers(g.weights_len()), numbers(g.output_len()));
        (Convolution::new(g), x, w, y)
    };
    vec![
        case("forward", {
            let (convolution, x, w, mut y) = make();
            let bias = numbers(g.out_channels);
            let mut scratch = vec![0.0; convolution.forward_scratch()];
            Box::new(move || {
                let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Relu, ..Epilogue::NONE };
                convolution.forward(&x, &w, epilogue, &mut y, &mut scratch);
            })
        }),
        case("backward data", {
            let (convolution, mut dx, w, dy) = make();
            let mut scratch = vec![0.0; convolution.backward_data_scratch()];
            Box::new(move || convolution.backward_data(&dy, &w, &mut dx, &mut scratch))
        }),
        case("backward weights", {
            let (convolution, x, mut dw, dy) = make();
            let mut db = vec![0.0; g.out_channels];
            let mut scratch = vec![0.0; convolution.backward_weights_scratch()];
            Box::new(move || convolution.backward_weights(&x, &dy, &mut dw, Some(&mut db), &mut scratch))
        }),
    ]
}

fn layers() -> Vec<(&'static str, ConvGeometry)> {
    use Padding::{Same, Valid};
    vec![
        ("small conv 28x28x1-32 b64", image(64, [1, 32], 28, 3, 1, Valid)),
        ("small conv 13x13x32-64 b64", image(64, [32, 64], 13, 3, 1, Valid)),
        ("small conv 5x5x64-128 b64", image(64, [64, 128], 5, 3, 1, Valid)),
        ("small conv 5x5x64-64 b64", image(64, [64, 64], 5, 3, 1, Valid)),
        ("small dense 1152-10 b64", ConvGeometry::matrix(64, 1152, 10)),
        ("small dense 576-64 b64", ConvGeometry::matrix(64, 576, 64)),
        ("small dense 1152-10 b1", ConvGeometry::matrix(1, 1152, 10)),
        ("dense 4096-4096 b1", ConvGeometry::matrix(1, 4096, 4096)),
        (
            "resnet conv7 224x224x3-64 b4",
            image(4, [3, 64], 224, 7, 2, Padding::Explicit { before: 3, after: 3 }),
        ),
        ("resnet conv3 56x56x64-64 b8", image(8, [64, 64], 56, 3, 1, Same)),
        ("resnet conv1 56x56x64-256 b8", image(8, [64, 256], 56, 1, 1, Valid)),
        ("resnet conv3 7x7x512-512 b8", image(8, [512, 512], 7, 3, 1, Same)),
        ("resnet conv3 7x7x512-512 b1", image(1, [512, 512], 7, 3, 1, Same)),
        ("depthwise 112x112x32 b1", depthwise(1, 32, 112, 3, 1)),
        ("depthwise 112x112x96s2 b1", depthwise(1, 96, 112, 3, 2)),
        ("depthwise 56x56x144 b1", depthwise(1, 144, 56, 3, 1)),
        ("depthwise 28x28x192s2 b1", depthwise(1, 192, 28, 3, 2)),
        ("depthwise 14x14x384 b1", depthwise(1, 384, 14, 3, 1)),
        ("depthwise 7x7x960 b1", depthwise(1, 960, 7, 3, 1)),
        ("depthwise 112x112x32 b16", depthwise(16, 32, 112, 3, 1)),
        ("depthwise 56x56x144 b16", depthwise(16, 144, 56, 3, 1)),
        ("depthwise 14x14x384 b16", depthwise(16, 384, 14, 3, 1)),
        ("depthwise 7x7x960 b16", depthwise(16, 960, 7, 3, 1)),
        ("depthwise5 14x14x480 b16", depthwise(16, 480, 14, 5, 1)),
        ("depthwise x2 28x28x64 b8", ConvGeometry { groups: 64, ..image(8, [64, 128], 28, 3, 1, Same) }),
        ("groups 32 of 4 56x56 b8", ConvGeometry { groups: 32, ..image(8, [128, 128], 56, 3, 1, Same) }),
        ("groups 32 of 8 28x28 b8", ConvGeometry { groups: 32, ..image(8, [256, 256], 28, 3, 1, Same) }),
        ("groups 32 of 16 14x14 b8", ConvGeometry { groups: 32, ..image(8, [512, 512], 14, 3, 1, Same) }),
        ("resnet conv1 56x56x256-64 b8", image(8, [256, 64], 56, 1, 1, Valid)),
        ("resnet conv1 28x28x128-512 b8", image(8, [128, 512], 28, 1, 1, Valid)),
        ("resnet conv1 14x14x1024-256 b8", image(8, [1024, 256], 14, 1, 1, Valid)),
        ("resnet conv1 7x7x512-2048 b8", image(8, [512, 2048], 7, 1, 1, Valid)),
        // Of the channels of larger maps, but in the cache: what the kernels do when memory does not hold them up.
        ("resnet conv1 28x28x64-256 b1", image(1, [64, 256], 28, 1, 1, Valid)),
        ("resnet conv1 28x28x256-64 b1", image(1, [256, 64], 28, 1, 1, Valid)),
        ("resnet conv1 14x14x128-512 b1", image(1, [128, 512], 14, 1, 1, Valid)),
        ("resnet conv1s2 28x28x256-512 b1", image(1, [256, 512], 28, 1, 2, Valid)),
        ("resnet conv1s2 56x56x256-512 b8", image(8, [256, 512], 56, 1, 2, Valid)),
    ]
}

fn pool_cases(name: &str, g: PoolGeometry) -> Vec<Case> {
    let (x, mut y) = (numbers(g.input_len()), numbers(g.output_len()));
    let mut argmax = vec![0; g.output_len()];
    let forward_work = (4 * g.input_len() + 5 * g.output_len()) as f64 * 1e-9;
    let (mut dx, dy) = (numbers(g.input_len()), numbers(g.output_len()));
    let taps: Vec<u8> = (0..g.output_len()).map(|i| (i % g.window.taps()) as u8).collect();
    vec![
        Case {
            name: format!("{name} max forward"),
            work: forward_work,
            bytes: forward_work,
            run: Box::new(move || pool::max_forward(&g, &x, &mut y, Some(&mut argmax))),
        },
        Case {
            name: format!("{name} max backward"),
            work: forward_work,
            bytes: forward_work,
            run: Box::new(move || pool::max_backward(&g, &taps, &dy, &mut dx)),
        },
        Case {
            name: format!("{name} average forward"),
            work: forward_work,
            bytes: forward_work,
            run: {
                let (x, mut y) = (numbers(g.input_len()), numbers(g.output_len()));
                Box::new(move || pool::average_forward(&g, &x, &mut y))
            },
        },
        Case {
            name: format!("{name} average backward"),
            work: forward_work,
            bytes: forward_work,
            run: {
                let (dy, mut dx) = (numbers(g.output_len()), numbers(g.input_len()));
                Box::new(move || pool::average_backward(&g, &dy, &mut dx))
            },
        },
    ]
}

/// Batch normalisation of `(rows, channels)`; a forward pass should read x twice and write y, a backward pass read x
/// and dy twice and write dx.
fn norm_cases(name: &str, rows: usize, channels: usize) -> Vec<Case> {
    let len = rows * channels;
    let gigabytes = |arrays: usize| (4 * len * arrays) as f64 * 1e-9;
    let per_channel = || [numbers(channels), vec![1.0; channels], vec![1.0; channels]];
    let (x, mut y, mut of_channels) = (numbers(len), numbers(len), per_channel());
    let mut scratch = vec![0.0; norm::batch_norm_scratch(channels)];
    let forward = Box::new(move || {
        let [mean, variance, inv_std] = &mut of_channels;
        let statistics = norm::Statistics { mean, variance, inv_std };
        norm::batch_norm_forward(plain(&x), 1e-3, &mut y, statistics, &mut scratch);
    });
    let (x, dy, mut dx, [mean, inv_std, gamma]) = (numbers(len), numbers(len), numbers(len), per_channel());
    let [mut dgamma, mut dbeta, _] = per_channel();
    let mut scratch = vec![0.0; norm::batch_norm_scratch(channels)];
    let backward = Box::new(move || {
        let (dy, gamma) = (Some(&dy[..]), Some(&gamma[..]));
        let (mean, inv_std, clip) = (&mean, &inv_std, Clip::NONE);
        let from = norm::BatchNormBackward { x: &x, dy, gamma, beta: None, mean, inv_std, clip };
        norm::batch_norm_backward(from, &mut dx, [&mut dgamma, &mut dbeta], None, &mut scratch);
    });
    let case = |pass: &str, arrays: usize, run: Box<dyn FnMut() + Send>| Case {
        name: format!("{name} batch_norm {pass}"),
        work: gigabytes(arrays),
        bytes: gigabytes(arrays),
        run,
    };
    vec![case("forward", 3, forward), case("backward", 5, backward)]
}

/// Normalisation and nothing else.
fn plain(x: &[f32]) -> norm::BatchNormForward<'_> {
    norm::BatchNormForward { x, gamma: None, beta: None, residual: Residual::None, clip: Clip::NONE }
}

fn memory_cases() -> Vec<Case> {
    const LEN: usize = 64 * 26 * 26 * 32;
    let gigabytes = |arrays: usize| (4 * LEN * arrays) as f64 * 1e-9;
    let case = |name: &str, arrays: usize, run: Box<dyn FnMut() + Send>| Case {
        name: format!("memory {name}"),
        work: gigabytes(arrays),
        bytes: gigabytes(arrays),
        run,
    };
    let pair = || (numbers(LEN), numbers(LEN));
    let mut cases = Vec::new();
    for activation in [Activation::Relu, Activation::Sigmoid, Activation::Tanh] {
        let (x, mut y) = pair();
        let run = Box::new(move || elementwise::activate(activation, &x, &mut y));
        cases.push(case(activation.name(), 2, run));
    }
    let (y, mut dy) = pair();
    let run = Box::new(move || elementwise::activation_gradient_in_place(Activation::Relu, &y, &mut dy));
    cases.push(case("relu gradient", 3, run));
    let (x, mut y) = pair();
    cases.push(case("add_assign", 3, Box::new(move || elementwise::add_assign(&mut y, &x))));
    let (x, mut sums) = (numbers(LEN), numbers(32));
    cases.push(case("sum_rows of 32", 1, Box::new(move || reduce::sum_rows(LEN / 32, 32, &x, &mut sums))));
    let (x, mut y) = pair();
    let mut per_channel = [numbers(32), numbers(32), numbers(32)];
    let mut scratch = vec![0.0; norm::batch_norm_scratch(32)];
    cases.push(case(
        "batch_norm_forward of 32",
        4,
        Box::new(move || {
            let [mean, variance, inv_std] = &mut per_channel;
            let statistics = norm::Statistics { mean, variance, inv_std };
            norm::batch_norm_forward(plain(&x), 1e-3, &mut y, statistics, &mut scratch);
        }),
    ));
    let (mut w, g) = pair();
    let (mut m, mut v) = pair();
    let adam = Adam { learning_rate: 1e-3, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 };
    cases.push(case("adam", 7, Box::new(move || optimizer::adam(adam, 3, &mut w, &g, &mut m, &mut v))));
    let (mut w, g) = pair();
    let mut s = vec![0.1; LEN];
    let rmsprop = RmsProp { learning_rate: 1e-3, rho: 0.9, momentum: 0.0, epsilon: 1e-7 };
    let run = Box::new(move || optimizer::rmsprop(rmsprop, &mut w, &g, &mut s, None, None));
    cases.push(case("rmsprop", 5, run));
    let mut x = numbers(LEN);
    let run = Box::new(move || convnet_kernels::random::dropout_in_place(&mut x, 0.0, 1, 2, 3));
    cases.push(case("dropout", 2, run));
    cases
}

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let isa = cpu::init().expect("CONVNET_ISA names an instruction set of this machine");
    let pools = [1, 2].map(|threads| Pool::new(threads).expect("two threads can be started"));
    let peaks = [1, 2].map(|threads| peak::measure(isa, threads));
    println!("{isa}: peak {:.0} GFLOP/s on 1 thread, {:.0} on 2\n", peaks[0], peaks[1]);
    println!("{:<44} {:>10} {:>6} {:>10} {:>6} {:>6}", "", "1 thread", "peak", "2 threads", "peak", "GB/s");
    for (name, g) in layers() {
        for mut case in convolution_cases(name, g) {
            if case.name.contains(&filter) {
                let speeds = [0, 1].map(|i| case.work / pools[i].install(|| best(&mut case.run)));
                let shares = [0, 1].map(|i| 100.0 * speeds[i] / peaks[i]);
                let bandwidth = case.bytes / case.work * speeds[1];
                println!(
                    "{:<44} {:>10.1} {:>5.0}% {:>10.1} {:>5.0}% {:>6.1}",
                    case.name, speeds[0], shares[0], speeds[1], shares[1], bandwidth
                );
            }
        }
    }
    println!("\n{:<44} {:>10} {:>6} {:>10}", "", "GB/s", "", "GB/s");
    let two_by_two = |size: usize| Axis::new(size, 2, 2, 1, Padding::Valid).expect("valid");
    let mut cases = memory_cases();
    for (name, size, channels) in [("pool 26x26x32 b64", 26, 32), ("pool 11x11x64 b64", 11, 64)] {
        let window = Window::image(two_by_two(size), two_by_two(size));
        cases.extend(pool_cases(name, PoolGeometry { batch: 64, channels, window }));
    }
    let global = Axis::new(7, 7, 1, 1, Padding::Valid).expect("valid");
    let window = Window::image(global, global);
    cases.extend(pool_cases("pool global 7x7x2048 b8", PoolGeometry { batch: 8, channels: 2048, window }));
    let stem = Axis::new(112, 3, 2, 1, Padding::Explicit { before: 1, after: 1 }).expect("valid");
    for batch in [1, 16] {
        let window = Window::image(stem, stem);
        let name = format!("pool resnet 3x3/2 112x112x64 b{batch}");
        cases.extend(pool_cases(&name, PoolGeometry { batch, channels: 64, window }));
        let window = Window::image(global, global);
        let name = format!("pool resnet global 7x7x2048 b{batch}");
        cases.extend(pool_cases(&name, PoolGeometry { batch, channels: 2048, window }));
    }
    for (size, channels) in [(56, 64), (7, 2048)] {
        cases.extend(norm_cases(&format!("resnet {size}x{size}x{channels} b1"), size * size, channels));
    }
    for (size, channels) in [(112, 64), (56, 256), (28, 512), (7, 2048)] {
        cases.extend(norm_cases(&format!("resnet {size}x{size}x{channels} b16"), 16 * size * size, channels));
    }
    for mut case in cases {
        if case.name.contains(&filter) {
            let speeds = [0, 1].map(|i| case.work / pools[i].install(|| best(&mut case.run)));
            println!("{:<44} {:>10.1} {:>6} {:>10.1}", case.name, speeds[0], "", speeds[1]);
        }
    }
}
