//! Pools with a given output size, and pools over channels.

use convnet_kernels::pool::AdaptiveGeometry;

/// For each output element in order, the input elements of its window in order.
fn windows(g: &AdaptiveGeometry) -> Vec<Vec<usize>> {
    let [id, ih, iw] = g.input;
    let [od, oh, ow] = g.output;
    let covers = |o: usize, i: usize, input: usize, output: usize| {
        i as f64 >= (o as f64 * input as f64 / output as f64).floor()
            && (i as f64) < ((o + 1) as f64 * input as f64 / output as f64).ceil()
    };
    let mut all = Vec::new();
    for n in 0..g.batch {
        for o in 0..od * oh * ow {
            for c in 0..g.channels {
                let mut window = Vec::new();
                for i in 0..id * ih * iw {
                    let inside = covers(o / (oh * ow), i / (ih * iw), id, od)
                        && covers(o / ow % oh, i / iw % ih, ih, oh)
                        && covers(o % ow, i % iw, iw, ow);
                    if inside {
                        window.push((n * id * ih * iw + i) * g.channels + c);
                    }
                }
                all.push(window);
            }
        }
    }
    all
}

/// Mean of each window.
pub fn average(g: &AdaptiveGeometry, x: &[f64]) -> Vec<f64> {
    let mean = |window: Vec<usize>| window.iter().map(|&i| x[i]).sum::<f64>() / window.len() as f64;
    windows(g).into_iter().map(mean).collect()
}

/// Gradient of [`average`].
pub fn average_backward(g: &AdaptiveGeometry, dy: &[f64]) -> Vec<f64> {
    let mut dx = vec![0.0; g.input_len()];
    for (window, dy) in windows(g).into_iter().zip(dy) {
        window.iter().for_each(|&i| dx[i] += dy / window.len() as f64);
    }
    dx
}

/// Maximum of each window.
pub fn max(g: &AdaptiveGeometry, x: &[f64]) -> Vec<f64> {
    let max = |window: Vec<usize>| window.iter().map(|&i| x[i]).fold(f64::NEG_INFINITY, f64::max);
    windows(g).into_iter().map(max).collect()
}

/// Gradient of [`max`]: to the first element that has it.
pub fn max_backward(g: &AdaptiveGeometry, x: &[f64], dy: &[f64]) -> Vec<f64> {
    let mut dx = vec![0.0; g.input_len()];
    for ((window, max), dy) in windows(g).into_iter().zip(max(g, x)).zip(dy) {
        let first = window.into_iter().find(|&i| x[i] == max).expect("one of them is the maximum");
        dx[first] += dy;
    }
    dx
}

/// Maximum of so many neighbouring channels.
pub fn channel_max(window: usize, x: &[f64]) -> Vec<f64> {
    x.chunks(window).map(|window| window.iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect()
}
