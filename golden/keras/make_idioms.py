"""Small models as people write them, with operations between layers, sizes left open, sixteen bits, names with slashes, and Keras's outputs.

usage: make_idioms.py FOLDER      with Keras 3 and tf_keras 2.21.0 on TensorFlow; the models of Keras 2 are made by the latter.
"""

import io
import json
import os
import sys
import zipfile

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf
import tf_keras
from keras import Input, Model, Sequential, layers as L, ops

OLD = tf_keras.layers
# Models that compute in 32 bits what others do in fewer, by the latter's names.
TWINS = {}


def siamese():
    tower = Sequential([Input((8, 8, 1)), L.Conv2D(3, 3, activation="tanh"), L.BatchNormalization(), L.Flatten(), L.Dense(4)])
    a, b = Input((8, 8, 1)), Input((8, 8, 1))
    distance = ops.sqrt(ops.maximum(ops.sum(ops.square(tower(a) - tower(b)), axis=1, keepdims=True), 1e-7))
    return Model([a, b], L.Dense(1, activation="sigmoid")(distance))


def mixer():
    i = Input((8, 8, 3))
    x = ops.reshape(L.Conv2D(6, 2, strides=2)(i), (-1, 16, 6))
    y = ops.gelu(L.Dense(16)(ops.transpose(L.LayerNormalization()(x), (0, 2, 1))))
    x = ops.add(x, L.Dense(6)(ops.swapaxes(y, 1, 2)))
    return Model(i, ops.softmax(L.Dense(5)(ops.mean(x, axis=1))))


def attention():
    i = Input((5, 6))
    q, k, v = (L.Dense(6)(i) for _ in range(3))
    weights = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 2, 1))) / np.sqrt(6.0), axis=-1)
    again = ops.einsum("bij,bkj->bik", q, k)
    return Model(i, [ops.matmul(weights, v), again, ops.einsum("bij,bjk->bki", again, v)])


def super_resolution():
    i = Input((6, 5, 1))
    x = L.Conv2D(4, 3, padding="same")(i)
    return Model(i, [ops.depth_to_space(x, 2), ops.space_to_depth(ops.depth_to_space(x, 2), 2)])


def attention_of_places():
    i = Input((6, 6, 3))
    maps = ops.concatenate([ops.mean(i, axis=-1, keepdims=True), ops.max(i, axis=-1, keepdims=True)], axis=-1)
    return Model(i, L.Multiply()([i, L.Conv2D(1, 3, padding="same", activation="sigmoid")(maps)]))


def curves():
    i = Input((6, 6, 3))
    r = L.Conv2D(6, 3, padding="same", activation="tanh")(i)
    x = i + r[:, :, :, :3] * (ops.square(i) - i)
    return Model(i, x + r[:, :, :, 3:6] * (ops.power(x, 2) - x))


def parts():
    i = Input((10, 4))
    a, b = ops.split(i, [1], axis=-1)
    return Model(i, [
        i[:, 0], i[:, -1, :], i[:, ::2], i[..., 1], i[:, :, None], i[:, ::-1], i[:, 2:8:3, 1:3], ops.take(i, [0, -1], axis=1),
        ops.squeeze(a, axis=-1), b, ops.stack([i, i], axis=1), ops.expand_dims(i, -1), ops.flip(i, axis=1), ops.roll(i, 3, axis=1),
        ops.tile(i, [1, 2, 1]), ops.repeat(i, 2, axis=2), ops.moveaxis(i, 1, 2),
        ops.pad(i, [[0, 0], [1, 2], [0, 1]]), ops.pad(i, [[0, 0], [2, 1], [0, 0]], mode="reflect"),
    ])


def functions():
    i, j = Input((6,)), Input((6,))
    made = [i * j - j / (ops.abs(i) + 1.0), 2.0 - i, 1.0 / (ops.exp(j) + 1), -i, i**2, ops.where(i > j, i, j), ops.clip(i, -0.5, 0.5)]
    made += [ops.cast(i >= 0.0, "float32"), ops.cast(ops.logical_and(i > 0.0, j > 0.0), "float32"), ops.minimum(i, 0.1), i * np.arange(6.0)]
    made += [getattr(ops, name)(i) for name in "relu6 elu celu softplus log_sigmoid hard_tanh squareplus tanh_shrink soft_shrink".split()]
    made += [ops.leaky_relu(i, 0.1), ops.gelu(i, approximate=False), ops.log1p(ops.square(i)), ops.expm1(i), ops.glu(i), ops.log_softmax(i)]
    return Model([i, j], made)


def reductions():
    i = Input((4, 5))
    made = [getattr(ops, name)(i, axis=1) for name in "mean sum max min prod var std logsumexp argmax argmin cumsum".split()]
    made += [ops.normalize(i), ops.norm(i, axis=-1, keepdims=True), ops.mean(i, axis=[1, 2])]
    return Model(i, made)


