//! Configurations whose metrics, losses, sizes or wiring ask for far more than memory, as a file is opened and its summary printed: each gives an
//! error, or a summary, and never a panic.

use convnet_nn::metrics::{ConfusionMatrix, Iou, Metric};
use convnet_nn::model::{Model, from_config_within};
use convnet_nn::{Shape, losses};
use serde_json::{Value, json};

/// The most numbers that the weights of models here may have.
const MOST: usize = 1 << 20;

fn open(json: &Value) -> Result<Model, String> {
    from_config_within(json, MOST).map_err(|problem| problem.to_string())
}

fn input(dims: &[u64]) -> Value {
    let shape: Vec<Value> =
        std::iter::once(Value::Null).chain(dims.iter().map(|&size| json!(size))).collect();
    json!({ "class_name": "InputLayer", "config": { "batch_shape": shape, "name": "x" }, "name": "x", "inbound_nodes": [] })
}

/// A row of layers on samples of sizes `dims`.
fn row(dims: &[u64], layers: &[Value]) -> Value {
    let layers: Vec<Value> = std::iter::once(input(dims)).chain(layers.iter().cloned()).collect();
    json!({ "class_name": "Sequential", "config": { "name": "m", "layers": layers } })
}

/// A model whose output is its input, judged by a loss and metrics.
fn judged(dims: &[u64], loss: &str, metrics: &Value) -> Value {
    let mut json = row(dims, &[json!({ "class_name": "ReLU", "config": {} })]);
    json["compile_config"] = json!({ "optimizer": "sgd", "loss": loss, "metrics": metrics });
    json
}

fn metric(class: &str, config: &Value) -> Value {
    json!([{ "class_name": class, "config": config }])
}

fn assert_refused(json: &Value, expected: &str) {
    match open(json) {
        Ok(_) => panic!("a model was made that should say `{expected}`"),
        Err(problem) => assert!(problem.contains(expected), "{problem}"),
    }
}

#[test]
fn thresholds_that_no_memory_holds_are_refused() {
    for count in [1_000_000_000_000_000_000_u64, 100_000_000_000, 70_000] {
        let auc = metric("AUC", &json!({ "num_thresholds": count }));
        assert_refused(&judged(&[1], "mse", &auc), "num_thresholds must be at most 65536");
        for (class, rate) in [
            ("PrecisionAtRecall", "recall"),
            ("RecallAtPrecision", "precision"),
            ("SensitivityAtSpecificity", "specificity"),
            ("SpecificityAtSensitivity", "sensitivity"),
        ] {
            let at_rate = metric(class, &json!({ "num_thresholds": count, rate: 0.5 }));
            assert_refused(&judged(&[1], "mse", &at_rate), "num_thresholds must be at most 65536");
        }
    }
    let fine = metric("AUC", &json!({ "num_thresholds": 65_536 }));
    open(&judged(&[1], "mse", &fine)).unwrap();
}

#[test]
fn classes_that_no_memory_holds_are_refused() {
    for count in [8_589_934_592_u64, 1_000_000_000_000_000_000, 5000] {
        for class in ["MeanIoU", "IoU", "OneHotIoU", "OneHotMeanIoU"] {
            let iou = metric(class, &json!({ "num_classes": count, "target_class_ids": [0] }));
            assert_refused(&judged(&[4], "mse", &iou), "num_classes is");
        }
        let iou = metric("MeanIoU", &json!({ "num_classes": count }));
        assert_refused(&judged(&[4], "mse", &iou), "num_classes is");
    }
    open(&judged(&[4], "mse", &metric("MeanIoU", &json!({ "num_classes": 4096 })))).unwrap();
    let shape = Shape::batched([1 << 36]);
    assert!(ConfusionMatrix::new(&shape, &shape).is_err());
    assert!(Metric::from(Iou::of_classes(2, [7])).meter(&shape, &shape).is_err());
}

#[test]
fn counters_for_each_of_very_many_classes_are_refused() {
    let auc = metric("AUC", &json!({ "multi_label": true }));
    assert_refused(&judged(&[1 << 20], "mse", &auc), "multi_label has 1048576 classes");
    open(&judged(&[1 << 16], "mse", &auc)).unwrap();
    for class in ["f1_score", "fbeta_score", "r2_score", "exact_auc"] {
        assert_refused(&judged(&[1 << 32], "mse", &json!([class])), "there are 4294967296 classes");
        open(&judged(&[1 << 20], "mse", &json!([class]))).unwrap();
    }
    open(&judged(&[1 << 32], "mse", &json!(["accuracy", "mae"]))).unwrap();
}

