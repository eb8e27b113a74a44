//! Kernels of rows and of flat arrays: normalisations, losses, optimizers, functions of elements.

use super::*;
use convnet_kernels::loss;
use convnet_kernels::norm::{
    GroupNorm, GroupNormBackward, Response, RowNorm, RowNormBackward, RowStatistics,
};
use convnet_kernels::optimizer::{Adadelta, Adagrad, Adamax, Lion, Nadam, RmsProp, Sgd};
use convnet_kernels::random::{self, Noise};

/// Rows and columns, about vectors, pieces of loops, and both.
const SHAPES: [(usize, usize); 6] = [(1, 1), (3, 7), (16, 33), (300, 5), (5, 5000), (4100, 2)];

#[test]
fn normalisations_of_rows_keep_to_their_slices() {
    in_a_process("rows::normalisations_of_rows_keep_to_their_slices", || {
        on_every_isa(|isa, edge| {
            for (rows, columns) in SHAPES {
                eprintln!("{isa}, {edge:?}: {rows} × {columns}");
                rows_and_responses(rows, columns, edge);
                for groups in [1, columns] {
                    groups_of_channels(rows, columns, groups, edge);
                }
            }
        });
    });
}

fn rows_and_responses(rows: usize, columns: usize, edge: Edge) {
    let len = rows * columns;
    let (x, dy) = (fenced(&numbers(1, len), edge), fenced(&numbers(2, len), edge));
    let (gamma, beta) = (fenced(&numbers(3, columns), edge), fenced(&numbers(4, columns), edge));
    let (mut y, mut dx, mut scratch) = (zeros(len, edge), zeros(len, edge), zeros(len, edge));
    let (mut mean, mut inv) = (zeros(rows, edge), zeros(rows, edge));
    let (mut dgamma, mut dbeta) = (zeros(columns, edge), zeros(columns, edge));
    let epsilon = 0.01;
    for kind in [RowNorm::Layer { epsilon }, RowNorm::RootMeanSquare { epsilon }, RowNorm::Unit { epsilon }] {
        let statistics = RowStatistics { mean: &mut mean, inv: &mut inv };
        norm::row_norm_forward(kind, columns, &x, Some(&gamma), Some(&beta), &mut y, statistics);
        let from = RowNormBackward { x: &x, dy: &dy, gamma: Some(&gamma), mean: &mean, inv: &inv };
        norm::row_norm_backward(kind, from, &mut dx, Some([&mut dgamma, &mut dbeta]));
        norm::row_norm_backward(kind, from, &mut dx, None);
    }
    for depth_radius in [0, 2, columns] {
        let response = Response { depth_radius, bias: 1.5, alpha: 0.3, beta: 0.75 };
        if depth_radius * len < 1_000_000 {
            norm::response_norm_forward(response, columns, &x, &mut y);
            norm::response_norm_backward(response, columns, &x, &dy, &mut dx, &mut scratch);
        }
    }
}

fn groups_of_channels(rows: usize, channels: usize, groups: usize, edge: Edge) {
    let batch = if rows.is_multiple_of(3) { 3 } else { 1 };
    let kind = GroupNorm { batch, channels, groups, epsilon: 0.01 };
    let len = rows * channels;
    let (x, dy) = (fenced(&numbers(1, len), edge), fenced(&numbers(2, len), edge));
    let gamma = fenced(&numbers(3, channels), edge);
    let (mut mean, mut inv_std) = (zeros(batch * groups, edge), zeros(batch * groups, edge));
    let mut scratch = zeros(norm::group_norm_scratch(channels), edge);
    let weights = [Some(&gamma[..]), None];
    let statistics = [&mut mean[..], &mut inv_std[..]];
    norm::group_norm_forward(kind, &x, weights, &mut zeros(len, edge), statistics, &mut scratch);
    let from = GroupNormBackward { x: &x, dy: &dy, gamma: Some(&gamma), mean: &mean, inv_std: &inv_std };
    let (mut dgamma, mut dbeta) = (zeros(channels, edge), zeros(channels, edge));
    let of_channels = [&mut dgamma[..], &mut dbeta[..]];
    norm::group_norm_backward(kind, from, &mut zeros(len, edge), of_channels, &mut scratch);
}

