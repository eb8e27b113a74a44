"""One step of SGD on networks of keras.applications, in double precision: step.json.

Made with TensorFlow 2.21.0, Keras 3.15.1. Weights, pictures and classes follow from a formula that the test
(crates/vision/tests/step.rs) has too, so that only what the step changed is kept: of each weight the norm of its change, and the
product of its change with further numbers of the formula.
"""
import json
import pathlib

import keras
import numpy as np

keras.config.set_floatx("float64")
A = keras.applications
NETWORKS = [
    ("resnet50", A.ResNet50, {}),
    ("mobilenet-v2", A.MobileNetV2, {"alpha": 0.35}),
    ("densenet121", A.DenseNet121, {}),
]
SIZE, CLASSES, BATCH, RATE = 48, 10, 4, 0.01


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
    elif name == "moving_variance":
        values = 0.5 + u
    else:
        values = 0.2 * (u - 0.5)
    return values.astype(np.float32).astype(np.float64)


results = []
for name, function, arguments in NETWORKS:
    keras.backend.clear_session()
    model = function(weights=None, input_shape=(SIZE, SIZE, 3), classes=CLASSES, **arguments)
    variables = [(f"{layer.name}/{variable.name}", variable) for layer in model.layers for variable in layer.weights]
    before = [start(variable.name, tuple(variable.shape), index) for index, (_, variable) in enumerate(variables)]
    for (_, variable), values in zip(variables, before):
        variable.assign(values)
    x = numbers(BATCH * SIZE * SIZE * 3, 5000).reshape(BATCH, SIZE, SIZE, 3)
    y = np.arange(BATCH) * 3 % CLASSES
    model.compile(keras.optimizers.SGD(RATE), "sparse_categorical_crossentropy", run_eagerly=True)
    loss = float(model.train_on_batch(x, y))
    changes = []
    for index, ((path, variable), values) in enumerate(zip(variables, before)):
        change = (np.asarray(variable) - values).ravel()
        product = float(change @ (numbers(change.size, 6000 + index) - 0.5))
        changes.append([path, float(f"{np.linalg.norm(change):.7g}"), float(f"{product:.7g}")])
    print(name, loss, len(changes), flush=True)
    results.append({"network": name, **arguments, "loss": loss, "changes": changes})
about = {"size": SIZE, "classes": CLASSES, "batch": BATCH, "rate": RATE, "networks": results}
text = json.dumps(about).replace("[[", "[\n[").replace("], [", "],\n[")
(pathlib.Path(__file__).parent / "step.json").write_text(text + "\n")
