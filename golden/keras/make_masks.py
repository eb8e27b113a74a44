"""Writes masks.json with the real Keras: `python make_masks.py`.

Nets that give something for each time step, some of which a mask passes over: trained three epochs, and evaluated. Seeds are fixed.
"""

import json

import numpy as np
from make_outputs import keras, tensor, uniform, write

L = keras.layers
STEPS = 5


def words():
    x = keras.Input((STEPS,), name="x")
    h = L.Embedding(7, 4, mask_zero=True, name="words")(x)
    h = L.LSTM(3, return_sequences=True, name="steps")(h)
    return keras.Model(x, L.Dense(3, activation="softmax", name="kinds")(h), name="words_to_kinds")


def rows():
    x = keras.Input((STEPS, 3), name="x")
    h = L.Masking(name="some")(x)
    h = L.SimpleRNN(4, return_sequences=True, name="steps")(h)
    return keras.Model(x, L.TimeDistributed(L.Dense(2), name="each")(h), name="rows_to_rows")


def two_masks():
    x = keras.Input((STEPS, 3), name="x")
    there, back = L.Masking(name="there")(x), L.Masking(name="back")(keras.ops.flip(x, axis=1))
    h = L.Maximum(name="larger")([there, back])
    h = L.BatchNormalization(momentum=0.5, name="normal")(L.Concatenate(name="both")([h, there]))
    h = L.SimpleRNN(4, return_sequences=True, name="steps")(h)
    return keras.Model(x, L.TimeDistributed(L.Dense(2), name="each")(h), name="two_masks")


def normalised():
    x = keras.Input((STEPS, 3), name="x")
    h = L.BatchNormalization(momentum=0.5, scale=False, name="normal")(L.Masking(name="some")(x))
    return keras.Model(x, L.Dense(2, name="each")(h), name="normalised")


def case(rng, name, make, loss, weighted=False, ignored=False):
    keras.utils.set_random_seed(11)
    model = make()
    start = model.get_weights()
    metrics = ["accuracy"] if make is words else ["mean_absolute_error", keras.metrics.RootMeanSquaredError()]
    kind = "weighted_metrics" if weighted else "metrics"
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=loss, **{kind: metrics})
    lengths = np.array([5, 1, 3, 0, 2, 4, 5, 1, 0, 0, 0, 0])
    passed = np.arange(STEPS)[None] >= lengths[:, None]
    if make is words:
        x = rng.integers(1, 7, (12, STEPS)).astype("float32")
        x[passed] = 0
        y = rng.integers(0, 3, (12, STEPS)).astype("float32")
        if ignored:
            y[rng.random(y.shape) < 0.3] = 2
    else:
        x, y = uniform(rng, 12, STEPS, 3), uniform(rng, 12, STEPS, 2)
        x[passed] = 0
    weights = uniform(rng, 12, low=0.0, high=2.0) if weighted else None
    # Keras wants an axis for the steps beside a mask.
    data = dict(x=x, y=y, sample_weight=weights[:, None] if weighted else None, batch_size=4)
    history = model.fit(**data, epochs=3, shuffle=False, verbose=0).history
    return {
        "name": name,
        "model": json.loads(model.to_json()),
        "x": tensor(x), "y": tensor(y),
        "sample_weight": tensor(weights) if weighted else None,
        "start": [tensor(value) for value in start],
        "weights": [tensor(value) for value in model.get_weights()],
        "history": {key: [float(value) for value in values] for key, values in history.items()},
        "compile_config": json.loads(json.dumps(model.get_compile_config())),
    }


if __name__ == "__main__":
    rng = np.random.default_rng(12)
    sparse = keras.losses.SparseCategoricalCrossentropy
    write("masks", {"cases": [
        case(rng, "words, sparse cross-entropy", words, sparse()),
        case(rng, "words, sparse cross-entropy, weighted", words, sparse(), weighted=True),
        case(rng, "words, sparse cross-entropy, a class ignored", words, sparse(ignore_class=2), ignored=True),
        case(rng, "rows, squared error", rows, "mean_squared_error"),
        case(rng, "rows, absolute error, weighted", rows, "mean_absolute_error", weighted=True),
        case(rng, "two masks, squared error", two_masks, "mean_squared_error"),
        case(rng, "normalised, squared error", normalised, "mean_squared_error"),
    ]})