#[test]
fn losses_and_softmaxes_keep_to_their_slices() {
    in_a_process("rows::losses_and_softmaxes_keep_to_their_slices", || {
        on_every_isa(|isa, edge| {
            for (rows, columns) in SHAPES {
                eprintln!("{isa}, {edge:?}: {rows} × {columns}");
                let len = rows * columns;
                let labels: Vec<f32> = (0..rows).map(|row| (row % columns) as f32).collect();
                let labels = fenced(&labels, edge);
                let (x, targets) = (fenced(&numbers(1, len), edge), fenced(&numbers(2, len), edge));
                let (mut y, mut dx) = (zeros(len, edge), zeros(len, edge));
                let (mut each, dloss) = (zeros(rows, edge), fenced(&numbers(3, rows), edge));
                loss::sparse_cross_entropy_from_logits(columns, &labels, &x, &mut each);
                loss::sparse_cross_entropy_from_logits_gradient(columns, &labels, &x, &dloss, &mut dx);
                loss::sparse_cross_entropy(columns, &labels, &x, &mut each);
                loss::sparse_cross_entropy_gradient(columns, &labels, &x, &dloss, &mut dx);
                loss::categorical_cross_entropy_from_logits(columns, &targets, &x, &mut each);
                loss::categorical_cross_entropy_from_logits_gradient(columns, &targets, &x, &dloss, &mut dx);
                loss::categorical_cross_entropy(columns, &targets, &x, &mut each);
                loss::categorical_cross_entropy_gradient(columns, &targets, &x, &dloss, &mut dx);
                loss::binary_cross_entropy_from_logits(columns, &targets, &x, &mut each);
                loss::binary_cross_entropy_from_logits_gradient(columns, &targets, &x, &dloss, &mut dx);
                loss::binary_cross_entropy(columns, &targets, &x, &mut each);
                loss::binary_cross_entropy_gradient(columns, &targets, &x, &dloss, &mut dx);
                loss::mean_squared_error(columns, &targets, &x, &mut each);
                loss::mean_squared_error_gradient(columns, &targets, &x, &dloss, &mut dx);
                softmax::log_softmax(columns, &x, &mut y);
                softmax::log_softmax_gradient(columns, &y, &x, &mut dx);
                softmax::sparsemax(columns, &x, &mut y);
                softmax::sparsemax_gradient(columns, &y, &x, &mut dx);
                softmax::arg_max(columns, &x, &mut fenced(&vec![0; rows], edge));
            }
        });
    });
}

#[test]
fn every_optimizer_keeps_to_its_slices() {
    in_a_process("rows::every_optimizer_keeps_to_its_slices", || {
        on_every_isa(|isa, edge| {
            for len in [1, 7, 33, 40_001] {
                eprintln!("{isa}, {edge:?}: {len}");
                let (mut w, g) = (fenced(&numbers(1, len), edge), fenced(&numbers(2, len), edge));
                let (mut a, mut b, mut c) = (zeros(len, edge), zeros(len, edge), zeros(len, edge));
                let (learning_rate, epsilon, beta_1, beta_2) = (0.1, 1e-7, 0.9, 0.999);
                for nesterov in [false, true] {
                    let settings = Sgd { learning_rate, momentum: 0.9, nesterov };
                    optimizer::sgd(settings, &mut w, &g, Some(&mut a));
                    optimizer::sgd(settings, &mut w, &g, None);
                }
                let settings = RmsProp { learning_rate, rho: 0.9, momentum: 0.5, epsilon };
                optimizer::rmsprop(settings, &mut w, &g, &mut a, Some(&mut b), Some(&mut c));
                optimizer::rmsprop(settings, &mut w, &g, &mut a, None, None);
                optimizer::adagrad(Adagrad { learning_rate, epsilon }, &mut w, &g, &mut a);
                optimizer::adadelta(
                    Adadelta { learning_rate, rho: 0.95, epsilon },
                    &mut w,
                    &g,
                    &mut a,
                    &mut b,
                );
                let settings = Adamax { learning_rate, beta_1, beta_2, epsilon };
                optimizer::adamax(settings, 1, &mut w, &g, &mut a, &mut b);
                let settings = Nadam { learning_rate, beta_1, beta_2, epsilon };
                optimizer::nadam(settings, 1, &mut w, &g, &mut a, &mut b);
                optimizer::lion(Lion { learning_rate, beta_1, beta_2 }, &mut w, &g, &mut a);
                optimizer::scale(&mut w, 0.5);
                optimizer::decay(&mut w, 0.1);
            }
        });
    });
}

#[test]
fn functions_of_elements_keep_to_their_slices() {
    in_a_process("rows::functions_of_elements_keep_to_their_slices", || {
        on_every_isa(|isa, edge| {
            for (rows, columns) in SHAPES {
                eprintln!("{isa}, {edge:?}: {rows} × {columns}");
                let len = rows * columns;
                let (x, dy) = (fenced(&numbers(1, len), edge), fenced(&numbers(2, len), edge));
                let mut y = zeros(len, edge);
                let activations =
                    [Activation::Relu, Activation::Sigmoid, Activation::Tanh, Activation::Linear];
                for activation in activations {
                    elementwise::activate(activation, &x, &mut y);
                    elementwise::activation_gradient(activation, &x, &dy, &mut y);
                    elementwise::activation_gradient_in_place(activation, &x, &mut y);
                }
                for function in UnaryFunction::ALL {
                    elementwise::unary(function, &x, &mut y);
                }
                let of_column = fenced(&numbers(3, columns), edge);
                let across = Broadcast::new(&[rows, columns], &[1, columns]);
                let down = Broadcast::new(&[rows, columns], &[rows, 1]);
                let of_row = fenced(&numbers(4, rows), edge);
                for function in BinaryFunction::ALL {
                    elementwise::binary(function, &across, &x, &of_column, &mut y);
                    elementwise::binary_in_place(function, &down, &of_row, &mut y);
                }
                elementwise::affine_channels(&x, &of_column, &of_column, Activation::Relu, &mut y);
                elementwise::add_bias(&mut y, &of_column);
                elementwise::select(&x, &dy, &x, &mut y);
                elementwise::sum(&[&x, &dy, &x], &mut y);
                random::dropout(&x, 0.5, 1, 2, 3, &mut y);
                random::noise_in_place(Noise::Additive, &mut y, 0.5, 1, 2, 3);
                Philox::new(1, 2).fill_normal(0.0, 1.0, &mut y);
            }
        });
    });
}
