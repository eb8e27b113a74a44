//! Softmax and losses against their references, and their gradients against numeric ones.

use convnet_conformance::problem::numbers;
use convnet_conformance::{activation, assert_close, losses as reference, numeric_gradient, widen};
use convnet_kernels::loss::{Circle, Spelling};
use convnet_kernels::{loss, softmax};

const ROWS: usize = 7;
const COLUMNS: usize = 10;

fn logits() -> Vec<f32> {
    numbers(1, ROWS * COLUMNS).into_iter().map(|x| x * 5.0).collect()
}

/// Positive numbers that sum to about one in each row.
fn probabilities() -> Vec<f32> {
    let mut p = vec![0.0; ROWS * COLUMNS];
    softmax::softmax(COLUMNS, &logits(), &mut p);
    p
}

fn labels() -> Vec<f32> {
    (0..ROWS).map(|row| (row * 3 % COLUMNS) as f32).collect()
}

fn soft_targets() -> Vec<f32> {
    let mut t = vec![0.0; ROWS * COLUMNS];
    softmax::softmax(COLUMNS, &numbers(2, ROWS * COLUMNS), &mut t);
    t
}

type Loss = fn(usize, &[f32], &[f32], &mut [f32]);
type Gradient = fn(usize, &[f32], &[f32], &[f32], &mut [f32]);

/// Holds a loss and its gradient against `reference(row, predictions of the row)`.
fn check(
    what: &str,
    targets: &[f32],
    predictions: &[f32],
    kernels: (Loss, Gradient),
    reference: impl Fn(usize, &[f64]) -> f64,
) {
    let mut losses = vec![f32::NAN; ROWS];
    kernels.0(COLUMNS, targets, predictions, &mut losses);
    let rows: Vec<Vec<f64>> = predictions.chunks_exact(COLUMNS).map(widen).collect();
    let expected: Vec<f64> = rows.iter().enumerate().map(|(row, p)| reference(row, p)).collect();
    assert_close(what, &losses, &expected, 2e-6, 1e-6);

    let dloss = numbers(3, ROWS);
    let mut gradient = vec![f32::NAN; predictions.len()];
    kernels.1(COLUMNS, targets, predictions, &dloss, &mut gradient);
    for (row, p) in rows.iter().enumerate() {
        let expected: Vec<f64> = numeric_gradient(|p| reference(row, p), p, 1e-8)
            .into_iter()
            .map(|slope| slope * f64::from(dloss[row]))
            .collect();
        let scale = expected.iter().fold(0.0_f64, |largest, slope| largest.max(slope.abs()));
        let gradient = &gradient[row * COLUMNS..][..COLUMNS];
        assert_close(&format!("{what} gradient"), gradient, &expected, 1e-4, 2e-6 * scale.max(1.0));
    }
}

#[test]
fn cross_entropies_from_logits_agree() {
    let (labels, targets) = (labels(), soft_targets());
    check(
        "sparse",
        &labels,
        &logits(),
        (loss::sparse_cross_entropy_from_logits, loss::sparse_cross_entropy_from_logits_gradient),
        |row, x| reference::sparse_from_logits(labels[row] as usize, x),
    );
    check(
        "categorical",
        &targets,
        &logits(),
        (loss::categorical_cross_entropy_from_logits, loss::categorical_cross_entropy_from_logits_gradient),
        |row, x| reference::categorical_from_logits(&widen(&targets[row * COLUMNS..][..COLUMNS]), x),
    );
    check(
        "binary",
        &targets,
        &logits(),
        (loss::binary_cross_entropy_from_logits, loss::binary_cross_entropy_from_logits_gradient),
        |row, x| reference::binary_from_logits(&widen(&targets[row * COLUMNS..][..COLUMNS]), x),
    );
}

#[test]
fn cross_entropies_from_probabilities_agree() {
    let (labels, targets) = (labels(), soft_targets());
    check(
        "sparse",
        &labels,
        &probabilities(),
        (loss::sparse_cross_entropy, loss::sparse_cross_entropy_gradient),
        |row, p| reference::sparse(labels[row] as usize, p),
    );
    check(
        "categorical",
        &targets,
        &probabilities(),
        (loss::categorical_cross_entropy, loss::categorical_cross_entropy_gradient),
        |row, p| reference::categorical(&widen(&targets[row * COLUMNS..][..COLUMNS]), p),
    );
    check(
        "binary",
        &targets,
        &probabilities(),
        (loss::binary_cross_entropy, loss::binary_cross_entropy_gradient),
        |row, p| reference::binary(&widen(&targets[row * COLUMNS..][..COLUMNS]), p),
    );
}

