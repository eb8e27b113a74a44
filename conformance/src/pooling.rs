//! Pooling, by definition.

use convnet_kernels::geometry::PoolGeometry;

/// For each output element in order, calls `f(output, the real input elements under its window in order of the taps)`.
fn for_each_window(g: &PoolGeometry, mut f: impl FnMut(usize, &[(usize, usize)])) {
    let [d, h, w] = g.window.axes;
    let mut output = 0;
    for n in 0..g.batch {
        for od in 0..d.output() {
            for oh in 0..h.output() {
                for ow in 0..w.output() {
                    for c in 0..g.channels {
                        let mut elements = Vec::new();
                        for kd in 0..d.kernel {
                            for kh in 0..h.kernel {
                                for kw in 0..w.kernel {
                                    let place = (d.source(od, kd), h.source(oh, kh), w.source(ow, kw));
                                    if let (Some(id), Some(ih), Some(iw)) = place {
                                        let pixel = ((n * d.input + id) * h.input + ih) * w.input + iw;
                                        let tap = (kd * h.kernel + kh) * w.kernel + kw;
                                        elements.push((tap, pixel * g.channels + c));
                                    }
                                }
                            }
                        }
                        f(output, &elements);
                        output += 1;
                    }
                }
            }
        }
    }
}

/// Maximum of each window, and the first tap that has it.
pub fn max_forward(g: &PoolGeometry, input: &[f64]) -> (Vec<f64>, Vec<usize>) {
    let mut maxima = vec![f64::NEG_INFINITY; g.output_len()];
    let mut taps = vec![0; g.output_len()];
    for_each_window(g, |output, elements| {
        for &(tap, element) in elements {
            if input[element] > maxima[output] {
                (maxima[output], taps[output]) = (input[element], tap);
            }
        }
    });
    (maxima, taps)
}

/// Each output's gradient goes to the first input element that has the maximum.
pub fn max_backward(g: &PoolGeometry, input: &[f64], output_gradient: &[f64]) -> Vec<f64> {
    let (_, taps) = max_forward(g, input);
    let mut input_gradient = vec![0.0; g.input_len()];
    for_each_window(g, |output, elements| {
        for &(tap, element) in elements {
            if tap == taps[output] {
                input_gradient[element] += output_gradient[output];
            }
        }
    });
    input_gradient
}

/// Mean of the real elements of each window; 0 if there are none.
pub fn average_forward(g: &PoolGeometry, input: &[f64]) -> Vec<f64> {
    let mut means = vec![0.0; g.output_len()];
    for_each_window(g, |output, elements| {
        for &(_, element) in elements {
            means[output] += input[element] / elements.len() as f64;
        }
    });
    means
}

/// Each output's gradient is shared evenly by the real elements of its window.
pub fn average_backward(g: &PoolGeometry, output_gradient: &[f64]) -> Vec<f64> {
    let mut input_gradient = vec![0.0; g.input_len()];
    for_each_window(g, |output, elements| {
        for &(_, element) in elements {
            input_gradient[element] += output_gradient[output] / elements.len() as f64;
        }
    });
    input_gradient
}
