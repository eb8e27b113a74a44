"""Write augmentation.json and augmentation.keras with the real Keras on TensorFlow: `python make_augmentation.py`.

Augmentation layers in training with ranges of one number, so that nothing is random: class, config, input, output. The model has all of these layers with usual
ranges; its prediction shows that they do nothing then. A tensor is {"shape": [...], "values": [...]}, row-major.
"""

import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf

L = keras.layers
HERE = os.path.dirname(os.path.abspath(__file__))


def tensor(value):
    value = np.asarray(value, dtype=np.float32)
    return {"shape": list(value.shape), "values": [float(str(v)) for v in value.ravel()]}


def layers():
    for mode in ("reflect", "constant", "wrap", "nearest"):
        options = {"fill_mode": mode, "fill_value": 9.0}
        for angle in (0.07, -0.31):
            yield L.RandomRotation((angle, angle), **options)
        yield L.RandomTranslation((0.23, 0.23), (-0.41, -0.41), **options)
        yield L.RandomZoom((0.3, 0.3), (-0.2, -0.2), **options)
        yield L.RandomZoom((0.9, 0.9), **options)
    yield L.RandomRotation((0.2, 0.2), fill_mode="reflect", interpolation="nearest")
    yield L.RandomTranslation((0.4, 0.4), (0.34, 0.34), fill_mode="constant", interpolation="nearest")
    for factor in (0.3, -0.6):
        yield L.RandomBrightness((factor, factor))
    yield L.RandomBrightness((0.2, 0.2), value_range=(-1, 255))
    # Of (lower, upper) the factor is between 1 - lower and 1 + upper: here 1.3 and 1.6.
    yield L.RandomContrast((-0.3, 0.3))
    yield L.RandomContrast((-0.6, 0.6), value_range=(20, 200))
    yield L.CenterCrop(3, 4)
    yield L.CenterCrop(8, 5)
    yield L.CenterCrop(10, 20)


def case(layer, x):
    y = layer(x, training=True)
    config = layer.get_config()
    return {"class_name": type(layer).__name__, "config": config, "output": tensor(y)}


def model():
    image = keras.Input((9, 11, 3))
    x = image
    for layer in (L.RandomFlip("horizontal"), L.RandomRotation(0.1), L.RandomTranslation(0.1, 0.2, fill_mode="wrap"),
                  L.RandomZoom(0.2), L.RandomZoom(0.1, 0.2, fill_mode="constant", fill_value=3.0),
                  L.RandomContrast(0.3), L.RandomBrightness(0.2, value_range=(0, 1))):
        x = layer(x)
    x = L.Rescaling(1 / 127.5, offset=-1)(L.CenterCrop(6, 7)(x))
    return keras.Model(image, L.Dense(3)(L.Flatten()(x)), name="augmentation")


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(1).integers(0, 256, (2, 7, 9, 3)).astype(np.float32)
    network = model()
    batch = np.random.default_rng(2).integers(0, 256, (4, 9, 11, 3)).astype(np.float32)
    network.save(os.path.join(HERE, "augmentation.keras"))
    content = {
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__},
        "input": tensor(x),
        "cases": [case(layer, x) for layer in layers()],
        "model_input": tensor(batch),
        "model_output": tensor(network.predict(batch, verbose=0)),
    }
    with open(os.path.join(HERE, "augmentation.json"), "w") as file:
        json.dump(content, file, separators=(",", ":"))
        file.write("\n")
