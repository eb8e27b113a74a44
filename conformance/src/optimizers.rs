//! One step of each optimizer on one parameter, as Keras 3 computes it.

/// Plain descent, or with a velocity that is changed.
pub fn sgd(
    w: f64,
    g: f64,
    velocity: Option<&mut f64>,
    learning_rate: f64,
    momentum: f64,
    nesterov: bool,
) -> f64 {
    match velocity {
        None => w - learning_rate * g,
        Some(v) => {
            *v = momentum * *v - learning_rate * g;
            if nesterov { w + momentum * *v - learning_rate * g } else { w + *v }
        }
    }
}

/// The slots of RMSprop that a step changes.
#[derive(Clone, Debug, Default)]
pub struct RmsPropSlots {
    /// Moving mean of g².
    pub mean_square: f64,
    /// Accumulated steps, if momentum is used.
    pub momentum: Option<f64>,
    /// Moving mean of g, if centered.
    pub mean_gradient: Option<f64>,
}

/// RMSprop.
pub fn rmsprop(
    w: f64,
    g: f64,
    slots: &mut RmsPropSlots,
    learning_rate: f64,
    rho: f64,
    momentum: f64,
    epsilon: f64,
) -> f64 {
    slots.mean_square = rho * slots.mean_square + (1.0 - rho) * g * g;
    let mut denominator = slots.mean_square + epsilon;
    if let Some(mean) = &mut slots.mean_gradient {
        *mean = rho * *mean + (1.0 - rho) * g;
        denominator -= *mean * *mean;
    }
    let step = learning_rate * g / denominator.sqrt();
    match &mut slots.momentum {
        None => w - step,
        Some(velocity) => {
            *velocity = momentum * *velocity + step;
            w - *velocity
        }
    }
}

/// Adam; `step` counts from 1, `m` and `v` are changed.
pub fn adam(w: f64, g: f64, m: &mut f64, v: &mut f64, step: i32, settings: [f64; 4]) -> f64 {
    let [learning_rate, beta_1, beta_2, epsilon] = settings;
    *m = beta_1 * *m + (1.0 - beta_1) * g;
    *v = beta_2 * *v + (1.0 - beta_2) * g * g;
    let alpha = learning_rate * (1.0 - beta_2.powi(step)).sqrt() / (1.0 - beta_1.powi(step));
    w - *m * alpha / (v.sqrt() + epsilon)
}
