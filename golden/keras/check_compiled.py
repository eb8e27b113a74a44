"""Does the real Keras open what convnet compiled, trained and saved, and take the same next step?

usage: check_compiled.py FOLDER      (of what `cargo run -p convnet-interop --example compiled -- FOLDER` wrote)

Every optimizer, schedule, loss and metric occurs. Figures of the step and weights behind it must agree; of legacy files the figures alone: what Keras 3.15
itself has written in that format it loads with an optimizer that knows none of its weights and refuses to train, so a new one of its configuration trains.
"""

import glob
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np

LIMIT = 1e-5


def array(tensor):
    return np.array(tensor["values"], "f").reshape(tensor["shape"])


def far(found, expected):
    """The largest difference, relative to the largest number or 1. What is no number for both is equal; JSON has none for it."""
    found, expected = np.asarray(found, "d"), np.asarray(np.nan if expected is None else expected, "d")
    assert found.shape == expected.shape, (found.shape, expected.shape)
    if np.array_equal(np.isnan(found), np.isnan(expected)):
        found, expected = np.nan_to_num(found), np.nan_to_num(expected)
    return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))


def step(path, about):
    """How far Keras's next step is from ours, by what it is compared."""
    model = keras.saving.load_model(path)
    # Hundreds of models take one step each, which is not worth compiling; JAX cannot do without.
    model.run_eagerly = keras.backend.backend() == "tensorflow"
    x, y, weight = array(about["x"]), [array(t) for t in about["y"]], about["sample_weight"]
    weights = weight and [array(weight)] * len(y)
    if len(y) == 1:
        y, weights = y[0], weights[0] if weights else None
    if path.endswith(".h5"):
        model.optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    logs = model.train_on_batch(x, y, sample_weight=weights, return_dict=True)
    # As Keras's `fit` ends.
    model.optimizer.finalize_variable_values(model.trainable_weights)
    figures = {name: value for name, value in about["figures"].items() if name != "learning_rate"}
    assert set(logs) == set(figures), f"Keras reports {sorted(logs)}, convnet {sorted(figures)}"
    differences = {name: far(np.mean(np.asarray(logs[name])), value) for name, value in figures.items()}
    if path.endswith(".keras"):
        for weight in model.weights:
            name = "/".join(weight.path.split("/")[-2:])
            differences[name] = far(weight, array(about["weights"][name]))
        assert len(about["weights"]) == len(model.weights)
    return differences


failed, count, worst = [], 0, 0.0
for about_path in sorted(glob.glob(os.path.join(sys.argv[1], "*.json"))):
    with open(about_path) as file:
        about = json.load(file)
    for ending in (".keras", ".h5"):
        path = about_path.removesuffix(".json") + ending
        if "CTC" in path and about["figures"]["loss"] > 100 and keras.backend.backend() == "jax":
            continue  # of a label that does not fit into the steps JAX makes 1e5, TensorFlow and we 707
        keras.backend.clear_session()
        count += 1
        try:
            differences = step(path, about)
        except Exception as problem:
            failed.append(f"{path}: {type(problem).__name__}: {str(problem)[:400]}")
            continue
        bad = {name: f"{value:.1e}" for name, value in differences.items() if not value < LIMIT}
        worst = max(worst, max((value for value in differences.values() if value < LIMIT), default=0.0))
        if bad:
            failed.append(f"{path}: differs in {bad}")
print(f"{count - len(failed)} of {count} files: the same step; largest difference of these {worst:.1e}")
print("\n".join(failed))
sys.exit(bool(failed))