#[test]
fn squared_errors_agree() {
    let targets = soft_targets();
    check(
        "squared",
        &targets,
        &logits(),
        (loss::mean_squared_error, loss::mean_squared_error_gradient),
        |row, p| reference::squared(&widen(&targets[row * COLUMNS..][..COLUMNS]), p),
    );
}

#[test]
fn certain_and_wrong_probabilities_are_clipped() {
    let p = [1.0, 0.0];
    let mut losses = [0.0];
    let mut gradient = [f32::NAN; 2];
    loss::sparse_cross_entropy(2, &[1.0], &p, &mut losses);
    assert_close("sparse", &losses, &[reference::sparse(1, &widen(&p))], 1e-5, 0.0);
    loss::sparse_cross_entropy_gradient(2, &[1.0], &p, &[1.0], &mut gradient);
    assert_eq!(gradient, [0.0; 2]);
    loss::categorical_cross_entropy(2, &[0.0, 1.0], &p, &mut losses);
    assert_close("categorical", &losses, &[reference::categorical(&[0.0, 1.0], &widen(&p))], 1e-5, 0.0);
    loss::binary_cross_entropy(2, &[0.0, 1.0], &p, &mut losses);
    assert_close("binary", &losses, &[reference::binary(&[0.0, 1.0], &widen(&p))], 0.02, 0.0);
    loss::binary_cross_entropy_gradient(2, &[0.0, 1.0], &p, &[1.0], &mut gradient);
    assert_eq!(gradient, [0.0; 2]);
}

#[test]
fn huge_logits_give_finite_losses() {
    let logits = [1e4, -1e4, 0.0];
    let mut losses = [f32::NAN];
    loss::sparse_cross_entropy_from_logits(3, &[1.0], &logits, &mut losses);
    assert_eq!(losses[0], 2e4);
    loss::binary_cross_entropy_from_logits(3, &[1.0, 0.0, 0.5], &logits, &mut losses);
    assert_close("binary", &losses, &[2.0_f64.ln() / 3.0], 1e-6, 0.0);
}

#[test]
#[should_panic(expected = "label 3 is not a class index below 3")]
fn a_label_outside_the_classes_is_refused() {
    loss::sparse_cross_entropy_from_logits(3, &[3.0], &[0.0; 3], &mut [0.0]);
}

#[test]
fn softmax_and_its_gradient_agree() {
    for columns in [1, 2, 10, 33, 1000] {
        let (x, dy) = (numbers(1, 3 * columns), numbers(2, 3 * columns));
        let mut y = vec![f32::NAN; x.len()];
        let mut dx = vec![f32::NAN; x.len()];
        softmax::softmax(columns, &x, &mut y);
        softmax::softmax_gradient(columns, &y, &dy, &mut dx);
        for row in 0..3 {
            let range = row * columns..(row + 1) * columns;
            let (x, dy) = (widen(&x[range.clone()]), widen(&dy[range.clone()]));
            let expected = activation::softmax(&x);
            assert_close("softmax", &y[range.clone()], &expected, 2e-6, 0.0);
            let dot: f64 = expected.iter().zip(&dy).map(|(y, dy)| y * dy).sum();
            let expected: Vec<f64> = expected.iter().zip(&dy).map(|(y, dy)| y * (dy - dot)).collect();
            assert_close("softmax gradient", &dx[range], &expected, 1e-5, 1e-6);
        }
    }
}

#[test]
fn the_first_of_equal_maxima_wins() {
    let mut out = [9; 3];
    softmax::arg_max(4, &[0.0, 2.0, 2.0, 1.0, -1.0, -3.0, -1.0, -2.0, 0.0, 0.0, 0.0, 5.0], &mut out);
    assert_eq!(out, [1, 0, 3]);
    assert_eq!(activation::arg_max(&[0.0, 2.0, 2.0, 1.0]), 1);
}

