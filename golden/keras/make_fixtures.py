"""Write the golden files of this folder with the real Keras: `python make_fixtures.py [keras2 | NAME...]`.

Without an argument: models (.keras, .h5 and a .json with input and prediction), layers.json, operations.json,
losses.json, optimizers.json, metrics.json and fit.json; with names, those of them. With `keras2` (needs the tf_keras package): the
keras2_* models.
A tensor in JSON is {"shape": [...], "values": [...]}, row-major, shortest decimals that give the f32 back.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
KERAS2 = sys.argv[1:] == ["keras2"]
import numpy as np
import tensorflow as tf

if KERAS2:
    import tf_keras as keras
else:
    import keras

L = keras.layers
HERE = os.path.dirname(os.path.abspath(__file__))
VERSIONS = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}


def tensor(value):
    value = np.asarray(value, dtype=np.float32)
    return {"shape": list(value.shape), "values": [float(str(v)) for v in value.ravel()]}


def uniform(rng, *shape, low=-1.0, high=1.0):
    return rng.uniform(low, high, shape).astype(np.float32)


def write(name, content):
    with open(os.path.join(HERE, name + ".json"), "w") as file:
        json.dump({"versions": VERSIONS, **content}, file, separators=(",", ":"))
        file.write("\n")


# --- models ----------------------------------------------------------------------------------------------


def sequential():
    """R1 with few filters."""
    return keras.Sequential([
        keras.Input((14, 14, 1)), L.Conv2D(3, 3, activation="relu"), L.MaxPooling2D(2),
        L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(2), L.Flatten(),
        L.Dense(5, activation="relu"), L.Dropout(0.25), L.Dense(4, activation="softmax"),
    ], name="small_sequential")


def functional():
    """R2 with few filters."""
    image = keras.Input((14, 14, 1), name="image")
    x = L.MaxPooling2D(2)(L.Conv2D(3, 3, activation="relu")(image))
    x = L.Conv2D(5, 3, activation="relu")(L.MaxPooling2D(2)(L.Conv2D(4, 3, padding="same", activation="relu")(x)))
    return keras.Model(image, L.Dense(4, activation="softmax", name="scores")(L.Flatten()(x)), name="small_functional")


def branching():
    """Two branches that meet in Add and Concatenate, with batch norm, strides, dilation and averages."""
    image = keras.Input((9, 7, 3))
    x = L.Rescaling(1 / 127.5, offset=-1.0)(image)
    a = L.BatchNormalization(momentum=0.8)(L.Conv2D(4, 3, strides=2, padding="same", use_bias=False)(x))
    a = L.Activation("relu")(a)
    b = L.Conv2D(4, (3, 2), dilation_rate=2, padding="same", activation="tanh")(x)
    b = L.AveragePooling2D(3, strides=2, padding="same")(b)
    x = L.Concatenate()([L.Add()([a, b]), b])
    x = L.BatchNormalization(scale=False, epsilon=1e-2)(x)
    return keras.Model(image, L.Dense(1, activation="sigmoid")(L.GlobalAveragePooling2D()(x)), name="branching")


def shared():
    """One layer called twice, two inputs and two outputs."""
    image, vector = keras.Input((5, 5, 2), name="image"), keras.Input((3,), name="vector")
    conv, dense = L.Conv2D(2, 3, padding="same", name="twice"), L.Dense(3, activation="tanh", name="again")
    x = L.GlobalAveragePooling2D()(L.Activation("sigmoid")(conv(conv(image))))
    x = L.Concatenate()([x, dense(dense(vector))])
    return keras.Model([image, vector], [L.Dense(2, activation="softmax", name="kind")(x), L.Dense(1, name="size")(x)],
                       name="shared")


def nested():
    """A Sequential and a functional model used as layers."""
    base = keras.Sequential([keras.Input((6, 6, 1)), L.Conv2D(2, 3), L.BatchNormalization(), L.Flatten()], name="base")
    vector = keras.Input((32,))
    head = keras.Model(vector, L.Dense(2)(L.Dense(3, activation="relu")(vector)), name="head")
    image = keras.Input((6, 6, 1))
    return keras.Model(image, head(base(image)), name="nested")


def randomize(model, rng):
    """Biases and moving statistics that are not zeros and ones."""
    def value(weight):
        return (weight.path if hasattr(weight, "path") else weight.name), weight
    for name, weight in map(value, model.weights):
        if "variance" in name or "gamma" in name:
            weight.assign(uniform(rng, *weight.shape, low=0.5, high=1.5))
        elif "kernel" not in name:
            weight.assign(uniform(rng, *weight.shape, low=-0.3, high=0.3))


def save_model(name, build, optimizer, loss, metrics=None, formats=("keras", "h5"), low=0.0, high=1.0, labels=None):
    keras.backend.clear_session()
    keras.utils.set_random_seed(7)
    rng = np.random.default_rng(7)
    model = build()
    randomize(model, rng)
    inputs = [uniform(rng, 3, *i.shape[1:], low=low, high=high) for i in model.inputs]
    if optimizer is not None:
        model.compile(optimizer, loss, metrics=metrics)
        model.fit(inputs if len(inputs) > 1 else inputs[0], labels, batch_size=2, epochs=2, verbose=0)
    outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    for extension in formats:
        model.save(os.path.join(HERE, f"{name}.{extension}"))
    weights = {layer.name: list(map(tensor, layer.get_weights())) for layer in model.layers}
    write(name, {"inputs": list(map(tensor, inputs)), "outputs": list(map(tensor, outputs)), "weights": weights,
                 "parameters": model.count_params()})


def models():
    optimizers, losses = keras.optimizers, keras.losses
    save_model("sequential", sequential, optimizers.RMSprop(0.002), losses.CategoricalCrossentropy(),
               ["accuracy"], labels=np.eye(4, dtype="f")[[0, 3, 1]])
    save_model("functional", functional, "adam", "sparse_categorical_crossentropy", ["accuracy"],
               labels=np.array([0, 3, 1]))
    save_model("branching", branching, optimizers.SGD(0.05, momentum=0.9, nesterov=True),
               losses.BinaryCrossentropy(), [keras.metrics.BinaryAccuracy()], high=255.0, labels=np.array([[0.0], [1], [1]]))
    save_model("shared", shared, None, None)
    save_model("nested", nested, optimizers.RMSprop(momentum=0.9, centered=True), "mse",
               labels=np.zeros((3, 2), "f"))


def keras2_models():
    save_model("keras2_sequential", sequential, "rmsprop", "categorical_crossentropy", ["accuracy"], ("h5",),
               labels=np.eye(4, dtype="f")[[0, 3, 1]])
    save_model("keras2_branching", branching, "adam", "binary_crossentropy", None, ("h5",), high=255.0,
               labels=np.array([[0.0], [1], [1]]))


# --- layers ----------------------------------------------------------------------------------------------


def layer_cases():
    square, odd = [(2, 6, 6, 2)], [(2, 5, 7, 3)]
    yield "conv valid", L.Conv2D(3, 3), square
    yield "conv one by one", L.Conv2D(4, 1, activation="relu"), odd
    yield "conv same", L.Conv2D(2, 3, padding="same", activation="relu"), odd
    yield "conv same even kernel", L.Conv2D(2, (2, 4), padding="same"), odd
    yield "conv same strided", L.Conv2D(2, 3, strides=2, padding="same"), odd
    yield "conv same strided even", L.Conv2D(2, (4, 3), strides=(3, 2), padding="same", activation="tanh"), [(1, 8, 9, 2)]
    yield "conv valid strided without bias", L.Conv2D(2, (2, 3), strides=(2, 1), use_bias=False), odd
    yield "conv stride beyond kernel", L.Conv2D(2, 2, strides=3), [(1, 8, 7, 2)]
    yield "conv dilated same", L.Conv2D(2, 3, dilation_rate=2, padding="same", activation="sigmoid"), odd
    yield "conv dilated valid", L.Conv2D(2, (3, 2), dilation_rate=(2, 3)), [(1, 7, 8, 2)]
    yield "conv softmax", L.Conv2D(3, 2, activation="softmax"), [(1, 3, 3, 2)]
    yield "conv exact kernel", L.Conv2D(2, 4), [(2, 4, 4, 1)]
    yield "max pool", L.MaxPooling2D(2), odd
    yield "max pool same", L.MaxPooling2D(3, strides=2, padding="same"), [(1, 6, 5, 2)]
    yield "max pool overlapping", L.MaxPooling2D((2, 3), strides=1), odd
    yield "max pool same default stride", L.MaxPooling2D((3, 2), padding="same"), odd
    yield "average pool", L.AveragePooling2D(2), odd
    yield "average pool same", L.AveragePooling2D(3, strides=2, padding="same"), [(1, 6, 5, 2)]
    yield "average pool overlapping same", L.AveragePooling2D((2, 3), strides=(1, 2), padding="same"), odd
    yield "global average pool", L.GlobalAveragePooling2D(), odd
    yield "global average pool keepdims", L.GlobalAveragePooling2D(keepdims=True), odd
    yield "flatten", L.Flatten(), [(2, 2, 3, 2)]
    yield "dense", L.Dense(4), [(3, 5)]
    yield "dense relu", L.Dense(4, activation="relu"), [(3, 5)]
    yield "dense without bias", L.Dense(3, activation="tanh", use_bias=False), [(3, 5)]
    yield "dense softmax", L.Dense(4, activation="softmax"), [(3, 5)]
    yield "dense sigmoid", L.Dense(1, activation="sigmoid"), [(4, 3)]
    yield "dense on an image", L.Dense(3), [(2, 2, 3, 2)]
    for activation in ("relu", "softmax", "sigmoid", "tanh", "linear"):
        yield "activation " + activation, L.Activation(activation), [(3, 5)]
    yield "relu layer", L.ReLU(max_value=0.8, negative_slope=0.1, threshold=0.2), [(3, 5)]
    yield "softmax layer", L.Softmax(axis=1), [(2, 3, 4)]
    yield "dropout at rest", L.Dropout(0.5), [(3, 5)]
    yield "batch norm", L.BatchNormalization(), [(3, 4, 3, 2)]
    yield "batch norm of vectors", L.BatchNormalization(momentum=0.7, epsilon=1e-2), [(5, 3)]
    yield "batch norm without scale", L.BatchNormalization(scale=False), [(3, 2, 3, 2)]
    yield "batch norm without center", L.BatchNormalization(center=False), [(3, 2, 3, 2)]
    yield "batch norm bare", L.BatchNormalization(center=False, scale=False), [(3, 2, 3, 2)]
    yield "batch norm over rows", L.BatchNormalization(axis=1), [(3, 4, 3, 2)]
    yield "add", L.Add(), [(2, 3, 2, 2)] * 2
    yield "add three", L.Add(), [(2, 3)] * 3
    yield "concatenate", L.Concatenate(), [(2, 3, 2, 1), (2, 3, 2, 3)]
    yield "concatenate rows", L.Concatenate(axis=1), [(2, 1, 2, 2), (2, 3, 2, 2), (2, 2, 2, 2)]
    yield "rescaling", L.Rescaling(1 / 255, offset=-0.5), [(2, 2, 2, 3)]
    yield "rescaling per channel", L.Rescaling([0.5, 2.0, 3.0], offset=[1.0, 0.0, -1.0]), [(2, 2, 2, 3)]
    sequence, volume = [(2, 7, 3)], [(1, 4, 5, 3, 2)]
    yield "relu6", L.ReLU(6.0), [(2, 3, 2)]
    yield "leaky relu layer", L.LeakyReLU(negative_slope=0.1), [(3, 5)]
    yield "elu layer", L.ELU(alpha=0.7), [(3, 5)]
    yield "prelu", L.PReLU(), [(3, 5)]
    yield "prelu a channel", L.PReLU(shared_axes=[1, 2]), [(2, 3, 4, 2)]
    yield "softmax layer of rows", L.Softmax(), [(2, 3, 4)]
    yield "zero padding 1d", L.ZeroPadding1D((1, 2)), sequence
    yield "zero padding 2d", L.ZeroPadding2D(((1, 2), (0, 3))), [(1, 3, 4, 2)]
    yield "zero padding 2d alike", L.ZeroPadding2D((2, 1)), [(1, 3, 4, 2)]
    yield "zero padding 3d", L.ZeroPadding3D(1), [(1, 2, 3, 2, 2)]
    yield "cropping 1d", L.Cropping1D((1, 2)), sequence
    yield "cropping 2d", L.Cropping2D(((1, 0), (2, 1))), odd
    yield "cropping 3d", L.Cropping3D(1), volume
    yield "conv 1d", L.Conv1D(4, 3, strides=2, padding="same", activation="relu"), sequence
    yield "conv 1d dilated", L.Conv1D(2, 2, dilation_rate=3), sequence
    yield "conv 3d", L.Conv3D(3, (2, 3, 2), padding="same"), volume
    yield "conv 3d strided", L.Conv3D(2, 2, strides=(1, 2, 2), activation="tanh"), volume
    yield "conv transpose 1d", L.Conv1DTranspose(2, 4, strides=3, padding="same"), [(2, 4, 3)]
    yield "conv transpose 2d", L.Conv2DTranspose(2, 3, strides=2, padding="same", activation="relu"), [(1, 3, 4, 3)]
    yield "conv transpose 2d valid", L.Conv2DTranspose(3, (2, 3), strides=(3, 2), use_bias=False), [(1, 3, 2, 2)]
    yield "conv transpose 2d output padding", L.Conv2DTranspose(2, 3, strides=2, output_padding=1), [(1, 3, 2, 2)]
    yield "conv transpose 3d", L.Conv3DTranspose(2, 2, strides=2), [(1, 2, 2, 2, 2)]
    yield "depthwise conv 1d", L.DepthwiseConv1D(3, padding="same", depth_multiplier=2), sequence
    yield "depthwise conv 2d", L.DepthwiseConv2D(3, strides=2, padding="same", activation="relu"), odd
    yield "depthwise conv 2d multiplied", L.DepthwiseConv2D((2, 3), depth_multiplier=3, use_bias=False), odd
    yield "separable conv 1d", L.SeparableConv1D(4, 3, padding="same"), sequence
    yield "separable conv 2d", L.SeparableConv2D(4, 3, strides=2, depth_multiplier=2, activation="relu"), odd
    for pool in (L.MaxPooling1D, L.AveragePooling1D):
        yield pool.__name__, pool(3, strides=2, padding="same"), [(2, 6, 2)]
    for pool in (L.MaxPooling3D, L.AveragePooling3D):
        yield pool.__name__, pool((2, 1, 2), strides=(1, 2, 2), padding="same"), volume
    for pool, shape in ((L.GlobalMaxPooling1D, sequence), (L.GlobalMaxPooling2D, odd), (L.GlobalMaxPooling3D, volume),
                        (L.GlobalAveragePooling1D, sequence), (L.GlobalAveragePooling3D, volume)):
        yield pool.__name__, pool(), shape
    yield "global max pool keepdims", L.GlobalMaxPooling2D(keepdims=True), odd
    yield "up sampling 1d", L.UpSampling1D(3), [(2, 3, 2)]
    yield "up sampling 2d", L.UpSampling2D((2, 3)), [(1, 2, 3, 2)]
    yield "up sampling 3d", L.UpSampling3D((1, 2, 2)), [(1, 2, 2, 3, 1)]
    yield "reshape", L.Reshape((3, -1, 2)), [(2, 4, 3)]
    yield "permute", L.Permute((3, 1, 2)), [(2, 2, 3, 4)]
    yield "repeat vector", L.RepeatVector(3), [(2, 4)]
    for merge in (L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum):
        yield merge.__name__, merge(), [(2, 3, 2)] * 2
    yield "multiply channels", L.Multiply(), [(2, 3, 2, 4), (2, 1, 1, 4)]
    yield "multiply three", L.Multiply(), [(2, 3)] * 3
    yield "average of three", L.Average(), [(2, 3)] * 3
    yield "add of fewer axes", L.Add(), [(2, 3, 4), (2, 4)]
    yield from further_layer_cases(square, odd, sequence, volume)


def further_layer_cases(square, odd, sequence, volume):
    yield "conv 1d causal", L.Conv1D(3, 3, padding="causal"), sequence
    yield "conv 1d causal dilated strided", L.Conv1D(2, 2, strides=2, padding="causal", activation="relu"), sequence
    yield "conv 1d causal dilated", L.Conv1D(2, 3, dilation_rate=2, padding="causal"), sequence
    yield "batch norm over the second axis", L.BatchNormalization(axis=2), [(2, 3, 4, 2)]
    yield "embedding", L.Embedding(7, 3), [(3, 4)]
    yield "embedding of single numbers", L.Embedding(5, 2), [(4,)]
    for axis in (-1, 1, [1, 2], [1, 3]):
        yield f"layer norm {axis}", L.LayerNormalization(axis=axis), [(2, 3, 4, 2)]
    yield "layer norm bare", L.LayerNormalization(center=False, scale=False, epsilon=1e-2), [(3, 5)]
    yield "layer norm without beta", L.LayerNormalization(center=False), [(3, 5)]
    for axis in (-1, [1, 2]):
        yield f"rms norm {axis}", L.RMSNormalization(axis=axis), [(2, 3, 4)]
        yield f"unit norm {axis}", L.UnitNormalization(axis=axis), [(2, 3, 4)]
    yield "group norm", L.GroupNormalization(groups=2), [(2, 3, 2, 6)]
    yield "instance norm", L.GroupNormalization(groups=-1, scale=False), [(2, 3, 2, 2)]
    yield "spectral norm", L.SpectralNormalization(L.Conv2D(2, 3)), square
    yield "spectral norm of a dense layer", L.SpectralNormalization(L.Dense(3, activation="tanh"), power_iterations=2), [(2, 4)]
    yield "dot", L.Dot(1), [(3, 4), (3, 4)]
    yield "dot of rows", L.Dot((2, 1)), [(2, 3, 4), (2, 4, 5)]
    yield "dot normalized", L.Dot(-1, normalize=True), [(2, 3, 4), (2, 2, 4)]
    for pool, size, shape in (
        (L.AdaptiveAveragePooling1D, 3, sequence), (L.AdaptiveAveragePooling2D, (2, 3), odd),
        (L.AdaptiveAveragePooling3D, 2, volume), (L.AdaptiveMaxPooling1D, 3, sequence),
        (L.AdaptiveMaxPooling2D, (2, 3), odd), (L.AdaptiveMaxPooling3D, 2, volume),
    ):
        yield pool.__name__, pool(size), shape
    yield "up sampling bilinear", L.UpSampling2D((2, 3), interpolation="bilinear"), [(1, 3, 4, 2)]
    yield "normalization", L.Normalization(mean=[0.5, -1.0, 2.0], variance=[4.0, 0.25, 1.0]), [(2, 3, 3)]
    yield "normalization undone", L.Normalization(axis=None, mean=0.5, variance=4.0, invert=True), [(2, 3)]
    yield "normalization of rows", L.Normalization(axis=1, mean=[0.5, -1.0, 2.0], variance=[4.0, 0.25, 1.0]), [(2, 3, 2)]
    yield "identity", L.Identity(), [(2, 3)]
    yield "masking", L.Masking(), [(2, 3, 2)]
    for layer in (L.GaussianNoise(0.3), L.GaussianDropout(0.3), L.AlphaDropout(0.3)):
        yield type(layer).__name__ + " at rest", layer, [(2, 3)]
    for layer, shape in ((L.SpatialDropout1D(0.3), sequence), (L.SpatialDropout2D(0.3), odd), (L.SpatialDropout3D(0.3), volume)):
        yield type(layer).__name__ + " at rest", layer, shape
    yield "time distributed dense", L.TimeDistributed(L.Dense(2, activation="relu")), sequence
    yield "time distributed conv", L.TimeDistributed(L.Conv2D(2, 2)), [(2, 3, 4, 3, 2)]
    for recurrent in (L.SimpleRNN, L.LSTM, L.GRU):
        name = recurrent.__name__
        yield name, recurrent(3), sequence
        yield name + " sequences", recurrent(2, return_sequences=True, activation="relu"), sequence
        yield name + " backwards without bias", recurrent(2, go_backwards=True, use_bias=False, return_sequences=True), sequence
        yield name + " with dropout at rest", recurrent(2, dropout=0.3, recurrent_dropout=0.2), sequence
    yield "LSTM hard", L.LSTM(2, recurrent_activation="hard_sigmoid", unit_forget_bias=False), sequence
    yield "GRU reset before", L.GRU(3, reset_after=False, return_sequences=True), sequence
    for mode in ("concat", "sum", "mul", "ave"):
        yield "bidirectional " + mode, L.Bidirectional(L.GRU(2), merge_mode=mode), sequence
    yield "bidirectional sequences", L.Bidirectional(L.LSTM(2, return_sequences=True)), sequence
    yield ("bidirectional of two kinds", L.Bidirectional(L.SimpleRNN(2), backward_layer=L.SimpleRNN(2, activation="relu", go_backwards=True)),
           sequence)
    for size, method in (((2, 3), "bicubic"), ((3, 2), "lanczos3"), ((4, 1), "lanczos5")):
        yield "up sampling " + method, L.UpSampling2D(size, interpolation=method), [(1, 4, 5, 2)]
        yield "resizing " + method, L.Resizing(3, 11, interpolation=method), [(1, 7, 6, 2)]
    yield "alpha dropout of rows at rest", L.AlphaDropout(0.3, noise_shape=(None, 1, 3)), [(2, 4, 3)]
    yield "einsum dense", L.EinsumDense("ab,bc->ac", output_shape=4, bias_axes="c", activation="relu"), [(3, 5)]
    yield "einsum dense of steps", L.EinsumDense("abc,cd->abd", output_shape=(None, 4), bias_axes="d"), sequence
    yield "einsum dense left open", L.EinsumDense("...x,xy->...y", output_shape=4, bias_axes="y"), [(2, 3, 2, 5)]
    yield "einsum dense right open", L.EinsumDense("ab...,bc->ac...", output_shape=4, bias_axes="c", activation="tanh"), [(2, 3, 2, 2)]
    yield "einsum dense of heads", L.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de"), sequence
    yield "einsum dense from heads", L.EinsumDense("abde,dec->abc", output_shape=(None, 4), bias_axes="c", activation="softmax"), [(2, 3, 2, 2)]
    yield "einsum dense of each step", L.EinsumDense("abc,bcd->adb", output_shape=(4, 7), bias_axes="b"), sequence
    yield "einsum dense of a sum", L.EinsumDense("abc,cd->ad", output_shape=2, kernel_initializer="he_normal"), sequence
    yield "einsum dense outer", L.EinsumDense("ab,c->acb", output_shape=(3, 5), bias_axes="cb"), [(2, 5)]


def plain_config(layer):
    config = keras.saving.serialize_keras_object(layer)["config"]
    return {key: value for key, value in config.items() if key not in ("name", "trainable", "dtype")}


def layer_case(name, layer, shapes, training, rng):
    counts = isinstance(layer, L.Embedding)
    def values(shape):
        return rng.integers(0, layer.input_dim, shape).astype("f") if counts else uniform(rng, *shape, low=-2, high=2)
    inputs = [tf.Variable(values(shape)) for shape in shapes]
    argument = list(inputs) if len(inputs) > 1 else inputs[0]
    layer(argument)
    randomize(layer, rng)
    weights = layer.get_weights()
    with tf.GradientTape() as tape:
        output = layer(argument, training=training)
        grad_output = uniform(rng, *output.shape)
        total = tf.reduce_sum(output * grad_output)
    variables = layer.trainable_variables
    gradients = tape.gradient(total, inputs + [v.value for v in variables])
    by_name = {}
    for v, g in zip(variables, gradients[len(inputs):]):
        count = sum(name.split("#")[0] == v.name for name in by_name)
        by_name[f"{v.name}#{count}" if count else v.name] = tensor(tf.convert_to_tensor(g))
    updated = {w.name: tensor(w) for w in layer.non_trainable_variables if training and "moving" in w.name}
    return {
        "name": name + (" in training" if training else ""), "class_name": type(layer).__name__,
        "config": plain_config(layer), "training": training, "inputs": list(map(tensor, inputs)),
        "weights": [{"name": w.name, "value": tensor(v)} for w, v in zip(layer.weights, weights)],
        "output": tensor(output), "grad_output": tensor(grad_output),
        "input_gradients": [] if counts else list(map(tensor, gradients[:len(inputs)])), "weight_gradients": by_name,
        "updated_weights": updated,
    }


def layers():
    keras.utils.set_random_seed(11)
    rng = np.random.default_rng(11)
    cases = []
    for name, layer, shapes in layer_cases():
        cases.append(layer_case(name, layer, shapes, False, rng))
        if isinstance(layer, L.BatchNormalization):
            cases.append(layer_case(name, layer, shapes, True, rng))
    write("layers", {"cases": cases})


# --- operations ------------------------------------------------------------------------------------------


def operation_cases(rng):
    """Name of the operation, its arguments, a function of tensors, and inputs."""
    A, ops, nn = keras.activations, keras.ops, tf.nn

    def values(*shape, size=3.0):
        # No two alike and none at a kink, so that every gradient is defined.
        count = int(np.prod(shape))
        return (size * (2 * (rng.permutation(count) + 0.61) / (count + 0.3) - 1)).reshape(shape).astype("f")

    # Not sparsemax: it adds up cumulative sums for its threshold, so its rows do not have the sum 1.
    for name in sorted(set(A.__dict__) & set(keras.src.activations.ALL_OBJECTS_DICT) - {"threshold", "sparsemax"}):
        yield "activation", {"name": name}, getattr(A, name), [values(4, 6, size=5.0)]
    for arguments in ({"negative_slope": 0.1}, {"max_value": 1.5}, {"threshold": 0.5}, {"threshold": -0.4},
                      {"max_value": 2.0, "threshold": -0.4}, {"negative_slope": 0.2, "max_value": 1.0, "threshold": 0.3}):
        yield "relu", arguments, lambda x, a=arguments: A.relu(x, **a), [values(4, 6)]
    yield "gelu", {"approximate": True}, lambda x: A.gelu(x, approximate=True), [values(4, 6)]
    yield "celu", {"alpha": 0.6}, lambda x: A.celu(x, alpha=0.6), [values(4, 6)]
    yield "squareplus", {"b": 0.5}, lambda x: A.squareplus(x, b=0.5), [values(4, 6)]
    yield "hard_shrink", {"threshold": 0.9}, lambda x: A.hard_shrink(x, threshold=0.9), [values(4, 6)]
    yield "soft_shrink", {"threshold": 0.9}, lambda x: A.soft_shrink(x, threshold=0.9), [values(4, 6)]
    yield "threshold", {"threshold": 0.2, "value": -0.7}, lambda x: A.threshold(x, 0.2, -0.7), [values(4, 6)]
    for axis in (1, 2):
        yield "softmax", {"axis": axis}, lambda x, a=axis: A.softmax(x, axis=a), [values(2, 3, 4, 2)]
        yield "log_softmax", {"axis": axis}, lambda x, a=axis: A.log_softmax(x, axis=a), [values(2, 3, 4, 2)]

    for shape, axis in (((3, 5), [-1]), ((2, 3, 4, 5), [-1]), ((2, 3, 4, 5), [1, 2, 3])):
        sizes, epsilon = [shape[i] for i in axis], 1e-3
        gamma, beta = values(*sizes), values(*sizes)
        def normalize(x, g, b, a=axis, **kwargs):
            return ops.layer_normalization(x, g, b, axis=a, epsilon=1e-3, **kwargs)
        yield "layer_norm", {"axes": len(axis), "epsilon": epsilon}, normalize, [values(*shape), gamma, beta]
        yield ("variance_norm", {"axes": len(axis), "epsilon": epsilon},
               lambda x, g, f=normalize: f(x, g, None, rms_scaling=True), [values(*shape), gamma])
        yield ("rms_norm", {"axes": len(axis), "epsilon": 1e-6},
               lambda x, g, a=axis: ops.rms_normalization(x, g, axis=a, epsilon=1e-6), [values(*shape), gamma])
    for axis in ([-1], [1, 2, 3]):
        yield "unit_norm", {"axes": len(axis)}, L.UnitNormalization(axis=axis), [values(2, 3, 4, 2)]
    for shape, groups in (((2, 3, 4, 6), 2), ((2, 3, 4, 6), 6), ((2, 3, 4, 6), 1), ((3, 8), 2), ((2, 5, 4), 2)):
        layer = L.GroupNormalization(groups=groups, epsilon=1e-3)
        layer.build(shape)
        def grouped(x, g, b, layer=layer):
            layer.gamma, layer.beta = g, b
            return layer(x)
        layer._tracker.unlock()
        yield "group_norm", {"groups": groups, "epsilon": 1e-3}, grouped, [values(*shape), values(shape[-1]), values(shape[-1])]
    for radius, bias, alpha, beta in ((5, 1.0, 1.0, 0.5), (2, 2.0, 1e-1, 0.75), (1, 1.0, 0.5, 1.0)):
        config = {"depth_radius": radius, "bias": bias, "alpha": alpha, "beta": beta}
        yield "lrn", config, lambda x, c=config: nn.local_response_normalization(x, **c), [values(2, 2, 3, 8)]

    for method in ("nearest", "bilinear"):
        for size in ((6, 9), (2, 2), (3, 7), (7, 4), (1, 1)):
            yield ("resize", {"method": method, "size": size},
                   lambda x, m=method, s=size: tf.image.resize(x, s, method=m), [values(2, 3, 4, 2)])
        layer = L.UpSampling2D((2, 3), interpolation=method)
        yield "resize", {"method": method, "size": (6, 12)}, layer, [values(2, 3, 4, 2)]
    yield "pad", {"border": [[1, 2], [0, 3]]}, L.ZeroPadding2D(((1, 2), (0, 3))), [values(2, 3, 4, 2)]
    yield "crop", {"border": [[1, 0], [1, 2]]}, L.Cropping2D(((1, 0), (1, 2))), [values(2, 3, 4, 2)]
    for size in (2, 3, 5):
        yield "adaptive_average", {"size": [size]}, L.AdaptiveAveragePooling1D(size), [values(2, 7, 3)]
        yield "adaptive_max", {"size": [size]}, L.AdaptiveMaxPooling1D(size), [values(2, 7, 3)]
    for size in ((2, 3), (4, 1), (5, 6)):
        yield "adaptive_average", {"size": size}, L.AdaptiveAveragePooling2D(size), [values(2, 5, 7, 2)]
        if size != (4, 1):  # Keras's own gradient is not a number there
            yield "adaptive_max", {"size": size}, L.AdaptiveMaxPooling2D(size), [values(2, 5, 7, 2)]
    yield "adaptive_average", {"size": [2, 2, 3]}, L.AdaptiveAveragePooling3D((2, 2, 3)), [values(1, 3, 4, 5, 2)]
    yield "adaptive_max", {"size": [2, 2, 3]}, L.AdaptiveMaxPooling3D((2, 2, 3)), [values(1, 3, 4, 5, 2)]
    yield ("channel_max", {"window": 2, "stride": 2},
           lambda x: ops.max(ops.reshape(x, (2, 3, 2, 3, 2)), -1), [values(2, 3, 2, 6)])


def operations():
    rng, cases = np.random.default_rng(29), []
    for name, config, function, inputs in operation_cases(rng):
        variables = [tf.Variable(x) for x in inputs]
        with tf.GradientTape() as tape:
            output = function(*[tf.convert_to_tensor(v) for v in variables])
            grad_output = uniform(rng, *output.shape)
            total = tf.reduce_sum(output * grad_output)
        gradients = tape.gradient(total, variables)
        assert all(np.isfinite(value).all() for value in [output, *gradients]), name
        cases.append({"name": name, "config": config, "inputs": list(map(tensor, inputs)), "output": tensor(output),
                      "grad_output": tensor(grad_output), "gradients": list(map(tensor, gradients))})
    write("operations", {"cases": cases})


# --- losses, optimizers, metrics -------------------------------------------------------------------------


def losses():
    rng, K, cases = np.random.default_rng(13), keras.losses, []
    labels = np.array([2, 0, 3, 1, 2])
    onehot = np.eye(4, dtype="f")[labels]
    logits, wide = uniform(rng, 5, 4, low=-3, high=3), uniform(rng, 5, 4, low=-60, high=60)
    probabilities = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).astype("f")
    certain = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0.25] * 4, [0.5, 0, 0.5, 0]], "f")
    unnormalized = uniform(rng, 5, 4, low=0.05, high=2)
    truths, chances = rng.integers(0, 2, (4, 3)).astype("f"), uniform(rng, 4, 3, low=0.02, high=0.98)
    edges = np.array([[0, 1, 0.5], [1, 0, 0.25], [1e-9, 1, 0], [0, 0, 1]], "f")

    def case(name, loss, y_true, y_pred):
        prediction = tf.Variable(y_pred)
        with tf.GradientTape() as tape:
            value = loss(y_true, prediction)
        config = {k: v for k, v in loss.get_config().items() if k not in ("name", "reduction", "ignore_class")}
        cases.append({"name": name, "class_name": type(loss).__name__, "config": config, "y_true": tensor(y_true),
                      "y_pred": tensor(y_pred), "value": float(str(value.numpy())),
                      "gradient": tensor(tape.gradient(value, prediction))})

    for suffix, y_pred in (("", probabilities), (" certain", certain), (" unnormalized", unnormalized)):
        case("categorical" + suffix, K.CategoricalCrossentropy(), onehot, y_pred)
        case("sparse" + suffix, K.SparseCategoricalCrossentropy(), labels, y_pred)
    case("categorical smoothed", K.CategoricalCrossentropy(label_smoothing=0.1), onehot, probabilities)
    case("categorical soft labels", K.CategoricalCrossentropy(), probabilities[::-1].copy(), probabilities)
    for suffix, y_pred in (("", logits), (" wide", wide)):
        case("categorical logits" + suffix, K.CategoricalCrossentropy(from_logits=True), onehot, y_pred)
        case("sparse logits" + suffix, K.SparseCategoricalCrossentropy(from_logits=True), labels, y_pred)
    case("sparse image logits", K.SparseCategoricalCrossentropy(from_logits=True), rng.integers(0, 3, (2, 2, 2)),
         uniform(rng, 2, 2, 2, 3))
    case("binary", K.BinaryCrossentropy(), truths, chances)
    case("binary edges", K.BinaryCrossentropy(), truths, edges)
    case("binary smoothed", K.BinaryCrossentropy(label_smoothing=0.2), truths, chances)
    case("binary logits", K.BinaryCrossentropy(from_logits=True), truths, uniform(rng, 4, 3, low=-30, high=30))
    case("mse", K.MeanSquaredError(), uniform(rng, 4, 3), uniform(rng, 4, 3))
    case("mse images", K.MeanSquaredError(), uniform(rng, 2, 3, 2, 1), uniform(rng, 2, 3, 2, 1))
    write("losses", {"cases": cases})


def optimizers():
    rng, O, cases = np.random.default_rng(17), keras.optimizers, []
    for optimizer in (
        O.SGD(), O.SGD(0.1), O.SGD(0.1, momentum=0.9), O.SGD(0.1, momentum=0.9, nesterov=True),
        O.RMSprop(), O.RMSprop(0.01, rho=0.8, momentum=0.9), O.RMSprop(0.01, centered=True),
        O.RMSprop(0.01, momentum=0.5, centered=True), O.Adam(), O.Adam(0.05, beta_1=0.8, beta_2=0.95, epsilon=1e-3),
        O.Adam(0.05, amsgrad=True),
    ):
        start, gradients = uniform(rng, 6), uniform(rng, 5, 6) * np.float32([1, 1, 1e-3, 10, 0, -1])
        weight, steps = keras.Variable(start), []
        for gradient in gradients:
            optimizer.apply([tf.constant(gradient)], [weight])
            steps.append(tensor(weight))
        keep = "learning_rate momentum nesterov rho epsilon centered beta_1 beta_2 amsgrad".split()
        config = {k: v for k, v in optimizer.get_config().items() if k in keep}
        cases.append({"class_name": type(optimizer).__name__, "config": config, "start": tensor(start),
                      "gradients": list(map(tensor, gradients)), "steps": steps,
                      "slots": [tensor(v) for v in optimizer.variables[2:]]})
    write("optimizers", {"cases": cases})


def metrics():
    rng, M, cases = np.random.default_rng(19), keras.metrics, []

    def case(metric, *batches):
        for y_true, y_pred in batches:
            metric.update_state(y_true, y_pred)
        cases.append({"class_name": type(metric).__name__, "value": float(str(metric.result().numpy())),
                      "batches": [{"y_true": tensor(t), "y_pred": tensor(p)} for t, p in batches]})

    labels, scores = rng.integers(0, 3, 10), uniform(rng, 10, 3)
    scores[np.arange(0, 10, 2), labels[::2]] += 1
    labels[0], scores[0] = 0, 0.5  # a tie goes to the first class
    onehot = np.eye(3, dtype="f")[labels]
    case(M.SparseCategoricalAccuracy(), (labels[:4], scores[:4]), (labels[4:], scores[4:]))
    case(M.SparseCategoricalAccuracy(), (labels[:, None], scores))
    case(M.CategoricalAccuracy(), (onehot[:4], scores[:4]), (onehot[4:], scores[4:]))
    case(M.BinaryAccuracy(), (np.float32([[0], [1], [1], [0]]), np.float32([[0.5], [0.5], [0.51], [0.2]])))
    case(M.BinaryAccuracy(), (rng.integers(0, 2, (5, 2)).astype("f"), uniform(rng, 5, 2, low=0)))
    case(M.MeanSquaredError(), (uniform(rng, 3, 2), uniform(rng, 3, 2)), (uniform(rng, 1, 2), uniform(rng, 1, 2)))
    write("metrics", {"cases": cases})


def fit():
    rng, steps = np.random.default_rng(23), 10

    def build():
        return keras.Sequential([
            keras.Input((6, 6, 1)), L.Conv2D(3, 3, activation="relu", name="conv"), L.BatchNormalization(name="norm"),
            L.MaxPooling2D(2), L.Flatten(), L.Dense(3, activation="softmax", name="dense")])

    keras.utils.set_random_seed(23)
    start = build().get_weights()
    x, y = uniform(rng, steps, 4, 6, 6, 1, low=0), rng.integers(0, 3, (steps, 4))
    x += y[:, :, None, None, None] * 0.5
    runs = []
    for optimizer in (keras.optimizers.SGD(0.1, momentum=0.9), keras.optimizers.RMSprop(0.005), keras.optimizers.Adam(0.01)):
        model = build()
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.set_weights(start)
        losses, accuracies = [], []
        for images, labels in zip(x, y):
            model.reset_metrics()
            logs = model.train_on_batch(images, labels, return_dict=True)
            losses.append(float(logs["loss"]))
            accuracies.append(float(logs["accuracy"]))
        runs.append({"class_name": type(optimizer).__name__, "learning_rate": float(str(optimizer.learning_rate.numpy())),
                     "losses": losses, "accuracies": accuracies, "weights": list(map(tensor, model.get_weights())),
                     "prediction": tensor(model.predict(x[0], verbose=0))})
    write("fit", {"model": keras.saving.serialize_keras_object(model)["config"], "inputs": tensor(x), "labels": y.tolist(),
                  "start": list(map(tensor, start)), "runs": runs})


if KERAS2:
    keras2_models()
else:
    for make in (models, layers, operations, losses, optimizers, metrics, fit):
        if not sys.argv[1:] or make.__name__ in sys.argv[1:]:
            make()
