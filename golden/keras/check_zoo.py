"""Do networks of keras.applications predict the same here?

usage: check_zoo.py CONVNET      (CONVNET: the program)

Each is built with random weights and moving statistics, saved by Keras, and run by both on the same images. Nothing is kept.
"""

import os
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np

A = keras.applications
NETWORKS = [
    (A.ResNet50, {"input_shape": (64, 64, 3), "classes": 10, "classifier_activation": None}),
    (A.ResNet50, {"input_shape": (45, 70, 3), "include_top": False, "pooling": "max"}),
    (A.ResNet101, {"input_shape": (32, 32, 3), "include_top": False}),
    (A.VGG16, {"input_shape": (40, 32, 3), "classes": 5}),
    (A.VGG19, {"input_shape": (64, 48, 3), "include_top": False, "pooling": "avg"}),
    (A.MobileNetV2, {"alpha": 0.35, "input_shape": (96, 96, 3), "classes": 20, "classifier_activation": None}),
    (A.MobileNetV2, {"alpha": 1.0, "input_shape": (75, 64, 3), "include_top": False}),
]


def randomize(model, rng):
    for weight in model.weights:
        shape = weight.shape
        if weight.name == "moving_variance":
            weight.assign(rng.uniform(0.5, 1.5, shape))
        elif weight.name == "gamma":
            weight.assign(rng.uniform(0.5, 1.0, shape))
        elif weight.name in ("beta", "moving_mean", "bias"):
            weight.assign(rng.uniform(-0.2, 0.2, shape))


convnet = sys.argv[1]
for function, arguments in NETWORKS:
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    model = function(weights=None, **arguments)
    randomize(model, rng)
    x = rng.random((3, *model.input_shape[1:]), dtype=np.float32)
    theirs = model.predict(x, verbose=0)
    for extension in ("keras", "h5"):
        with tempfile.TemporaryDirectory() as folder:
            path, x_path, y_path = (os.path.join(folder, name) for name in (f"model.{extension}", "x.npy", "y.npy"))
            model.save(path)
            np.save(x_path, x)
            subprocess.run([convnet, "run", path, "--input", x_path, "--output", y_path], check=True, stdout=subprocess.DEVNULL)
            ours = np.load(y_path)
        assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
        scale = float(np.abs(theirs).max())
        difference = float(np.abs(ours - theirs).max()) / scale
        print(f"{model.name} {arguments} .{extension}: {model.count_params():,} parameters, largest output {scale:.3g}, "
              f"largest difference {difference:.1e} of it", flush=True)
        assert difference < 2e-5, "convnet and Keras disagree"