def images():
    i = Input((6, 6, 2))
    return Model(i, [ops.image.resize(i, (9, 4)), ops.max_pool(i, 2), ops.average_pool(i, 2, 1, "same")])


def caffe_inputs():
    i = Input((8, 8, 3))
    x = keras.applications.resnet.preprocess_input(i)
    return Model(i, L.Dense(2)(L.Flatten()(x)))


def classes_of_words():
    i = Input((5,), dtype="int32")
    return Model(i, L.Conv1D(2, 3)(ops.one_hot(i, 7)))


def open_images():
    i = Input((None, None, 3))
    base = Model(i, L.Conv2D(4, 3, padding="same", activation="relu")(i), name="base")
    row = Sequential([Input((None, None, 4)), L.Conv2D(3, 2), L.GlobalMaxPooling2D()], name="row")
    j = Input((None, None, 3))
    return Model(j, row(base(j)))


def open_base():
    i = Input((None, None, 3))
    base = Model(i, L.Conv2D(4, 3, padding="same", activation="relu")(i), name="base")
    return Sequential([Input((6, 6, 3)), base, L.Flatten(), L.Dense(2)])


def open_texts():
    i = Input((None,), dtype="int64")
    x = L.Conv1D(4, 3, activation="relu")(L.Embedding(10, 5)(i))
    return Model(i, L.Dense(1)(L.GlobalMaxPooling1D()(x)))


def masked():
    i = Input((7,), dtype="int32")
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(L.Embedding(10, 4, mask_zero=True)(i))
    return Model(i, L.Dense(1)(L.Bidirectional(L.GRU(3))(x)))


def masked_numbers():
    i = Input((6, 3))
    x = L.SimpleRNN(4, return_sequences=True)(L.Masking(mask_value=0.5)(i))
    return Model(i, [x, L.GlobalAveragePooling1D()(x), L.LSTM(3)(x)])


def axes_of_softmax():
    i = Input((4, 5, 2))
    return Model(i, L.Softmax(axis=[1, 2])(L.Conv2D(2, 1)(i)))


def numbers_to_start_with():
    i = Input((4,))
    return Model(i, L.Dense(3, bias_initializer=keras.initializers.Constant(np.arange(3.0)))(i))


def sixteen_bits():
    """Weights of 16 bits, which a twin computes with in 32."""
    def made(policy):
        keras.config.set_dtype_policy(policy)
        i = Input((6, 6, 2))
        x = L.Flatten()(L.BatchNormalization()(L.Conv2D(3, 3)(i)))
        keras.config.set_dtype_policy("float32")
        return Model(i, L.Dense(2, dtype="float32")(x))
    model = made("bfloat16")
    TWINS[model.name] = made("float32")
    return model


def named_ends():
    a, b = Input((4,), name="tab"), Input((5, 5, 1), name="img")
    x = L.Concatenate()([a, L.Flatten()(L.Conv2D(2, 3)(b))])
    return Model({"tab": a, "img": b}, {"prio": L.Dense(1, name="prio")(x), "dept": L.Dense(4, name="dept")(x)})


def old_functions():
    i, j = tf_keras.Input((4, 4, 3)), tf_keras.Input((4, 4, 3))
    x = tf.concat([tf.nn.relu(3.0 - (i + j) * 2.0), i], axis=-1)
    made = [x[:, 1:, :-1], x[:, :, :, 0], x[:, 0], tf.reduce_mean(x, axis=[1, 2], keepdims=True), tf.reshape(x, (-1, 96))]
    made += [tf.transpose(x, [0, 2, 1, 3]), tf.expand_dims(x, 1), tf.stack([i, j], axis=1), *tf.split(x, 2, axis=-1)]
    made += [tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), tf.maximum(x, 0.1), tf.clip_by_value(x, 0.0, 1.0), tf.nn.softmax(x)]
    made += [tf.math.l2_normalize(x, axis=-1), tf.nn.gelu(x), tf.nn.silu(x), tf.image.resize(x, (3, 5)), tf.matmul(i, tf.transpose(j, [0, 1, 3, 2]))]
    made += [tf_keras.applications.mobilenet_v2.preprocess_input(i), tf.nn.bias_add(i[:, :, :, ::-1], [1.0, 2.0, 3.0])]
    return tf_keras.Model([i, j], made)


def old_slashes():
    i = tf_keras.Input((8, 8, 3))
    x = OLD.SeparableConv2D(4, 3, name="conv1/conv", use_bias=False)(OLD.Conv2D(3, 3, name="conv1/first")(i))
    x = OLD.Activation(tf.nn.swish)(OLD.BatchNormalization(name="conv1/bn")(x))
    return tf_keras.Model(i, OLD.GlobalAveragePooling2D()(x))


