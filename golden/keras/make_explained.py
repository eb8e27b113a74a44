"""Explanations of three small trained networks and of MobileNetV2, by TensorFlow's GradientTape and NumPy: explained/*.

Made with TensorFlow 2.21.0, Keras 3.15.1, on bars, crosses and discs over noise. MobileNetV2 has weights that a formula gives, so that no file
needs to hold them; tests compute the same.
"""
import json
import pathlib
import sys
import zlib

import keras
import numpy as np
import tensorflow as tf

here = pathlib.Path(__file__).parent / "explained"
here.mkdir(exist_ok=True)
layers = keras.layers
SIDE = 16


def pictures(count, channels, seed):
    """Bars (0), crosses (1) and discs (2) of random place and brightness over noise."""
    rng = np.random.default_rng(seed)
    x = rng.random((count, SIDE, SIDE, channels)).astype("float32") * 0.4
    y = rng.integers(0, 3, count)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for picture, kind in zip(x, y):
        top, left, light = rng.integers(4, SIDE - 4), rng.integers(4, SIDE - 4), 0.6 + 0.4 * rng.random()
        if kind == 0:
            shape = (abs(rows - top) < 1) & (abs(columns - left) < 4)
        elif kind == 1:
            shape = ((abs(rows - top) < 1) & (abs(columns - left) < 4)) | ((abs(columns - left) < 1) & (abs(rows - top) < 4))
        else:
            shape = (rows - top) ** 2 + (columns - left) ** 2 < 8
        picture[shape] = light
    return x, y


def plain():
    image = keras.Input((SIDE, SIDE, 1), name="image")
    maps = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(image)
    maps = layers.MaxPooling2D(name="pool")(maps)
    maps = layers.Conv2D(12, 3, activation="relu", name="last")(maps)
    flat = layers.Flatten(name="flat")(maps)
    flat = layers.Dense(16, activation="relu", name="hidden")(layers.Dropout(0.2, name="drop")(flat))
    return keras.Model(image, layers.Dense(3, activation="softmax", name="classes")(flat), name="plain")


def residual():
    image = keras.Input((SIDE, SIDE, 3), name="image")
    maps = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(image)
    maps = layers.Activation("relu", name="stem_relu")(layers.BatchNormalization(name="stem_norm")(maps))
    inner = layers.SeparableConv2D(8, 3, padding="same", activation="relu", name="inner")(maps)
    inner = layers.BatchNormalization(name="inner_norm")(inner)
    maps = layers.Activation("relu", name="sum_relu")(layers.Add(name="sum")([maps, inner]))
    maps = layers.Conv2D(16, 3, padding="same", activation="relu", name="last")(maps)
    mean = layers.GlobalAveragePooling2D(name="mean")(maps)
    return keras.Model(image, layers.Dense(3, activation="softmax", name="classes")(mean), name="residual")


def binary():
    image = keras.Input((SIDE, SIDE, 1), name="image")
    maps = layers.Conv2D(6, 5, padding="same", activation="tanh", name="first")(image)
    maps = layers.AveragePooling2D(2, name="pool")(maps)
    maps = layers.Conv2D(10, 3, padding="same", activation="relu", name="last")(maps)
    mean = layers.GlobalMaxPooling2D(name="most")(maps)
    return keras.Model(image, layers.Dense(1, activation="sigmoid", name="classes")(mean), name="binary")


def scores_and_maps(model, last):
    """The model's scores before softmax or sigmoid and the maps of a layer, and the scores from such maps."""
    head = model.get_layer("classes")
    before = head.input
    linear = keras.Model(model.input, [before, model.get_layer(last).output])
    kernel, bias = head.get_weights()
    after = keras.Model(model.get_layer(last).output, before)
    return lambda x: (lambda found: (found[0] @ kernel + bias, found[1]))(linear(x, training=False)), \
        lambda maps: after(maps, training=False) @ kernel + bias


def of_class(scores, chosen):
    if scores.shape[-1] == 1:
        return scores[:, 0] if chosen == 1 else -scores[:, 0]
    return scores[:, chosen]


def by_input(forward, x, chosen):
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = of_class(forward(x)[0], chosen)
    return tape.gradient(score, x).numpy(), score.numpy()


def maps_of(forward, after, x, chosen):
    maps = tf.convert_to_tensor(forward(x)[1])
    with tf.GradientTape() as tape:
        tape.watch(maps)
        score = of_class(after(maps), chosen)
    gradient, maps = tape.gradient(score, maps).numpy()[0], maps.numpy()[0]
    cam = np.maximum((maps * gradient.mean((0, 1))).sum(-1), 0)
    divisor = 2 * gradient**2 + gradient**3 * maps.sum((0, 1))
    alpha = np.divide(gradient**2, divisor, out=np.zeros_like(gradient), where=divisor != 0)
    plus_plus = np.maximum((maps * (alpha * np.maximum(gradient, 0)).sum((0, 1))).sum(-1), 0)
    return maps, cam, plus_plus


def score_cam(forward, maps, x, chosen):
    grown = tf.image.resize(maps[None], x.shape[1:3]).numpy()[0]
    low, high = grown.min((0, 1)), grown.max((0, 1))
    masks = np.divide(grown - low, high - low, out=np.zeros_like(grown), where=high > low)
    seen = x * np.moveaxis(masks, -1, 0)[..., None]
    scores = of_class(forward(seen.astype("float32"))[0], chosen).numpy()
    weights = np.exp(scores - scores.max())
    return np.maximum((maps * (weights / weights.sum())).sum(-1), 0)


