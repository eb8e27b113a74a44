"""Write warps.json with the real Keras and SciPy: `python make_warps.py`.

Affine warps by the functions behind Keras's ImageDataGenerator (square pictures, since it turns others about another point) and by SciPy's affine_transform
(any picture, all fill modes, both orders), channel shift and standardisation. A tensor is {"shape": [...], "values": [...]}, row-major.
"""

import itertools
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import scipy
import scipy.ndimage
from keras.src.legacy.preprocessing import image as legacy

HERE = os.path.dirname(os.path.abspath(__file__))
MODES = ["nearest", "constant", "reflect", "wrap"]


def short(value):
    value = round(float(value), 2 if abs(value) > 10 else 4)
    return int(value) if value == int(value) else value


def tensor(value):
    value = np.asarray(value, dtype=np.float32)
    return {"shape": list(value.shape), "values": [short(v) for v in value.ravel()]}


def picture(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.float32)


def keras_warps(x):
    settings = [
        {"theta": 30.0}, {"theta": -140.0}, {"tx": 1.5, "ty": -2.25}, {"shear": 25.0}, {"zx": 0.7, "zy": 1.4},
        {"theta": 12.0, "tx": 1.0, "ty": 0.5, "shear": -8.0, "zx": 1.2, "zy": 0.8},
    ]
    for setting, mode in itertools.product(settings, MODES):
        y = legacy.apply_affine_transform(
            x, **setting, row_axis=0, col_axis=1, channel_axis=2, fill_mode=mode, cval=7.0, order=1)
        yield {"arguments": setting, "fill": mode, "value": 7.0, "order": 1, "output": tensor(y)}


def scipy_warps(x):
    matrices = [
        [[0.8, 0.3, -1.0], [-0.4, 1.1, 2.0]],
        [[1.0, 0.0, 3.0], [0.0, 1.0, -2.0]],
        [[2.5, 0.0, -6.0], [0.3, -3.0, 20.0]],
        [[0.4, -0.2, 1.3], [0.1, 0.5, 1.7]],
    ]
    for matrix, mode, order in itertools.product(matrices, MODES, [0, 1]):
        m = np.array(matrix)
        planes = [
            scipy.ndimage.affine_transform(x[..., c], m[:, :2], m[:, 2], order=order, mode=mode, cval=9.0)
            for c in range(x.shape[2])
        ]
        yield {"matrix": matrix, "fill": mode, "value": 9.0, "order": order, "output": tensor(np.stack(planes, -1))}


def standardisations(x):
    generator = keras.src.legacy.preprocessing.image.ImageDataGenerator
    for name in ["samplewise_center", "samplewise_std_normalization", "featurewise_center", "featurewise_std_normalization"]:
        for both in [False, True]:
            names = [name] if not both else [name, name.replace("center", "std_normalization")]
            if both and "std" in name:
                continue
            made = generator(**{n: True for n in names})
            if "featurewise" in name:
                made.fit(x)
            yield {"arguments": names, "output": tensor(np.stack([made.standardize(sample.copy()) for sample in x]))}


if __name__ == "__main__":
    square, wide = picture(1, 8, 8, 3), picture(2, 7, 10, 2)
    batch = picture(3, 4, 3, 3, 3)
    content = {
        "versions": {"keras": keras.__version__, "scipy": scipy.__version__, "numpy": np.__version__},
        "square": tensor(square),
        "keras": list(keras_warps(square)),
        "wide": tensor(wide),
        "scipy": list(scipy_warps(wide)),
        "channel_shift": [
            {"intensity": i, "output": tensor(legacy.apply_channel_shift(square, i, channel_axis=2))} for i in (40.0, -60.0)
        ],
        "batch": tensor(batch),
        "standardize": list(standardisations(batch)),
    }
    with open(os.path.join(HERE, "warps.json"), "w") as file:
        json.dump(content, file, separators=(",", ":"))
        file.write("\n")
