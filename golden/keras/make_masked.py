"""Writes random models of masked sequences with the real Keras: `python make_masked.py FOLDER [COUNT] [SEED]`.

Each is FOLDER/NNN.keras as make_random.py writes it, with `case.json`. Where nothing in it is random in training, `trained.json` has targets, the losses of two steps of SGD on
all samples, and the weights after them. Masks come from Masking and Embedding, go through layers and models that pass them on or lose them, and are merged with
each other and with what has none.
"""

import io
import json
import os
import sys
import warnings
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import keras
import numpy as np
from keras import Input, Model, layers as L

# Keras tells of each layer that ends a mask.
warnings.filterwarnings("ignore")
RANDOM = ("Dropout", "Gaussian")
VERSIONS = {"keras": keras.__version__, "numpy": np.__version__}


class Maker:
    def __init__(self, rng):
        self.rng, self.inputs, self.steps = rng, [], 0

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def size(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def placeholder(self, *shape, dtype="float32"):
        self.inputs.append(Input(shape, dtype=dtype))
        return self.inputs[-1]

    def source(self):
        kind = self.size(0, 3)
        if kind == 0:
            x = self.placeholder(self.steps, dtype="int32")
            return L.Embedding(7, self.size(2, 4), mask_zero=self.pick(True, False))(x)
        x = self.placeholder(self.steps, 3)
        if kind == 1:
            x = L.Reshape((self.steps, 3))(x)
        return L.Masking(0.5)(x) if kind < 3 else x

    def recurrent(self, **more):
        kind = self.pick(L.LSTM, L.GRU, L.SimpleRNN)
        if kind is L.GRU:
            more["reset_after"] = self.pick(True, False)
        return kind(self.size(1, 4), zero_output_for_mask=self.pick(True, False), go_backwards=self.pick(True, False), **more)

    def layer(self, x):
        """The same number of steps."""
        kind = self.pick(L.LSTM, L.GRU, L.SimpleRNN)
        return self.pick(
            lambda: self.recurrent(return_sequences=True),
            lambda: L.Bidirectional(kind(self.size(1, 3), return_sequences=True), merge_mode=self.pick("concat", "sum", "mul", "ave")),
            lambda: L.Dense(self.size(1, 4), activation="tanh"),
            lambda: L.TimeDistributed(L.Dense(self.size(2, 4))),
            L.BatchNormalization, L.LayerNormalization, L.UnitNormalization, L.RMSNormalization, lambda: L.GroupNormalization(1),
            lambda: L.Dropout(0.2), lambda: L.SpatialDropout1D(0.2), lambda: L.GaussianNoise(0.1),
            lambda: L.Activation("tanh"), L.LeakyReLU, L.PReLU, L.Identity, lambda: L.ActivityRegularization(0.1),
            lambda: L.Conv1D(self.size(2, 3), 2, padding="same"),
            lambda: Model(*self.ends(x)),
            lambda: keras.Sequential([Input(x.shape[1:]), L.Dense(3), L.GRU(2, return_sequences=True)]),
        )()(x)

    def ends(self, x):
        inner = Input(x.shape[1:])
        return inner, L.Dense(2)(self.recurrent(return_sequences=True)(inner))

    def states(self, x):
        return self.pick(L.LSTM, L.GRU)(self.size(1, 3), return_sequences=True, return_state=True)(x)[0]

    def merge(self, *xs):
        layers = (L.Add, L.Multiply, L.Average, L.Maximum, L.Minimum)
        if len({x.shape[1] for x in xs}) == 1 and self.pick(True, False):
            if self.pick(True, False):
                return L.Concatenate()(list(xs))
            features = self.size(1, 3)
            return self.pick(*layers)()([x if x.shape[2] == features else L.Dense(features)(x) for x in xs])
        features = min(x.shape[2] for x in xs)
        xs = [x if x.shape[2] == features else L.Dense(features)(x) for x in xs]
        if len({x.shape[1] for x in xs}) > 1 or self.size(0, 3) == 0:
            return L.Concatenate(axis=1)(xs)
        return self.pick(*layers)()(xs)

    def merge_inside(self, a, b):
        p, q = Input(a.shape[1:]), Input(b.shape[1:])
        return Model([p, q], self.merge(p, q))([a, b])

    def end(self, x):
        return self.pick(
            self.recurrent(), self.recurrent(), L.GlobalMaxPooling1D(), L.GlobalAveragePooling1D(), L.Flatten(), L.Identity(),
            L.Bidirectional(L.GRU(2), merge_mode=self.pick("concat", "sum")),
        )(x)

    def model(self):
        self.steps = self.size(2, 5)
        tensors = [self.source() for _ in range(self.size(1, 3))]
        for _ in range(self.size(2, 7)):
            kind, x = self.size(0, 5), tensors[self.rng.integers(len(tensors))]
            if kind <= 2 or len(tensors) == 1:
                tensors.append(self.layer(x))
            elif kind == 3:
                tensors.append(self.states(x))
            else:
                chosen = [tensors[index] for index in self.rng.permutation(len(tensors))[: self.size(2, 3)]]
                tensors.append(self.merge_inside(*chosen[:2]) if kind == 5 else self.merge(*chosen))
        return Model(self.inputs, [self.end(x) for x in tensors[-2:]])

    def fill(self, model):
        for weight in model.weights:
            if weight.name in ("bias", "beta", "moving_mean", "gamma"):
                weight.assign(self.rng.uniform(-0.5, 0.9, weight.shape))
            elif weight.name == "moving_variance":
                weight.assign(self.rng.uniform(0.5, 1.5, weight.shape))

    def values(self, x):
        if "int" in str(x.dtype):
            made = self.rng.integers(0, 7, (3, self.steps))
            return np.where(self.rng.random(made.shape) < 0.4, 0, made).astype("int32")
        made = self.rng.uniform(-1, 1, (3, self.steps, 3)).astype("f")
        made[self.rng.random((3, self.steps)) < 0.4] = 0.5
        return made


def tensor(x):
    x = np.asarray(x).astype("f")
    # The average of no step at all is no number, which JSON has no word for.
    return {"shape": list(x.shape), "values": [float(f"{v:.9g}") if np.isfinite(v) else None for v in x.ravel().tolist()]}


def layers_of(model):
    for layer in model.layers:
        yield layer
        yield from layers_of(layer) if hasattr(layer, "layers") else ()


def trained(model, inputs, outputs, rng):
    targets = [rng.uniform(-1, 1, output.shape).astype("f") for output in outputs]
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss=["mse"] * len(targets), run_eagerly=True)
    one = lambda values: values if len(values) > 1 else values[0]
    losses = [float(model.train_on_batch(one(inputs), one(targets), return_dict=True)["loss"]) for _ in range(2)]
    return {"y": list(map(tensor, targets)), "losses": losses, "weights": list(map(tensor, model.get_weights()))}


def main(folder, count=250, seed=5):
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(int(seed))
    for number in range(int(count)):
        keras.backend.clear_session()
        keras.utils.set_random_seed(int(rng.integers(1 << 30)))
        maker = Maker(rng)
        model = maker.model()
        maker.fill(model)
        inputs = [maker.values(x) for x in model.inputs]
        outputs = [np.asarray(output) for output in model(inputs, training=False)]
        path = os.path.join(folder, f"{number:03}.keras")
        model.save(path)
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        cases = {"case": {"versions": VERSIONS, "inputs": list(map(tensor, inputs)), "outputs": list(map(tensor, outputs))}}
        is_random = any(name in type(layer).__name__ for layer in layers_of(model) for name in RANDOM)
        if not is_random and all(np.isfinite(output).all() for output in outputs):
            cases["trained"] = trained(model, inputs, outputs, rng)
        members |= {f"{name}.json": json.dumps(case, separators=(",", ":")).encode() for name, case in cases.items()}
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        with open(path, "wb") as file:
            file.write(packed.getvalue())


if __name__ == "__main__":
    main(*sys.argv[1:])