#[test]
fn spellings_agree_with_all_ways_there_are() {
    let (steps, classes) = (5, 4);
    let labels: [&[usize]; 7] = [&[1, 2], &[2, 2], &[3, 1, 2, 3, 1], &[], &[1, 1, 1], &[3], &[2, 3, 3, 1]];
    let width = 6;
    let mut padded = vec![0.0; labels.len() * width];
    for (to, label) in padded.chunks_exact_mut(width).zip(labels) {
        to.iter_mut().zip(label).for_each(|(to, &symbol)| *to = symbol as f32);
    }
    let logits: Vec<f32> = numbers(4, labels.len() * steps * classes).into_iter().map(|x| x * 4.0).collect();
    let sizes = Spelling { steps, classes, width };
    let mut scratch = vec![f32::NAN; sizes.scratch()];
    let mut losses = vec![f32::NAN; labels.len()];
    loss::ctc(sizes, &padded, &logits, &mut losses, &mut scratch);
    let dloss = numbers(5, labels.len());
    let mut gradient = vec![f32::NAN; logits.len()];
    loss::ctc_gradient(sizes, &padded, &logits, &dloss, &mut gradient, &mut scratch);
    for (row, (label, x)) in labels.iter().zip(logits.chunks_exact(steps * classes)).enumerate() {
        let what = format!("label {label:?}");
        let expected = reference::ctc(classes, label, &widen(x));
        assert_close(&what, &losses[row..=row], &[expected], 2e-6, 1e-6);
        let expected: Vec<f64> = numeric_gradient(|x| reference::ctc(classes, label, x), &widen(x), 1e-6)
            .into_iter()
            .map(|slope| slope * f64::from(dloss[row]))
            .collect();
        let gradient = &gradient[row * steps * classes..][..steps * classes];
        assert_close(&format!("{what} gradient"), gradient, &expected, 1e-4, 2e-6);
    }
}

#[test]
fn a_label_without_room_has_a_finite_loss_and_gradient() {
    // Two of the same need three steps.
    let sizes = Spelling { steps: 2, classes: 3, width: 2 };
    let (mut scratch, mut losses, mut gradient) = (vec![0.0; sizes.scratch()], [0.0], [f32::NAN; 6]);
    loss::ctc(sizes, &[1.0, 1.0], &numbers(6, 6), &mut losses, &mut scratch);
    assert!((700.0..720.0).contains(&losses[0]), "{}", losses[0]);
    loss::ctc_gradient(sizes, &[1.0, 1.0], &numbers(6, 6), &[1.0], &mut gradient, &mut scratch);
    assert!(gradient.iter().all(|slope| slope.is_finite()) && gradient.iter().any(|&slope| slope != 0.0));
}

#[test]
fn circles_agree() {
    let (rows, width) = (9, 11);
    // The class 7 has one sample: nothing of its own kind is near it.
    let kinds = [0, 3, 0, 3, 7, 0, 12, 12, 3];
    let labels: Vec<f32> = kinds.iter().map(|&kind| kind as f32).collect();
    let mut x = numbers(7, rows * width);
    for row in x.chunks_exact_mut(width) {
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        row.iter_mut().for_each(|x| *x /= length);
    }
    for (gamma, margin, remove_diagonal) in [(80.0, 0.4, true), (3.0, 0.25, true), (6.0, 0.1, false)] {
        let rule = Circle { gamma, margin, remove_diagonal };
        let (mut losses, mut scratch) = (vec![f32::NAN; rows], vec![f32::NAN; rows]);
        loss::circle(width, rule, &labels, &x, &mut losses, &mut scratch);
        let rule64 = (f64::from(gamma), f64::from(margin), remove_diagonal);
        let each = |x: &[f64], row| reference::circle(width, rule64, &kinds, x, row);
        let expected: Vec<f64> = (0..rows).map(|row| each(&widen(&x), row)).collect();
        assert_close(&format!("{rule:?}"), &losses, &expected, 1e-5, 1e-6);
        assert_eq!(losses[4] == 0.0, remove_diagonal);

        let (dloss, mut gradient) = (numbers(8, rows), vec![f32::NAN; x.len()]);
        loss::circle_gradient(width, rule, &labels, &x, &dloss, &mut gradient, &mut scratch);
        let all = |x: &[f64]| (0..rows).map(|row| each(x, row) * f64::from(dloss[row])).sum::<f64>();
        // The diagonal, where distances cannot become negative, has no slope there.
        let expected = numeric_gradient(all, &widen(&x), 1e-7);
        let scale = expected.iter().fold(0.0_f64, |largest, slope| largest.max(slope.abs()));
        assert_close(&format!("{rule:?} gradient"), &gradient, &expected, 1e-3, 1e-5 * scale);
    }
}
