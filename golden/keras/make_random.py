"""Write random functional models with the real Keras: `python make_random.py FOLDER [COUNT] [SEED]`.

Each is FOLDER/NNN.keras, an archive as Keras saves it (packed more tightly), with one more member: `case.json`, which has
inputs and Keras's outputs for them. Layers and activations that were used least come first, so that all occur, each layer on samples of every rank that
it takes. Shapes are odd, layers are shared,
models are nested, inputs and outputs several. `crates/interop/tests/random_models.rs` reads them.
"""

import io
import json
import os
import sys
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# oneDNN divides by zero in some pools of TensorFlow 2.21, which ends the process.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
import keras
import numpy as np

L = keras.layers
VERSIONS = {"keras": keras.__version__, "numpy": np.__version__}
# All of Keras's but for glu, which halves an axis, sparsemax, which Keras 3.15 computes wrongly, and threshold, which has no default.
ACTIVATIONS = ("relu", "tanh", "sigmoid", "linear", "elu", "selu", "gelu", "softplus", "swish", "hard_sigmoid", "leaky_relu",
               "mish", "softsign", "relu6", "hard_silu", "celu", "exponential", "hard_shrink", "hard_tanh", "log_sigmoid", "log_softmax",
               "soft_shrink", "softmax", "sparse_plus", "sparse_sigmoid", "squareplus", "tanh_shrink")
# Tensors with more numbers a sample are not made larger.
MOST = 3000


