//! The least value of a function of many numbers: Adam and L-BFGS.

use std::collections::VecDeque;

use convnet_nn::Result;

/// A function's value and gradient.
pub(super) type Slope = (f64, Vec<f32>);

/// So many steps of Adam (Kingma, Ba, 2014, <https://arxiv.org/abs/1412.6980>), numbers staying in 0 … 1.
pub(super) fn adam(
    mut x: Vec<f32>,
    rate: f32,
    steps: usize,
    mut function: impl FnMut(&[f32]) -> Result<Slope>,
    mut seen: impl FnMut(&[f32], f64),
) -> Result<Vec<f32>> {
    let (mut first, mut second) = (vec![0.0_f32; x.len()], vec![0.0_f32; x.len()]);
    for step in 1..=steps {
        let (value, gradient) = function(&x)?;
        let (bias, square_bias) = (1.0 - 0.9_f32.powi(step as i32), 1.0 - 0.999_f32.powi(step as i32));
        for (((x, first), second), &slope) in x.iter_mut().zip(&mut first).zip(&mut second).zip(&gradient) {
            *first += 0.1 * (slope - *first);
            *second += 0.001 * (slope * slope - *second);
            *x = (*x - rate * (*first / bias) / ((*second / square_bias).sqrt() + 1e-8)).clamp(0.0, 1.0);
        }
        seen(&x, value);
    }
    Ok(x)
}

/// Changes of place and gradient, with one over their product.
struct Change {
    x: Vec<f32>,
    gradient: Vec<f32>,
    inverse: f64,
}

/// At most so many steps of L-BFGS with the last ten changes, each as long as Armijo's rule allows (Nocedal, Wright, *Numerical
/// Optimization*, algorithm 7.4); it ends where no step leads down.
pub(super) fn lbfgs(
    mut x: Vec<f32>,
    steps: usize,
    mut function: impl FnMut(&[f32]) -> Result<Slope>,
    mut seen: impl FnMut(&[f32], f64),
) -> Result<Vec<f32>> {
    let mut memory: VecDeque<Change> = VecDeque::new();
    let (mut value, mut gradient) = function(&x)?;
    for _ in 0..steps {
        let mut direction = downhill(&memory, &gradient);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            memory.clear();
            direction = gradient.iter().map(|slope| -slope).collect();
            slope = dot(&direction, &gradient);
        }
        // Before anything is known of the curvature, a step changes the numbers by 0.01 in the mean.
        let length = (dot(&direction, &direction) / x.len().max(1) as f64).sqrt();
        let mut share = if memory.is_empty() && length > 0.0 { 0.01 / length } else { 1.0 };
        let mut found = None;
        for _ in 0..12 {
            let next: Vec<f32> = x.iter().zip(&direction).map(|(x, way)| x + share as f32 * way).collect();
            let (next_value, next_gradient) = function(&next)?;
            if next_value <= value + 1e-4 * share * slope {
                found = Some((next, next_value, next_gradient));
                break;
            }
            share *= 0.5;
        }
        let Some((next, next_value, next_gradient)) = found else { break };
        let change = |new: &[f32], old: &[f32]| new.iter().zip(old).map(|(new, old)| new - old).collect();
        let (moved, bent): (Vec<f32>, Vec<f32>) = (change(&next, &x), change(&next_gradient, &gradient));
        let product = dot(&moved, &bent);
        if product > 1e-20 {
            memory.push_back(Change { x: moved, gradient: bent, inverse: product.recip() });
            if memory.len() > 10 {
                memory.pop_front();
            }
        }
        (x, value, gradient) = (next, next_value, next_gradient);
        seen(&x, value);
    }
    Ok(x)
}

/// Minus the inverse of the Hessian, as the changes show it, times the gradient.
fn downhill(memory: &VecDeque<Change>, gradient: &[f32]) -> Vec<f32> {
    let mut direction: Vec<f32> = gradient.iter().map(|slope| -slope).collect();
    let add = |direction: &mut [f32], factor: f64, change: &[f32]| {
        direction.iter_mut().zip(change).for_each(|(way, change)| *way += factor as f32 * change);
    };
    let mut shares = Vec::new();
    for change in memory.iter().rev() {
        let share = change.inverse * dot(&change.x, &direction);
        add(&mut direction, -share, &change.gradient);
        shares.push(share);
    }
    if let Some(last) = memory.back() {
        let scale = (last.inverse * dot(&last.gradient, &last.gradient)).recip() as f32;
        direction.iter_mut().for_each(|way| *way *= scale);
    }
    for (change, share) in memory.iter().zip(shares.into_iter().rev()) {
        let back = change.inverse * dot(&change.gradient, &direction);
        add(&mut direction, share - back, &change.x);
    }
    direction
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Σ k (x_k − 1/k)², whose least value is 0.
    fn bowl(x: &[f32]) -> Result<Slope> {
        let away = |k: usize| x[k] - 1.0 / (k + 1) as f32;
        let value = (0..x.len()).map(|k| (k + 1) as f64 * f64::from(away(k)).powi(2)).sum();
        Ok((value, (0..x.len()).map(|k| 2.0 * (k + 1) as f32 * away(k)).collect()))
    }

    #[test]
    fn both_find_the_bottom_of_a_bowl() {
        let mut values = Vec::new();
        let found = lbfgs(vec![0.0; 20], 40, bowl, |_, value| values.push(value)).unwrap();
        assert!(bowl(&found).unwrap().0 < 1e-8, "{values:?}");
        assert!(values.windows(2).all(|pair| pair[1] <= pair[0]), "every step leads down");
        let found = adam(vec![0.0; 20], 0.02, 400, bowl, |_, _| ()).unwrap();
        assert!(bowl(&found).unwrap().0 < 1e-3, "{found:?}");
    }
}
