//! Winograd's convolutions against the direct ones: each layer and pass, in turn, the least time of each.
//!
//! `cargo bench -p convnet-kernels --bench winograd [-- NAME]` prints for each case whose name contains NAME the speed
//! of the direct kernels, for each tile size the ratio of times (and the speed counted in the direct kernels'
//! operations), and what the cost model chooses. The model's constants were fitted to this table. `CONVNET_ISA` chooses the
//! instruction set.

use convnet_kernels::conv::{Convolution, Epilogue};
use convnet_kernels::cpu;
use convnet_kernels::elementwise::Activation;
use convnet_kernels::geometry::{Axis, ConvGeometry, Padding, Window};
use convnet_kernels::random::Philox;
use convnet_kernels::winograd::{self, Method, Pass, TileSize, Winograd};
use std::time::Instant;

/// Seconds for each line.
const SECONDS: f64 = 0.4;

fn image(batch: usize, channels: [usize; 2], size: usize, padding: Padding) -> ConvGeometry {
    let axis = Axis::new(size, 3, 1, 1, padding).expect("the layers below are valid");
    ConvGeometry {
        batch,
        in_channels: channels[0],
        out_channels: channels[1],
        groups: 1,
        window: Window::image(axis, axis),
    }
}

fn layers() -> Vec<(String, ConvGeometry)> {
    use Padding::{Same, Valid};
    let mut layers = Vec::new();
    for (size, from, to) in [
        (224, 64, 64),
        (112, 64, 128),
        (112, 128, 128),
        (56, 128, 256),
        (56, 256, 256),
        (28, 256, 512),
        (28, 512, 512),
        (14, 512, 512),
    ] {
        layers.push((format!("vgg {size} {from}-{to} b1"), image(1, [from, to], size, Same)));
    }
    for (size, channels) in [(56, 64), (28, 128), (14, 256), (7, 512)] {
        for batch in [1, 8, 16] {
            layers.push((
                format!("resnet50 {size} {channels} b{batch}"),
                image(batch, [channels; 2], size, Same),
            ));
        }
    }
    for (size, channels) in [(28, 64), (14, 128), (7, 256), (4, 512)] {
        layers.push((format!("resnet18 {size} {channels} b16"), image(16, [channels; 2], size, Same)));
    }
    layers.push(("r5 14 128 b32".into(), image(32, [128; 2], 14, Same)));
    layers.push(("r5 7 256 b32".into(), image(32, [256; 2], 7, Same)));
    layers.push(("r2 13 32-64 b64".into(), image(64, [32, 64], 13, Valid)));
    layers.push(("r2 5 64-128 b64".into(), image(64, [64, 128], 5, Valid)));
    layers
}

fn numbers(len: usize) -> Vec<f32> {
    let mut values = vec![0.0; len];
    Philox::new(1, 2).fill_uniform(-1.0, 1.0, &mut values);
    values
}

/// Seconds that this thread has run, which other work on the machine does not add to; elsewhere than on Linux, seconds
/// since `start`.
fn clock(start: Instant) -> f64 {
    // The kernel brings its count up to date when the thread gives way.
    std::thread::yield_now();
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .map_or_else(|| start.elapsed().as_secs_f64(), |nanoseconds| nanoseconds * 1e-9)
}

/// The least seconds of each call, taken in turn.
fn least(calls: &mut [Box<dyn FnMut() + '_>]) -> Vec<f64> {
    let mut least = vec![f64::INFINITY; calls.len()];
    let start = Instant::now();
    let begin = clock(start);
    let mut rounds = 0;
    while rounds < 4 || (clock(start) - begin < SECONDS && rounds < 200) {
        for (least, call) in least.iter_mut().zip(&mut *calls) {
            call();
            let before = clock(start);
            call();
            *least = least.min(clock(start) - before);
        }
        rounds += 1;
    }
    least
}

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let isa = cpu::init().expect("CONVNET_ISA names an instruction set of this machine");
    println!("{isa}, one thread; ratio: direct time / Winograd's time");
    println!(
        "{:<24} {:<8} {:>12} {:>5}{:>19}{:>19}{:>19}   chosen",
        "", "pass", "direct", "GF/s", "F2", "F4", "F6"
    );
    for (name, g) in layers() {
        for (pass, title) in PASSES {
            if format!("{name} {title}").contains(&filter) {
                measure(&name, g, pass, title);
            }
        }
    }
}

const PASSES: [(Pass, &str); 4] = [
    (Pass::ForwardPacked, "packed"),
    (Pass::Forward, "forward"),
    (Pass::BackwardData, "data"),
    (Pass::BackwardWeights, "weights"),
];

fn measure(name: &str, g: ConvGeometry, pass: Pass, title: &str) {
    let isa = cpu::isa();
    let (x, w, y) = (numbers(g.input_len()), numbers(g.weights_len()), numbers(g.output_len()));
    let bias = numbers(g.out_channels);
    let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Relu, ..Epilogue::NONE };
    let direct = Convolution::with_isa(g, isa).with_method(Method::Direct);
    let sizes = TileSize::ALL.map(|size| Winograd::new(g, isa, size));
    let (x, w, y, sizes, direct) = (&x, &w, &y, &sizes, &direct);
    let mut calls: Vec<Box<dyn FnMut() + '_>> = Vec::new();
    match pass {
        Pass::ForwardPacked | Pass::Forward => {
            let (mut out, mut scratch) = (y.clone(), vec![0.0; direct.forward_scratch()]);
            calls.push(Box::new(move || direct.forward(x, w, epilogue, &mut out, &mut scratch)));
            for tiles in sizes {
                let (mut out, mut scratch) = (y.clone(), vec![0.0; tiles.forward_scratch()]);
                let mut packed = vec![0.0; tiles.packed_weights_len()];
                tiles.pack_weights(w, &mut packed);
                let is_packed = pass == Pass::ForwardPacked;
                calls.push(Box::new(move || {
                    if is_packed {
                        tiles.forward_packed(x, &packed, epilogue, &mut out, &mut scratch);
                    } else {
                        tiles.forward(x, w, epilogue, &mut out, &mut scratch);
                    }
                }));
            }
        }
        Pass::BackwardWeights => {
            let (mut out, mut scratch) = (w.clone(), vec![0.0; direct.backward_weights_scratch()]);
            calls.push(Box::new(move || direct.backward_weights(x, y, &mut out, None, &mut scratch)));
            for tiles in sizes {
                let (mut out, mut scratch) = (w.clone(), vec![0.0; tiles.backward_weights_scratch()]);
                calls.push(Box::new(move || tiles.backward_weights(x, y, &mut out, &mut scratch)));
            }
        }
        Pass::BackwardData => {
            let (mut out, mut scratch) = (x.clone(), vec![0.0; direct.backward_data_scratch()]);
            calls.push(Box::new(move || direct.backward_data(y, w, &mut out, &mut scratch)));
            for tiles in sizes {
                let (mut out, mut scratch) = (x.clone(), vec![0.0; tiles.backward_data_scratch()]);
                calls.push(Box::new(move || tiles.backward_data(y, w, &mut out, &mut scratch)));
            }
        }
    }
    let times = least(&mut calls);
    let speed = |seconds: f64| 2e-9 * g.multiply_adds() as f64 / seconds;
    print!("{name:<24} {title:<8} {:>9.0} µs {:>5.1}", times[0] * 1e6, speed(times[0]));
    for time in &times[1..] {
        print!("{:>8.3} ({:>5.0} GF/s)", times[0] / time, speed(*time));
    }
    println!("  {}", winograd::model(&g, pass, isa));
}