class Maker:
    def __init__(self, rng, used):
        self.rng, self.used = rng, used

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def size(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def activation(self):
        return least_used(self, [f"activation {name}" for name in ACTIVATIONS]).split()[1]

    def axis(self, shape):
        return self.pick(-1, *range(1, len(shape) + 1))


def by_rank(name, ranks):
    return {rank: getattr(L, f"{name}{rank}D") for rank in ranks}


CONV, TRANSPOSED = by_rank("Conv", (1, 2, 3)), {r: getattr(L, f"Conv{r}DTranspose") for r in (1, 2, 3)}
DEPTHWISE, SEPARABLE = by_rank("DepthwiseConv", (1, 2)), by_rank("SeparableConv", (1, 2))
POOLS = {k: by_rank(k, (1, 2, 3)) for k in ("MaxPooling", "AveragePooling", "GlobalMaxPooling", "GlobalAveragePooling",
                                            "AdaptiveMaxPooling", "AdaptiveAveragePooling", "SpatialDropout", "ZeroPadding", "Cropping", "UpSampling")}


def windows(m, shape):
    """Kernel sizes that fit, with strides or a dilation, not both."""
    kernel = [m.size(1, min(3, s)) for s in shape[:-1]]
    padding = m.pick("valid", "same")
    if m.pick(True, False):
        return {"kernel_size": kernel, "strides": m.size(1, 2), "padding": padding}
    dilation = 2 if all(s >= 2 * (k - 1) + 1 for s, k in zip(shape, kernel)) else 1
    return {"kernel_size": kernel, "dilation_rate": dilation, "padding": padding}


def spatial(shape):
    return len(shape) - 1


def wide(shape):
    return 1 <= spatial(shape) <= 3


def pools(m, shape):
    size, strides, padding = m.size(1, 3), m.size(1, 3), m.pick("valid", "same")
    # In volumes TensorFlow begins behind the border where a window that is smaller than the stride wants less than no padding.
    if spatial(shape) == 3 and strides > size:
        padding = "valid"
    return {"pool_size": size, "strides": strides, "padding": padding}


def recurrent(kind):
    def make(m, shape):
        arguments = {"return_sequences": m.pick(True, False), "go_backwards": m.pick(True, False), "use_bias": m.pick(True, False),
                     "dropout": m.pick(0.0, 0.2)}
        if kind is L.GRU:
            arguments["reset_after"] = m.pick(True, False)
        return kind(m.size(1, 4), activation=m.pick("tanh", "relu"), **arguments)
    return make


def einsum_dense(m, shape):
    """A layer that keeps the axes in the middle, by name or by an ellipsis, or makes one of all."""
    steps = "bcdefg"[:len(shape) - 1]
    units, bias, activation = m.size(1, 4), m.pick(None, "z"), m.activation()
    equation, sizes = m.pick((f"a{steps}y,yz->a{steps}z", (*[None] * len(steps), units)), ("...y,yz->...z", units), (f"a{steps}y,{steps}yz->az", units))
    return L.EinsumDense(equation, output_shape=sizes, bias_axes=bias, activation=activation)


# Name: whether it fits a sample of a shape, and what makes it.
LAYERS = {
    "Activation": (lambda s: True, lambda m, s: L.Activation(m.activation())),
    "ActivityRegularization": (lambda s: True, lambda m, s: L.ActivityRegularization(l2=0.01)),
    "AdaptiveAveragePooling": (wide, lambda m, s: POOLS["AdaptiveAveragePooling"][spatial(s)](tuple(m.size(1, 3) for _ in s[:-1]))),
    "AdaptiveMaxPooling": (wide, lambda m, s: POOLS["AdaptiveMaxPooling"][spatial(s)](tuple(m.size(1, min(3, n)) for n in s[:-1]))),
    "AlphaDropout": (lambda s: True, lambda m, s: L.AlphaDropout(0.1)),
    "AveragePooling": (lambda s: wide(s) and min(s[:-1]) > 2, lambda m, s: POOLS["AveragePooling"][spatial(s)](**pools(m, s))),
    "BatchNormalization": (lambda s: True, lambda m, s: L.BatchNormalization(
        axis=m.axis(s), scale=m.pick(True, False), center=m.pick(True, False), epsilon=m.pick(1e-3, 1e-2))),
    "Bidirectional": (lambda s: spatial(s) == 1, lambda m, s: L.Bidirectional(
        m.pick(L.LSTM, L.GRU, L.SimpleRNN)(m.size(1, 3), return_sequences=m.pick(True, False)),
        merge_mode=m.pick("concat", "sum", "mul", "ave"))),
    "CenterCrop": (lambda s: spatial(s) == 2 and min(s[:2]) > 2, lambda m, s: L.CenterCrop(2, 2)),
    "Conv": (wide, lambda m, s: CONV[spatial(s)](m.size(1, 5), activation=m.activation(), use_bias=m.pick(True, False), **windows(m, s))),
    "ConvCausal": (lambda s: spatial(s) == 1, lambda m, s: L.Conv1D(m.size(1, 4), m.size(1, 3), padding="causal", dilation_rate=m.size(1, 2))),
    "ConvGroups": (lambda s: wide(s) and s[-1] % 2 == 0, lambda m, s: CONV[spatial(s)](4, 2, groups=2, padding="same")),
    "ConvTranspose": (wide, lambda m, s: TRANSPOSED[spatial(s)](
        m.size(1, 3), m.size(2, 3), strides=m.size(1, 2), padding=m.pick("valid", "same"), activation=m.activation())),
    "Cropping": (lambda s: wide(s) and min(s[:-1]) > 2, lambda m, s: POOLS["Cropping"][spatial(s)](1)),
    "Dense": (lambda s: True, lambda m, s: L.Dense(
        m.size(1, 6), activation=m.activation(), use_bias=m.pick(True, False), kernel_initializer=m.pick("he_normal", "orthogonal", "lecun_uniform"),
        kernel_regularizer=m.pick(None, "l2", keras.regularizers.L1L2(0.01, 0.02)), kernel_constraint=m.pick(None, "max_norm", "non_neg"))),
    "DepthwiseConv": (lambda s: spatial(s) in (1, 2), lambda m, s: DEPTHWISE[spatial(s)](
        m.size(1, 3), padding="same", depth_multiplier=m.size(1, 2), activation=m.activation())),
    "Dropout": (lambda s: True, lambda m, s: L.Dropout(0.3)),
    "EinsumDense": (lambda s: True, lambda m, s: einsum_dense(m, s)),
    "ELU": (lambda s: True, lambda m, s: L.ELU(alpha=0.7)),
    "Flatten": (lambda s: spatial(s) > 0, lambda m, s: L.Flatten()),
    "GaussianDropout": (lambda s: True, lambda m, s: L.GaussianDropout(0.1)),
    "GaussianNoise": (lambda s: True, lambda m, s: L.GaussianNoise(0.1)),
    "GlobalAveragePooling": (wide, lambda m, s: POOLS["GlobalAveragePooling"][spatial(s)](keepdims=m.pick(True, False))),
    "GlobalMaxPooling": (wide, lambda m, s: POOLS["GlobalMaxPooling"][spatial(s)](keepdims=m.pick(True, False))),
    "GroupNormalization": (wide, lambda m, s: L.GroupNormalization(groups=m.pick(-1, 1, 2) if s[-1] % 2 == 0 else 1)),
    "GLU": (lambda s: s[-1] % 2 == 0, lambda m, s: L.Activation("glu")),
    "GRU": (lambda s: spatial(s) == 1, recurrent(L.GRU)),
    "Identity": (lambda s: True, lambda m, s: L.Identity()),
    "LayerNormalization": (lambda s: True, lambda m, s: L.LayerNormalization(
        axis=m.axis(s), center=m.pick(True, False), scale=m.pick(True, False))),
    "LeakyReLU": (lambda s: True, lambda m, s: L.LeakyReLU(negative_slope=0.1)),
    "LSTM": (lambda s: spatial(s) == 1, recurrent(L.LSTM)),
    "MaxPooling": (lambda s: wide(s) and min(s[:-1]) > 2, lambda m, s: POOLS["MaxPooling"][spatial(s)](**pools(m, s))),
    "Normalization": (lambda s: True, lambda m, s: L.Normalization(mean=[0.1 * i for i in range(s[-1])], variance=[0.5 + i for i in range(s[-1])])),
    "NormalizationOfWeights": (lambda s: True, lambda m, s: L.Normalization()),
    "Permute": (lambda s: spatial(s) > 0, lambda m, s: L.Permute([int(i) + 1 for i in m.rng.permutation(len(s))])),
    "PReLU": (lambda s: True, lambda m, s: L.PReLU(shared_axes=m.pick(None, [1]))),
    "RandomBrightness": (lambda s: spatial(s) == 2, lambda m, s: L.RandomBrightness(0.2, value_range=(-1.0, 1.0))),
    "RandomContrast": (lambda s: spatial(s) == 2, lambda m, s: L.RandomContrast(0.2, value_range=(-1.0, 1.0))),
    "RandomCrop": (lambda s: spatial(s) == 2, lambda m, s: L.RandomCrop(m.size(2, 5), m.size(2, 5))),
    "RandomFlip": (lambda s: spatial(s) == 2, lambda m, s: L.RandomFlip(m.pick("horizontal", "vertical", "horizontal_and_vertical"))),
    "RandomRotation": (lambda s: spatial(s) == 2, lambda m, s: L.RandomRotation(0.2, fill_mode=m.pick("reflect", "constant", "wrap", "nearest"))),
    "RandomTranslation": (lambda s: spatial(s) == 2, lambda m, s: L.RandomTranslation(0.2, (-0.1, 0.3))),
    "RandomZoom": (lambda s: spatial(s) == 2, lambda m, s: L.RandomZoom(0.2, m.pick(None, 0.3))),
    "ReLU": (lambda s: True, lambda m, s: L.ReLU(max_value=m.pick(None, 1.5), negative_slope=m.pick(0.0, 0.1))),
    "RepeatVector": (lambda s: len(s) == 1, lambda m, s: L.RepeatVector(m.size(2, 4))),
    "Rescaling": (lambda s: True, lambda m, s: L.Rescaling(0.5, offset=-0.1)),
    "RescalingChannels": (lambda s: s[-1] > 1, lambda m, s: L.Rescaling([0.5 + 0.1 * i for i in range(s[-1])], offset=[0.1 * i for i in range(s[-1])])),
    "Reshape": (lambda s: spatial(s) > 0, lambda m, s: L.Reshape((*s[1:], s[0]) if m.pick(True, False) else (s[0], -1))),
    "Resizing": (lambda s: spatial(s) == 2, lambda m, s: L.Resizing(m.size(2, 5), m.size(2, 5), interpolation=m.pick("bilinear", "nearest", "bicubic", "lanczos3"))),
    "RMSNormalization": (lambda s: True, lambda m, s: L.RMSNormalization(axis=m.axis(s))),
    "SeparableConv": (lambda s: spatial(s) in (1, 2), lambda m, s: SEPARABLE[spatial(s)](m.size(1, 4), m.size(1, 3), padding="same")),
    "SimpleRNN": (lambda s: spatial(s) == 1, recurrent(L.SimpleRNN)),
    "Softmax": (lambda s: True, lambda m, s: L.Softmax(axis=m.axis(s))),
    "SpatialDropout": (wide, lambda m, s: POOLS["SpatialDropout"][spatial(s)](0.2)),
    "SpectralNormalization": (lambda s: True, lambda m, s: L.SpectralNormalization(L.Dense(m.size(1, 4)))),
    "TimeDistributed": (lambda s: len(s) > 1, lambda m, s: L.TimeDistributed(L.Dense(m.size(1, 4), activation=m.activation()))),
    "TimeDistributedConv": (lambda s: len(s) == 4, lambda m, s: L.TimeDistributed(L.Conv2D(2, 2, padding="same"))),
    "TimeDistributedModel": (lambda s: len(s) == 3, lambda m, s: L.TimeDistributed(keras.Sequential(
        [keras.Input(s[1:]), L.Conv1D(2, 2, padding="same"), L.BatchNormalization(), L.Flatten(), L.Dense(3)]))),
    "UnitNormalization": (lambda s: True, lambda m, s: L.UnitNormalization(axis=m.axis(s))),
    "UpSampling": (wide, lambda m, s: POOLS["UpSampling"][spatial(s)](2)),
    "UpSamplingBilinear": (lambda s: spatial(s) == 2, lambda m, s: L.UpSampling2D((2, 3), interpolation="bilinear")),
    "UpSamplingFiltered": (lambda s: spatial(s) == 2, lambda m, s: L.UpSampling2D((3, 2), interpolation=m.pick("bicubic", "lanczos3", "lanczos5"))),
    "ZeroPadding": (wide, lambda m, s: POOLS["ZeroPadding"][spatial(s)](m.size(1, 2))),
}
GROWS = {"ConvTranspose", "UpSampling", "UpSamplingBilinear", "UpSamplingFiltered", "ZeroPadding", "RepeatVector"}
MERGES = {"Add": L.Add, "Subtract": L.Subtract, "Multiply": L.Multiply, "Average": L.Average, "Maximum": L.Maximum, "Minimum": L.Minimum,
          "Concatenate": L.Concatenate, "Dot": L.Dot}
OTHERS = ("Embedding", "EmbeddingMasked", "Masking", "LSTMStates", "BidirectionalApart", "Nested", "NestedTwice", "NestedManyOutputs", "Shared")


def least_used(m, names):
    counts = {name: m.used.get(name, 0) for name in names}
    least = min(counts.values())
    name = m.pick(*sorted(name for name in names if counts[name] == least))
    m.used[name] = m.used.get(name, 0) + 1
    return name


def apply(m, x, besides=()):
    """A layer on a tensor, of those used least."""
    shape = x.shape[1:]
    large = int(np.prod(shape)) > MOST
    names = [f"{name} {spatial(shape)}D" for name, (fits, _) in LAYERS.items() if fits(shape) and not (large and name in GROWS) and name not in besides]
    return LAYERS[least_used(m, names).split()[0]][1](m, shape)(x)


def merge(m, tensors):
    """A merging layer on two tensors made alike, or a concatenation of flat ones."""
    x = m.pick(*tensors)
    name = least_used(m, MERGES)
    like = [t for t in tensors if t.shape == x.shape and t is not x]
    other = m.pick(*like) if like else L.Activation("tanh")(x)
    if name == "Dot":
        return L.Dot(m.pick(*range(1, len(x.shape))), normalize=m.pick(True, False))([x, other])
    if name == "Concatenate":
        return L.Concatenate(axis=m.axis(x.shape[1:]))([x, other])
    count = 2 if name == "Subtract" else m.size(2, 3)
    return MERGES[name]()([x, other, x][:count])


def submodel(m, shape, outputs=1):
    image = keras.Input(shape)
    if outputs == 1 and m.pick(True, False):
        return keras.Sequential([image, L.Dense(3), L.BatchNormalization(), L.Activation("relu")])
    # Keras foretells a wrong shape of glu, which a layer behind it in a nested model may bear.
    x = apply(m, L.Dense(2)(image), ("GLU",))
    return keras.Model(image, [x, apply(m, x)][:outputs] if outputs > 1 else apply(m, x))


def special(m, tensors, inputs):
    name = least_used(m, OTHERS)
    x = m.pick(*tensors)
    if name.startswith("Embedding"):
        steps, words = m.size(2, 6), m.size(3, 9)
        index = keras.Input((steps,), name=f"words_{words}_{len(inputs)}")
        inputs.append(index)
        y = L.Embedding(words, m.size(1, 4), mask_zero=name == "EmbeddingMasked")(index)
        return [m.pick(L.LSTM, L.GRU)(3)(y) if name == "EmbeddingMasked" else y]
    if name in ("Masking", "LSTMStates", "BidirectionalApart"):
        steps = keras.Input((m.size(2, 5), m.size(1, 3)))
        inputs.append(steps)
        if name == "Masking":
            return [m.pick(L.SimpleRNN, L.LSTM)(3, return_sequences=m.pick(True, False))(L.Dropout(0.1)(L.Masking(0.0)(steps)))]
        if name == "LSTMStates":
            first = L.LSTM(3, return_sequences=True, return_state=True)(steps)
            return [first[0], L.LSTM(3)(first[0], initial_state=[first[1], first[2]])]
        return list(L.Bidirectional(L.GRU(2, return_sequences=True), merge_mode=None)(steps))
    if name == "Shared":
        layer = L.Dense(x.shape[-1], activation="tanh")
        return [layer(layer(x))]
    model = submodel(m, x.shape[1:], 2 if name == "NestedManyOutputs" else 1)
    if name == "NestedTwice":
        return [model(x), model(L.Activation("sigmoid")(x), training=False)]
    y = model(x)
    return list(y) if isinstance(y, (list, tuple)) else [y]


def random_model(m, index):
    shapes = ([(m.size(3, 9), m.size(3, 9), m.size(1, 4))], [(m.size(4, 11), m.size(1, 5))], [(m.size(3, 5), m.size(3, 5), m.size(3, 4), m.size(1, 2))],
              [(m.size(2, 9),)], [(m.size(3, 7), m.size(3, 7), 2), (m.size(2, 6),)])
    inputs = [keras.Input(shape) for shape in shapes[index % len(shapes)]]
    leaves = list(inputs)
    for step in range(m.size(3, 6)):
        kind = "special" if step == 1 else m.pick("layer", "layer", "layer", "merge")
        if kind == "special":
            made = special(m, leaves, inputs)
            leaves.extend(made)
            continue
        x = merge(m, leaves) if kind == "merge" else apply(m, m.pick(*leaves))
        leaves.append(x)
    # Everything that was made counts in some output.
    flat = [L.Flatten()(x) if len(x.shape) > 2 else x for x in leaves if not any(x is i for i in inputs)]
    last = L.Dense(3, activation="softmax", name="scores")(L.Concatenate()(flat) if len(flat) > 1 else flat[0])
    outputs = [last] + ([leaves[-1]] if m.pick(True, False) else [])
    kept = [i for i in inputs if reaches(i, outputs)]
    return keras.Model(kept, outputs if len(outputs) > 1 else outputs[0], name=f"random_{index}")


def reaches(start, ends):
    stack, seen = list(ends), set()
    while stack:
        x = stack.pop()
        if x is start:
            return True
        if id(x) in seen:
            continue
        seen.add(id(x))
        operation, node, _ = x._keras_history
        stack.extend(operation._inbound_nodes[node].input_tensors)
    return False


def tensor(value):
    value = np.asarray(value, dtype=np.float32)
    return {"shape": list(value.shape), "values": [float(str(v)) for v in value.ravel()]}


def save(model, path, rng):
    for weight in model.weights:
        shape = weight.shape
        if "variance" in weight.name or weight.name in ("gamma", "scale"):
            weight.assign(rng.uniform(0.5, 1.5, shape))
        elif weight.name == "count":
            continue
        else:
            fan = np.prod(shape[:-1]) if len(shape) > 1 else 9
            weight.assign(rng.uniform(-1, 1, shape) * np.sqrt(2 / fan))
    for layer in model._flatten_layers():
        if isinstance(layer, L.Normalization):
            layer.finalize_state()
    def values(x):
        if x.name.startswith("words_"):
            return rng.integers(0, int(x.name.split("_")[1]), (2, *x.shape[1:])).astype("f")
        y = rng.uniform(-1, 1, (2, *x.shape[1:])).astype("f")
        if len(x.shape) == 3:
            y[1, -1] = 0  # a step for masks to pass over
        return y
    inputs = [values(x) for x in model.inputs]
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    assert all(np.isfinite(y).all() for y in outputs), path
    whole = path + ".whole.keras"
    model.save(whole)
    with zipfile.ZipFile(whole) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    os.remove(whole)
    case = {"versions": VERSIONS, "inputs": list(map(tensor, inputs)), "outputs": list(map(tensor, outputs))}
    members["case.json"] = json.dumps(case, separators=(",", ":")).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    with open(path, "wb") as file:
        file.write(packed.getvalue())


def expected():
    """All that must occur."""
    ranks = enumerate([(6,), (6, 4), (6, 6, 4), (5, 5, 5, 4)])
    layers = {f"{name} {rank}D" for rank, shape in ranks for name, (fits, _) in LAYERS.items() if fits(shape)}
    return layers | set(MERGES) | set(OTHERS) | {f"activation {name}" for name in ACTIVATIONS}


def main(folder, count=150, seed=1):
    os.makedirs(folder, exist_ok=True)
    used = {}
    for index in range(int(count)):
        for attempt in range(9):
            keras.backend.clear_session()
            keras.utils.set_random_seed(1000 * int(seed) + 10 * index + attempt)
            rng = np.random.default_rng([int(seed), index, attempt])
            try:
                save(random_model(Maker(rng, used), index), os.path.join(folder, f"{index:03}.keras"), rng)
                break
            except Exception as problem:  # Keras foretells another shape than it then makes, or fails
                print(f"model {index} again, Keras cannot run it:", str(problem).strip().splitlines()[2:3])
        else:
            raise ValueError(f"Keras runs none of nine models {index}")
    print(", ".join(f"{name} {times}" for name, times in sorted(used.items())))
    missing = expected() - set(used)
    assert not missing, f"more models are needed for {sorted(missing)}"


if __name__ == "__main__":
    main(*sys.argv[1:])
