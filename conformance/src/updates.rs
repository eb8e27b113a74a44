//! One step of further optimizers on one parameter, as Keras 3 computes it. Slots are changed; `step` counts from 1.

/// Adam with the largest mean square so far.
pub fn amsgrad(w: f64, g: f64, slots: &mut [f64], step: i32, settings: [f64; 4]) -> f64 {
    let [learning_rate, beta_1, beta_2, epsilon] = settings;
    slots[0] = beta_1 * slots[0] + (1.0 - beta_1) * g;
    slots[1] = beta_2 * slots[1] + (1.0 - beta_2) * g * g;
    slots[2] = slots[2].max(slots[1]);
    let alpha = learning_rate * (1.0 - beta_2.powi(step)).sqrt() / (1.0 - beta_1.powi(step));
    w - slots[0] * alpha / (slots[2].sqrt() + epsilon)
}

/// Adam with Nesterov's momentum.
pub fn nadam(w: f64, g: f64, slots: &mut [f64], step: i32, settings: [f64; 4]) -> f64 {
    let [learning_rate, beta_1, beta_2, epsilon] = settings;
    let momentum = |step: i32| beta_1 * (1.0 - 0.5 * 0.96_f64.powi(step));
    let product: f64 = (1..=step).map(momentum).product();
    slots[0] = beta_1 * slots[0] + (1.0 - beta_1) * g;
    slots[1] = beta_2 * slots[1] + (1.0 - beta_2) * g * g;
    let next = momentum(step + 1);
    let mean = next * slots[0] / (1.0 - product * next) + (1.0 - momentum(step)) * g / (1.0 - product);
    let square = slots[1] / (1.0 - beta_2.powi(step));
    w - learning_rate * mean / (square.sqrt() + epsilon)
}

/// Adam with the largest gradient.
pub fn adamax(w: f64, g: f64, slots: &mut [f64], step: i32, settings: [f64; 4]) -> f64 {
    let [learning_rate, beta_1, beta_2, epsilon] = settings;
    slots[0] = beta_1 * slots[0] + (1.0 - beta_1) * g;
    slots[1] = (beta_2 * slots[1]).max(g.abs());
    w - learning_rate * slots[0] / ((1.0 - beta_1.powi(step)) * (slots[1] + epsilon))
}

/// Adagrad; only the first and the last setting count.
pub fn adagrad(w: f64, g: f64, slots: &mut [f64], _step: i32, settings: [f64; 4]) -> f64 {
    slots[0] += g * g;
    w - settings[0] * g / (slots[0] + settings[3]).sqrt()
}

/// Adadelta; the second setting is rho.
pub fn adadelta(w: f64, g: f64, slots: &mut [f64], _step: i32, settings: [f64; 4]) -> f64 {
    let [learning_rate, rho, _, epsilon] = settings;
    slots[0] = rho * slots[0] + (1.0 - rho) * g * g;
    let step = (slots[1] + epsilon).sqrt() / (slots[0] + epsilon).sqrt() * g;
    slots[1] = rho * slots[1] + (1.0 - rho) * step * step;
    w - learning_rate * step
}

/// Lion.
pub fn lion(w: f64, g: f64, slots: &mut [f64], _step: i32, settings: [f64; 4]) -> f64 {
    let [learning_rate, beta_1, beta_2, _] = settings;
    let direction = beta_1 * slots[0] + (1.0 - beta_1) * g;
    slots[0] = beta_2 * slots[0] + (1.0 - beta_2) * g;
    w - learning_rate * if direction == 0.0 { 0.0 } else { direction.signum() }
}

/// LAMB, on all parameters of a weight.
pub fn lamb(w: &mut [f64], g: &[f64], slots: &mut [[f64; 2]], step: i32, settings: [f64; 4]) {
    let [learning_rate, beta_1, beta_2, epsilon] = settings;
    let mut steps = Vec::new();
    for (slots, g) in slots.iter_mut().zip(g) {
        slots[0] = beta_1 * slots[0] + (1.0 - beta_1) * g;
        slots[1] = beta_2 * slots[1] + (1.0 - beta_2) * g * g;
        let (mean, square) = (slots[0] / (1.0 - beta_1.powi(step)), slots[1] / (1.0 - beta_2.powi(step)));
        steps.push(mean / (square.sqrt() + epsilon));
    }
    let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let ratio = if length(w) > 0.0 && length(&steps) > 0.0 { length(w) / length(&steps) } else { 1.0 };
    w.iter_mut().zip(steps).for_each(|(w, step)| *w -= ratio * learning_rate * step);
}
