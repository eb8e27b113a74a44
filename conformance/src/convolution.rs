//! Convolution and its two gradients, by definition. Channels c and f of the formulas are pairs of one group.

use convnet_kernels::geometry::ConvGeometry;

/// Calls `f(input pixel, output pixel, tap)` for every output pixel and tap that reads real input, where pixels count
/// over batch, depth, height and width.
fn for_each_tap(g: &ConvGeometry, mut f: impl FnMut(usize, usize, usize)) {
    let [d, h, w] = g.window.axes;
    let mut output = 0;
    for n in 0..g.batch {
        for od in 0..d.output() {
            for oh in 0..h.output() {
                for ow in 0..w.output() {
                    for kd in 0..d.kernel {
                        for kh in 0..h.kernel {
                            for kw in 0..w.kernel {
                                let place = (d.source(od, kd), h.source(oh, kh), w.source(ow, kw));
                                if let (Some(id), Some(ih), Some(iw)) = place {
                                    let input = ((n * d.input + id) * h.input + ih) * w.input + iw;
                                    f(input, output, (kd * h.kernel + kh) * w.kernel + kw);
                                }
                            }
                        }
                    }
                    output += 1;
                }
            }
        }
    }
}

/// Calls `f(input channel, output channel, place in the tap's weights)` for every pair of channels of one group.
fn for_each_pair(g: &ConvGeometry, mut f: impl FnMut(usize, usize, usize)) {
    let (channels, filters) = (g.in_channels / g.groups, g.out_channels / g.groups);
    for group in 0..g.groups {
        for c in 0..channels {
            for o in group * filters..(group + 1) * filters {
                f(group * channels + c, o, c * g.out_channels + o);
            }
        }
    }
}

/// Weights of a tap.
fn tap_len(g: &ConvGeometry) -> usize {
    g.in_channels / g.groups * g.out_channels
}

/// `output[n,o,f] = bias[f] + Σ_tap Σ_c input[n, source(o,tap), c] · weights[tap,c,f]`.
pub fn forward(g: &ConvGeometry, input: &[f64], weights: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
    let (channels, filters) = (g.in_channels, g.out_channels);
    let mut output = vec![0.0; g.output_len()];
    if let Some(bias) = bias {
        output.chunks_exact_mut(filters).for_each(|pixel| pixel.copy_from_slice(bias));
    }
    for_each_tap(g, |i, o, tap| {
        for_each_pair(g, |c, f, place| {
            output[o * filters + f] += input[i * channels + c] * weights[tap * tap_len(g) + place];
        });
    });
    output
}

/// `input_gradient[n,i,c] = Σ_{o,tap: source(o,tap)=i} Σ_f output_gradient[n,o,f] · weights[tap,c,f]`.
pub fn backward_data(g: &ConvGeometry, output_gradient: &[f64], weights: &[f64]) -> Vec<f64> {
    let (channels, filters) = (g.in_channels, g.out_channels);
    let mut input_gradient = vec![0.0; g.input_len()];
    for_each_tap(g, |i, o, tap| {
        for_each_pair(g, |c, f, place| {
            input_gradient[i * channels + c] +=
                output_gradient[o * filters + f] * weights[tap * tap_len(g) + place];
        });
    });
    input_gradient
}

/// `weight_gradient[tap,c,f] = Σ_{n,o} input[n, source(o,tap), c] · output_gradient[n,o,f]`.
pub fn backward_weights(g: &ConvGeometry, input: &[f64], output_gradient: &[f64]) -> Vec<f64> {
    let (channels, filters) = (g.in_channels, g.out_channels);
    let mut weight_gradient = vec![0.0; g.weights_len()];
    for_each_tap(g, |i, o, tap| {
        for_each_pair(g, |c, f, place| {
            weight_gradient[tap * tap_len(g) + place] +=
                input[i * channels + c] * output_gradient[o * filters + f];
        });
    });
    weight_gradient
}

/// `bias_gradient[f] = Σ_{n,o} output_gradient[n,o,f]`.
pub fn backward_bias(g: &ConvGeometry, output_gradient: &[f64]) -> Vec<f64> {
    let mut bias_gradient = vec![0.0; g.out_channels];
    for pixel in output_gradient.chunks_exact(g.out_channels) {
        bias_gradient.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
    }
    bias_gradient
}
