"""One step of SGD on networks of keras.applications, in double precision: step.json.

Made with TensorFlow 2.21.0, Keras 3.15.1. Weights, pictures and classes follow from a formula that the test
(crates/vision/tests/step.rs) has too, so that only what the step changed is kept: of each weight the norm of its change, and the
product of its change with further numbers of the formula. The rate is 1, so that a change is a gradient. Dropout is switched off.

How far single precision is off is measured: `single` has the differences of Keras's own step in single precision, of the loss as a share of it, of
changes as a share of the largest change in their layer: the median, the 90th percentile, and the largest. (The largest are thousands of times the
median in networks of rectifiers, and not in EfficientNet.)
"""
import json
import pathlib

import keras
import numpy as np

A = keras.applications
NETWORKS = [
    ("resnet50", A.ResNet50, {}),
    ("mobilenet-v2", A.MobileNetV2, {"alpha": 0.35}),
    ("densenet121", A.DenseNet121, {}),
    ("efficientnet-b0", A.EfficientNetB0, {}),
]
SIZE, CLASSES, BATCH, RATE = 64, 10, 8, 1.0


def numbers(count, stream):
    """Numbers from 0 to 1, of 24 bits so that single precision holds them."""
    h = (np.arange(count, dtype=np.uint64) + np.uint64(1_000_003 * stream + 1)) * np.uint64(2654435761)
    h &= np.uint64(0xFFFFFFFF)
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    h ^= h >> np.uint64(13)
    return (h >> np.uint64(8)).astype(np.float64) / 2**24


def start(name, shape, stream):
    u = numbers(int(np.prod(shape)), stream).reshape(shape)
    if len(shape) > 1:
        # Depthwise kernels end in an axis of one.
        fan = shape[0] * shape[1] if len(shape) == 4 and shape[3] == 1 else np.prod(shape[:-1])
        values = (2 * u - 1) * np.sqrt(6.0 / fan)
    elif name == "gamma":
        values = 0.75 + 0.5 * u
    elif name.endswith("variance"):
        values = 0.5 + u
    else:
        values = 0.2 * (u - 0.5)
    return values.astype(np.float32).astype(np.float64)


def step(function, arguments, precision):
    """The loss, and (path, change) of each weight."""
    keras.backend.clear_session()
    keras.config.set_floatx(precision)
    keras.config.set_dtype_policy(precision)
    model = function(weights=None, input_shape=(SIZE, SIZE, 3), classes=CLASSES, **arguments)
    variables = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
        # Keras counts what a normalisation saw, which has no part in it.
        variables += [(f"{layer.name}/{variable.name}", variable) for variable in layer.weights if variable.name != "count"]
    before = [start(variable.name, tuple(variable.shape), index) for index, (_, variable) in enumerate(variables)]
    for (_, variable), values in zip(variables, before):
        variable.assign(values)
    # Where the network scales bytes itself, these are bytes.
    white = 1.0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
            white = 255.0
    x = (numbers(BATCH * SIZE * SIZE * 3, 5000) * white).astype(np.float32).astype(precision).reshape(BATCH, SIZE, SIZE, 3)
    y = np.arange(BATCH) * 3 % CLASSES
    model.compile(keras.optimizers.SGD(RATE), "sparse_categorical_crossentropy", run_eagerly=True)
    assert all(keras.backend.standardize_dtype(variable.dtype) == precision for _, variable in variables)
    loss = float(model.train_on_batch(x, y))
    return loss, white, [
        (path, (np.asarray(variable, np.float64) - values).ravel()) for (path, variable), values in zip(variables, before)]


def summary(changes):
    return [(path, float(np.linalg.norm(change)), float(change @ (numbers(change.size, 6000 + index) - 0.5)))
            for index, (path, change) in enumerate(changes)]


if __name__ == "__main__":
    results = []
    for name, function, arguments in NETWORKS:
        loss, white, changes = step(function, arguments, "float64")
        single_loss, _, single = step(function, arguments, "float32")
        changes, single = summary(changes), summary(single)
        largest = {}
        for path, norm, _ in changes:
            layer = path.split("/")[0]
            largest[layer] = max(largest.get(layer, 0.0), norm)
        far = [max(abs(norm - n), abs(product - p)) / (largest[path.split("/")[0]] or 1.0)
               for (path, norm, product), (_, n, p) in zip(changes, single)]
        worst = int(np.argmax(far))
        off = {"loss": abs(single_loss / loss - 1), "median": np.median(far), "ninety": np.percentile(far, 90), "most": far[worst]}
        off = {what: float(f"{value:.2g}") for what, value in off.items()}
        print(name, loss, len(changes), off, changes[worst][0], flush=True)
        changes = [[path, float(f"{norm:.7g}"), float(f"{product:.7g}")] for path, norm, product in changes]
        results.append({"network": name, **arguments, "white": white, "loss": loss, "single": off, "changes": changes})
    about = {"size": SIZE, "classes": CLASSES, "batch": BATCH, "rate": RATE, "networks": results}
    text = json.dumps(about).replace("[[", "[\n[").replace("], [", "],\n[")
    (pathlib.Path(__file__).parent / "step.json").write_text(text + "\n")
