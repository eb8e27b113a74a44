//! Layers of single networks compute what their papers say, and survive being written down.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use convnet_nn::layer::Layer;
use convnet_nn::layers::{Conv2D, from_config};
use convnet_nn::{LayerRef, Model, Symbol};
use convnet_vision::layers::{self, RadialBasis, ScaledTanh, Subsampling, TableConvolution};
use ndarray::{ArrayD, IxDyn};
use std::sync::Arc;

/// Numbers without a pattern, the same each time.
fn noise(dims: &[usize]) -> ArrayD<f32> {
    let mut state = 1_u32;
    ArrayD::from_shape_simple_fn(IxDyn(dims), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

/// A model of one layer with its weights set to noise.
fn model(layer: impl Into<LayerRef>, inputs: &[Vec<usize>]) -> Model {
    let symbols: Vec<Symbol> = inputs.iter().map(|dims| Symbol::input(dims.clone())).collect();
    let output = Symbol::merge(layer, &symbols.iter().collect::<Vec<_>>()).unwrap();
    let mut model = Model::new(&symbols, &[output]).unwrap();
    let weights: Vec<_> = model.weights().map(|weight| (weight.path.clone(), weight.dims.clone())).collect();
    for (path, dims) in weights {
        model.set_weight(&path, noise(&dims).view()).unwrap();
    }
    model
}

fn predict(model: &Model, inputs: &[Vec<usize>]) -> ArrayD<f32> {
    let inputs: Vec<ArrayD<f32>> = inputs.iter().map(|dims| noise(&[&[2], &dims[..]].concat())).collect();
    let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
    model.predict_all(&views).unwrap().remove(0)
}

#[test]
fn layers_survive_being_written_down() {
    layers::register();
    for class in layers::REGISTRY {
        for (layer, inputs) in (class.examples)() {
            assert_eq!(layer.class_name(), class.name);
            let again = from_config(class.name, layer.config()).unwrap();
            let [ours, theirs] =
                [layer, again].map(|layer: Arc<dyn Layer>| predict(&model(layer, &inputs), &inputs));
            assert_eq!(ours, theirs, "{}", class.name);
            assert!(
                ours.iter().all(|x| x.is_finite())
                    && ours.iter().any(|&x| x != ours[[0; 4][..ours.ndim()].as_ref()])
            );
        }
        assert!(from_config(class.name, serde_json::Map::from_iter([("no_such".into(), 1.into())])).is_err());
    }
}

#[test]
fn a_table_that_connects_all_is_a_convolution() {
    let inputs = [vec![6, 7, 3]];
    let table = model(TableConvolution::new(3, vec![vec![0, 1, 2]; 4]), &inputs);
    let mut plain = model(Conv2D::new(4, 3), &inputs);
    // There the connections of a map lie side by side, here the maps of a channel.
    let connections = table.weight_values(table.weight("table_convolution/kernel").unwrap());
    let kernel =
        ArrayD::from_shape_fn(IxDyn(&[3, 3, 3, 4]), |at| connections[[at[0], at[1], 0, 3 * at[3] + at[2]]]);
    plain.set_weight("conv2d/kernel", kernel.view()).unwrap();
    let difference = predict(&table, &inputs) - predict(&plain, &inputs);
    assert!(difference.iter().all(|x| x.abs() < 1e-5), "{difference}");
    let outside = TableConvolution::new(3, vec![vec![0, 3]]);
    assert!(Symbol::input([6, 7, 3]).apply(outside).unwrap_err().to_string().contains("below 3"));
}

#[test]
fn lenet5s_units_follow_its_equations() {
    let inputs = [vec![5]];
    let basis = model(RadialBasis::new(3), &inputs);
    let (x, centres) = (noise(&[2, 5]), noise(&[3, 5]));
    let distances = predict(&basis, &inputs);
    let squashed = predict(&model(ScaledTanh {}, &inputs), &inputs);
    for sample in 0..2 {
        for unit in 0..3 {
            let sum: f32 = (0..5).map(|i| (x[[sample, i]] - centres[[unit, i]]).powi(2)).sum();
            assert!((distances[[sample, unit]] - sum).abs() < 1e-5);
        }
        for i in 0..5 {
            let y = 1.7159 * (2.0 / 3.0 * x[[sample, i]]).tanh();
            assert!((squashed[[sample, i]] - y).abs() < 1e-5);
        }
    }
    let inputs = [vec![4, 4, 2]];
    let pools = predict(&model(Subsampling {}, &inputs), &inputs);
    let (x, weight) = (noise(&[2, 4, 4, 2]), noise(&[2]));
    let sum = x[[1, 2, 0, 1]] + x[[1, 2, 1, 1]] + x[[1, 3, 0, 1]] + x[[1, 3, 1, 1]];
    assert_eq!(pools.shape(), [2, 2, 2, 2]);
    assert!((pools[[1, 1, 0, 1]] - (weight[1] * sum + weight[1])).abs() < 1e-5);
}
