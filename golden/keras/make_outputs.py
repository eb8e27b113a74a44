"""Writes outputs.json and two_outputs.keras with the real Keras: `python make_outputs.py`.

A model with two outputs, trained by lists and dictionaries of losses, with loss weights and sample weights; a model with one output and class weights; and what
Keras's callbacks decide when they are shown given figures. Seeds are fixed.
"""

import json
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def tensor(value):
    value = np.asarray(value, dtype=np.float32)
    return {"shape": list(value.shape), "values": [float(str(v)) for v in value.ravel()]}


def uniform(rng, *shape, low=-1.0, high=1.0):
    return rng.uniform(low, high, shape).astype(np.float32)


def write(name, content):
    versions = {"keras": keras.__version__, "numpy": np.__version__}
    with open(os.path.join(HERE, name + ".json"), "w") as file:
        json.dump({"versions": versions, **content}, file, separators=(",", ":"))
        file.write("\n")


def two_outputs():
    x = keras.Input((6,), name="x")
    h = keras.layers.Dense(5, activation="tanh", name="h")(x)
    size = keras.layers.Dense(2, name="size")(h)
    kind = keras.layers.Dense(3, activation="softmax", name="kind")(h)
    return keras.Model(x, [size, kind], name="two_outputs")


def samples(rng, count):
    return uniform(rng, count, 6), uniform(rng, count, 2), rng.integers(0, 3, count).astype("float32")


def run(rng, name, compiled, weighted):
    """Three epochs over 12 samples in batches of 4, and an evaluation. (On TensorFlow Keras counts a smaller last batch as a whole one in the losses of the outputs.)"""
    keras.utils.set_random_seed(7)
    model = two_outputs()
    start = model.get_weights()
    model.compile(optimizer=keras.optimizers.SGD(0.1), **compiled)
    x, size, kind = samples(rng, 12)
    weights = uniform(rng, 12, low=0.0, high=2.0) if weighted else None
    # One array for all outputs, as there is one here; Keras wants it for each.
    given = [weights, weights] if weighted else None
    data = dict(x=x, y=[size, kind], sample_weight=given, batch_size=4)
    history = model.fit(**data, epochs=3, shuffle=False, verbose=0).history
    scores = model.evaluate(**data, return_dict=True, verbose=0)
    case = {
        "name": name,
        "x": tensor(x), "size": tensor(size), "kind": tensor(kind),
        "sample_weight": tensor(weights) if weighted else None,
        "start": [tensor(value) for value in start],
        "weights": [tensor(value) for value in model.get_weights()],
        "history": {key: [float(value) for value in values] for key, values in history.items()},
        "evaluation": {key: float(value) for key, value in scores.items()},
        "compile_config": json.loads(json.dumps(model.get_compile_config())),
    }
    return case, model


def class_weights(rng):
    keras.utils.set_random_seed(8)
    cases = []
    for one_hot in (False, True):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
        start = model.get_weights()
        loss = "categorical_crossentropy" if one_hot else "sparse_categorical_crossentropy"
        model.compile(keras.optimizers.SGD(0.2), loss, metrics=["accuracy"])
        x, y = uniform(rng, 12, 4), rng.integers(0, 3, 12).astype("float32")
        targets = keras.utils.to_categorical(y, 3) if one_hot else y
        history = model.fit(x, targets, batch_size=5, epochs=2, shuffle=False, verbose=0, class_weight={0: 0.5, 1: 3.0})
        cases.append({
            "loss": loss, "x": tensor(x), "y": tensor(targets), "class_weight": [0.5, 3.0],
            "start": [tensor(value) for value in start],
            "weights": [tensor(value) for value in model.get_weights()],
            "history": history.history,
        })
    return cases


def decisions(rng):
    """For each case the rate of each epoch, how many there were, and the epoch whose weights the model ended with."""
    cases = []
    early = [
        dict(patience=2), dict(patience=0), dict(patience=1, min_delta=0.05), dict(patience=2, baseline=0.55),
        dict(patience=2, restore_best_weights=True), dict(patience=1, start_from_epoch=4, restore_best_weights=True),
        dict(patience=3, baseline=0.1, restore_best_weights=True), dict(patience=2, mode="max"),
    ]
    plateau = [
        dict(patience=2, factor=0.5), dict(patience=1, factor=0.1, cooldown=2), dict(patience=2, factor=0.5, min_lr=0.03),
        dict(patience=1, factor=0.5, min_delta=0.05), dict(patience=1, factor=0.5, mode="max"),
    ]
    curves = [np.round(0.7 + np.cumsum(rng.normal(-0.01, 0.05, 14)), 3).tolist() for _ in range(4)]
    curves.append([0.9, 0.8, 0.8, 0.7, 0.7, 0.7, 0.6, 0.6, 0.6, 0.6, 0.5, 0.5, 0.5, 0.5])
    x, y = np.ones((4, 2), "float32"), np.ones((4,), "float32")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["accuracy"])
    # A real training first: callbacks ask the model's metrics which way they ought to go.
    model.fit(x, y, verbose=0)
    for monitor in ("val_loss", "val_accuracy"):
        for kind, settings in [("EarlyStopping", one) for one in early] + [("ReduceLROnPlateau", one) for one in plateau]:
            for values in curves:
                callback = getattr(keras.callbacks, kind)(monitor=monitor, **settings)
                callback.set_model(model)
                model.optimizer.learning_rate, model.stop_training = 0.1, False
                callback.on_train_begin()
                rates = []
                for epoch, value in enumerate(values):
                    callback.on_epoch_begin(epoch)
                    rates.append(float(str(np.float32(keras.ops.convert_to_numpy(model.optimizer.learning_rate)))))
                    # Weights by which the epoch is known again.
                    model.set_weights([np.full((2, 1), epoch + 1.0), np.zeros(1)])
                    callback.on_epoch_end(epoch, {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5, monitor: value})
                    if model.stop_training:
                        break
                callback.on_train_end()
                cases.append({
                    "class_name": kind, "monitor": monitor, "config": settings, "values": values,
                    "epochs": len(rates), "rates": rates, "final": int(model.get_weights()[0][0, 0]),
                })
    return cases


def main():
    rng = np.random.default_rng(20)
    losses = ["mse", "sparse_categorical_crossentropy"]
    by_name = dict(zip(["size", "kind"], losses))
    runs = [
        run(rng, "lists", dict(loss=losses, metrics=[[], ["accuracy"]]), False),
        run(rng, "weights", dict(loss=losses, loss_weights=[0.5, 2.0], metrics=[[], ["accuracy"]]), False),
        run(rng, "names", dict(loss=by_name, loss_weights={"size": 0.3, "kind": 1.0}, metrics={"kind": ["accuracy"]}), False),
        run(rng, "sample weights", dict(loss=losses, loss_weights=[1.0, 0.3], metrics=[[], ["accuracy"]]), True),
        run(rng, "one loss", dict(loss=[None, "sparse_categorical_crossentropy"], metrics=[[], ["accuracy"]]), False),
    ]
    runs[2][1].save(os.path.join(HERE, "two_outputs.keras"))
    write("outputs", {
        "model": json.loads(runs[0][1].to_json()),
        "runs": [case for case, _ in runs],
        "class_weights": class_weights(rng),
        "decisions": decisions(rng),
    })


if __name__ == "__main__":
    main()