def masks_of_several():
    a, b, free = Input((6, 3)), Input((6, 3)), Input((6, 3))
    one, other = L.Masking(0.5)(a), L.Masking(0.5)(ops.flip(b, axis=1))
    p, q = Input((6, 3)), Input((6, 3))
    nested = Model([p, q], [L.GRU(2)(L.Maximum()([p, q])), L.Minimum()([q, p])])
    late, places = nested([free, other])
    sequence, *states = L.LSTM(3, return_sequences=True, return_state=True)(one)
    there, back = L.Bidirectional(L.GRU(2, return_sequences=True), merge_mode=None)(other)
    return Model([a, b, free], [
        L.Dense(2)(L.Maximum()([one, other])), L.SimpleRNN(2)(L.Maximum()([one, other])),
        L.Dense(2)(L.Minimum()([free, one, other])), L.SimpleRNN(2)(L.Minimum()([free, one, other])), L.Minimum()([one, free, other]),
        L.SimpleRNN(2)(L.Add()([one, other])), L.SimpleRNN(2)(L.Add()([one, free])), L.SimpleRNN(2)(L.Subtract()([free, one])),
        L.SimpleRNN(2)(L.Concatenate()([one, other])), L.SimpleRNN(2)(L.Concatenate()([one, free])),
        L.SimpleRNN(2)(L.Concatenate(axis=1)([one, other])), L.SimpleRNN(2)(L.Concatenate(axis=1)([free, one])),
        late, L.SimpleRNN(2)(places), L.SimpleRNN(2)(sequence), L.Average()(states), L.SimpleRNN(2)(there), L.GlobalAveragePooling1D()(back),
        L.SimpleRNN(2)(L.RMSNormalization()(one)), L.SimpleRNN(2)(L.UnitNormalization()(one)), L.SimpleRNN(2)(L.SpatialDropout1D(0.1)(one)),
        L.Multiply()([one, other]), L.Multiply()([one, free, other]), L.SimpleRNN(2, zero_output_for_mask=True)(one),
        L.GRU(2, return_sequences=True)(other, initial_state=L.Dense(2)(L.Flatten()(free))),
        L.SimpleRNN(2)(L.SpectralNormalization(L.Dense(2))(one)),
    ])


def spare_inputs():
    a, b, c = Input((3,)), Input((4,)), Input((2,))
    return Model([a, b, c], [L.Dense(2)(b), L.Dense(3)(L.Dense(2)(b))])


MODELS = [siamese, mixer, attention, super_resolution, attention_of_places, curves, parts, functions, reductions, images, caffe_inputs,
          classes_of_words, open_images, open_base, open_texts, masked, masked_numbers, axes_of_softmax,
          numbers_to_start_with, sixteen_bits, old_functions, old_slashes, named_ends, masks_of_several, spare_inputs]


def tensor(x):
    x = np.asarray(x)
    x = x.astype("f")
    return {"shape": list(x.shape), "values": [float(f"{v:.9g}") for v in x.ravel().tolist()]}


def values(x, rng):
    shape = (2, *[6 if size is None else size for size in x.shape[1:]])
    if "int" in str(getattr(x.dtype, "name", x.dtype)):
        return rng.integers(0, 7, shape).astype("int32")
    made = rng.uniform(-1, 1, shape).astype("f")
    if len(shape) == 3:
        made[0, 2] = made[1, -1] = 0.5  # steps for masks to pass over
    return made


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for number, make in enumerate(MODELS):
        keras.utils.set_random_seed(number)
        rng = np.random.default_rng(number)
        model = make()
        for weight in model.weights:
            if weight.name.split("/")[-1].split(":")[0] in ("bias", "beta", "moving_mean"):
                weight.assign(rng.uniform(-0.3, 0.3, weight.shape))
        inputs = [values(x, rng) for x in model.inputs]
        twin = TWINS.get(model.name, model)
        twin.set_weights([np.asarray(weight).astype("f") for weight in model.get_weights()])
        given = {x.name: value for x, value in zip(model.inputs, inputs)} if make is named_ends else inputs
        outputs = twin(given if len(inputs) > 1 else inputs[0], training=False)
        if isinstance(outputs, dict):
            outputs = [outputs[name] for name in sorted(outputs)]
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        path = os.path.join(folder, f"{make.__name__}.keras")
        model.save(path)
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        case = {"versions": {"keras": keras.__version__, "tf_keras": tf_keras.__version__, "tensorflow": tf.__version__},
                "inputs": list(map(tensor, inputs)), "outputs": list(map(tensor, outputs))}
        members["case.json"] = json.dumps(case, separators=(",", ":")).encode()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        with open(path, "wb") as file:
            file.write(packed.getvalue())


if __name__ == "__main__":
    main(sys.argv[1])