#[test]
fn metrics_that_are_very_many_are_not_made_when_a_file_is_opened() {
    let many = vec![json!({ "class_name": "AUC", "config": { "multi_label": true } }); 300];
    open(&judged(&[1 << 16], "mse", &json!(many))).unwrap();
}

#[test]
fn losses_of_samples_of_one_number_are_their_own_means_or_are_refused() {
    for loss in losses::REGISTRY {
        let json = judged(&[], loss.name, &json!(["mae", "accuracy", "f1_score", "auc"]));
        match open(&json) {
            Ok(model) => drop(model.summary(32).unwrap().to_string()),
            Err(problem) => assert!(problem.contains("expected"), "{}: {problem}", loss.name),
        }
    }
    for loss in ["mae", "mape", "msle", "mse", "huber", "log_cosh", "poisson", "hinge", "squared_hinge"] {
        open(&judged(&[], loss, &json!(["mae"]))).unwrap();
    }
    for loss in ["kl_divergence", "categorical_hinge", "categorical_focal_crossentropy"] {
        assert_refused(&judged(&[], loss, &Value::Null), "an output with an axis");
    }
}

#[test]
fn images_of_more_pixels_than_any_has_are_refused() {
    let resizing = |height: u64, width: u64, interpolation: &str| {
        let config = json!({ "height": height, "width": width, "interpolation": interpolation });
        row(&[1, 1, 1], &[json!({ "class_name": "Resizing", "config": config })])
    };
    for interpolation in ["bilinear", "nearest"] {
        assert_refused(&resizing(17_179_869_184, 1, interpolation), "at most 1048576 pixels");
        assert_refused(&resizing(1, 1_048_577, interpolation), "at most 1048576 pixels");
    }
    let config = json!({ "size": [17_179_869_184_u64, 1], "interpolation": "bilinear" });
    let up = row(&[1, 1, 1], &[json!({ "class_name": "UpSampling2D", "config": config })]);
    assert_refused(&up, "at most 1048576 pixels");
}

#[test]
fn tables_of_very_many_images_are_not_made_for_a_summary() {
    let config = |height: usize| json!({ "height": height, "width": 1 });
    let layers: Vec<Value> = (0..1000)
        .map(|index| json!({ "class_name": "Resizing", "config": config((1 << 20) - index % 2) }))
        .collect();
    let model = open(&row(&[1, 1, 1], &layers)).unwrap();
    assert_eq!(model.summary(1).unwrap().layers.len(), 1000);
}

/// `count` layers on the input, and one that adds all that they make.
fn sum_of(count: usize) -> Value {
    let mut layers = vec![input(&[1])];
    let name = |index: usize| format!("r{index}");
    layers.extend((0..count).map(|index| {
        json!({ "class_name": "ReLU", "config": {}, "name": name(index), "inbound_nodes": [[["x", 0, 0]]] })
    }));
    let all: Vec<Value> = (0..count).map(|index| json!([name(index), 0, 0])).collect();
    layers.push(json!({ "class_name": "Add", "config": {}, "name": "sum", "inbound_nodes": [all] }));
    let ends = json!({ "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["sum", 0, 0]] });
    json!({ "class_name": "Functional", "config": ends })
}

#[test]
fn very_many_inputs_of_a_layer_do_not_widen_the_table() {
    let mut json = sum_of(1);
    let again = vec![json!(["r0", 0, 0]); 22_000];
    json["config"]["layers"][2]["inbound_nodes"] = json!([again]);
    let summary = open(&json).unwrap().summary(1).unwrap();
    assert_eq!(summary.layers[2].connected_to.len(), 22_000);
    let text = summary.to_string();
    assert!(text.contains("r0, r0 and 21950 more"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() < 400));
}

#[test]
fn very_many_layers_make_a_table_of_some_megabytes() {
    let summary = open(&sum_of(3000)).unwrap().summary(1).unwrap();
    assert_eq!(summary.layers[3001].connected_to[2999], "r2999");
    assert_eq!(summary.layers[17].connected_to, ["x"]);
    assert!(summary.to_string().len() < 8 << 20);
}

#[test]
fn a_very_long_name_is_cut() {
    let mut json = row(&[1], &[json!({ "class_name": "ReLU", "config": { "name": "é".repeat(70_000) } })]);
    json["config"]["layers"][1]["name"] = json!("é".repeat(70_000));
    // If there is no bound on names, the table still has one.
    if let Ok(model) = open(&json) {
        assert!(model.summary(1).unwrap().to_string().lines().all(|line| line.chars().count() < 400));
    }
}

#[test]
fn wide_cells_show_all_that_there_is_room_for() {
    let text = open(&sum_of(40)).unwrap().summary(1).unwrap().to_string();
    assert!(text.contains("r38, r39"), "{text}");
    assert!(!text.contains("more"), "{text}");
}
