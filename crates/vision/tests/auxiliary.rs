//! GoogLeNet trains with its two classifiers half-way, whose losses count 0.3 each (Szegedy et al., 2015, section 5).

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use convnet_nn::losses::SparseCategoricalCrossentropy;
use convnet_nn::model::Objective;
use convnet_nn::optimizers::Sgd;
use convnet_nn::train::Arrays;
use convnet_nn::{Fit, Metric};
use convnet_vision::zoo;
use ndarray::{Array1, Array4};

#[test]
fn googlenet_trains_with_auxiliary_classifiers() {
    let mut model = zoo::googlenet().input_shape([96, 96, 3]).classes(3).build().unwrap();
    let outputs: Vec<String> = model.output_names().into_iter().map(str::to_owned).collect();
    assert_eq!(outputs.len(), 3);
    let objective = |weight| {
        Objective::new(SparseCategoricalCrossentropy::default()).weight(weight).metrics([Metric::Accuracy])
    };
    model.compile_objectives(Sgd::new(0.01).momentum(0.9), [1.0, 0.3, 0.3].map(objective)).unwrap();
    let labels = Array1::from_shape_fn(6, |i| (i % 3) as f32);
    let images = Array4::from_shape_fn((6, 96, 96, 3), |(i, y, x, c)| {
        if c == i % 3 { 1.0 } else { ((y * 5 + x * 3 + i) as f32).sin() * 0.2 }
    });
    let before = model.get_weights();
    let data = Arrays::with_targets(
        vec![images.view().into_dyn()],
        vec![labels.view().into_dyn(), labels.view().into_dyn(), labels.view().into_dyn()],
    )
    .unwrap();
    let history = model.fit(&data, Fit::new().epochs(4).batch_size(3)).unwrap();
    for log in &history.epochs {
        let own = |output: &String| log.metric(&format!("{output}_loss")).unwrap();
        let sum = own(&outputs[0]) + 0.3 * (own(&outputs[1]) + own(&outputs[2]));
        assert!((log.loss - sum).abs() < 1e-5 * sum, "{log:?}");
        assert!(outputs.iter().all(|output| log.metric(&format!("{output}_accuracy")).is_some()));
    }
    assert!(history.epochs[3].loss < history.epochs[0].loss, "{history:?}");
    let changed = model.get_weights().iter().zip(&before).filter(|(a, b)| a != b).count();
    assert_eq!(changed, before.len(), "every weight is reached by a gradient");
}