def numbers(array):
    return [float(f"{number:.9g}") for number in np.asarray(array).ravel()]


@tf.custom_gradient
def guided(value):
    result = tf.nn.relu(value)
    return result, lambda upstream: tf.nn.relu(upstream) * tf.cast(result > 0, tf.float32)


def explain(model, x, steps=32):
    forward, after = scores_and_maps(model, "last")
    scores = forward(x)[0].numpy()
    likeliest = int(scores[0, 0] > 0) if scores.shape[-1] == 1 else int(scores[0].argmax())
    cases = []
    for chosen in range(max(2, scores.shape[-1])):
        saliency, score = by_input(forward, x, chosen)
        points = np.concatenate([x * np.float32((k + 0.5) / steps) for k in range(steps)])
        integrated = x[0] * by_input(forward, points, chosen)[0].mean(0)
        maps, cam, plus_plus = maps_of(forward, after, x, chosen)
        cases.append({
            "class": chosen, "score": float(score[0]), "saliency": numbers(saliency), "integrated": numbers(integrated),
            "cam": numbers(cam), "cam_sizes": cam.shape, "cam_plus_plus": numbers(plus_plus),
            "score_cam": numbers(score_cam(forward, maps, x, chosen)),
        })
    relu = keras.activations.relu
    changed = [layer for layer in model.layers if getattr(layer, "activation", None) is relu]
    for layer in changed:
        layer.activation = guided
    for case in cases:
        case["guided"] = numbers(by_input(scores_and_maps(model, "last")[0], x, case["class"])[0])
    for layer in changed:
        layer.activation = relu
    return {"input": numbers(x), "sizes": x.shape, "top": likeliest, "steps": steps, "maps": numbers(maps), "cases": cases}


def trained(build, channels, seed):
    keras.utils.set_random_seed(seed)
    model = build()
    x, y = pictures(3000, channels, seed)
    loss = "sparse_categorical_crossentropy"
    if model.output.shape[-1] == 1:
        y, loss = (y == 2).astype("float32"), "binary_crossentropy"
    model.compile(keras.optimizers.Adam(0.003), loss, metrics=["accuracy"])
    model.fit(x, y, batch_size=32, epochs=6, verbose=0)
    test, truth = pictures(500, channels, seed + 100)
    if model.output.shape[-1] == 1:
        truth = (truth == 2).astype("float32")
    accuracy = model.evaluate(test, truth, verbose=0)[1]
    model.compile()
    model.save(here / f"{model.name}.keras")
    result = explain(model, test[:1])
    result["accuracy"] = accuracy
    (here / f"{model.name}.json").write_text(json.dumps(result))
    print(model.name, model.count_params(), accuracy, [case["score"] for case in result["cases"]])


def uniform(name, count):
    """Numbers of −1 … 1 that depend on a name and their place only; any language's arithmetic of doubles gives the same within 1e-9."""
    seed = zlib.crc32(name.encode()) % 10007
    places = np.arange(count, dtype="float64")
    return 2 * np.modf(np.abs(np.sin(places * 12.9898 + seed * 78.233) * 43758.5453))[0] - 1


def of_formula(model):
    for layer in model.layers:
        values = []
        for weight in layer.weights:
            draw = uniform(f"{layer.name}/{weight.name}", int(np.prod(weight.shape))).reshape(weight.shape)
            if "kernel" in weight.name:
                is_depthwise = isinstance(layer, layers.DepthwiseConv2D)
                fan = int(np.prod(weight.shape[:2])) if is_depthwise else int(np.prod(weight.shape[:-1]))
                draw = draw * np.sqrt(6 / fan)
            elif weight.name in ("gamma", "moving_variance"):
                draw = 1 + 0.2 * draw
            else:
                draw = 0.2 * draw
            values.append(draw.astype("float32"))
        if values:
            layer.set_weights(values)


def zoo():
    model = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, classes=20, classifier_activation=None)
    of_formula(model)
    x = (0.5 + 0.5 * uniform("input", 96 * 96 * 3)).reshape(1, 96, 96, 3).astype("float32")
    forward = keras.Model(model.input, [model.output, model.get_layer("Conv_1").output])
    after = keras.Model(model.get_layer("Conv_1").output, model.output)
    forward_all = lambda x: forward(x, training=False)
    scores = forward_all(x)[0].numpy()[0]
    chosen = int(scores.argmax())
    saliency = by_input(forward_all, x, chosen)[0]
    maps, cam, plus_plus = maps_of(forward_all, lambda maps: after(maps, training=False), x, chosen)
    (here / "mobilenet_v2.json").write_text(json.dumps({
        "class": chosen, "scores": numbers(scores), "every": 29, "saliency": numbers(saliency.ravel()[::29]),
        "saliency_length": float(np.sqrt((saliency.astype("float64") ** 2).sum())), "cam": numbers(cam), "cam_sizes": cam.shape,
        "cam_plus_plus": numbers(plus_plus),
    }))
    print("mobilenet_v2", scores, np.abs(saliency).max(), cam.max())


if __name__ == "__main__":
    wanted = sys.argv[1:]
    for index, (build, channels) in enumerate([(plain, 1), (residual, 3), (binary, 1)]):
        if not wanted or build.__name__ in wanted:
            trained(build, channels, index + 1)
    if not wanted or "zoo" in wanted:
        zoo()
