"""Do networks of keras.applications predict the same here?

usage: check_zoo.py CONVNET [NAME...]      (CONVNET: the program; NAME: functions of keras.applications or networks of `convnet zoo`, by default all)

Each is built with random weights and moving statistics, saved by Keras, and run by both on the same images. Some are built and saved
by convnet then, and run by both again. Nothing is kept.
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
    (A.ResNet152, {"input_shape": (32, 35, 3), "include_top": False}),
    (A.ResNet50V2, {"input_shape": (48, 41, 3), "classes": 10, "classifier_activation": None}),
    (A.ResNet101V2, {"input_shape": (32, 32, 3), "include_top": False}),
    (A.ResNet152V2, {"input_shape": (33, 32, 3), "include_top": False, "pooling": "avg"}),
    (A.VGG16, {"input_shape": (40, 32, 3), "classes": 5}),
    (A.VGG19, {"input_shape": (64, 48, 3), "include_top": False, "pooling": "avg"}),
    (A.MobileNet, {"alpha": 0.25, "input_shape": (65, 64, 3), "classes": 20, "classifier_activation": None}),
    (A.MobileNet, {"input_shape": (33, 48, 3), "include_top": False}),
    (A.MobileNetV2, {"alpha": 0.35, "input_shape": (96, 96, 3), "classes": 20, "classifier_activation": None}),
    (A.MobileNetV2, {"alpha": 1.0, "input_shape": (75, 64, 3), "include_top": False}),
    (A.MobileNetV3Small, {"input_shape": (64, 67, 3), "classes": 20, "classifier_activation": None}),
    (A.MobileNetV3Small, {"input_shape": (64, 64, 3), "minimalistic": True, "include_top": False, "pooling": "avg"}),
    (A.MobileNetV3Large, {"input_shape": (65, 64, 3), "classes": 20, "alpha": 0.75}),
    (A.DenseNet121, {"input_shape": (40, 64, 3), "classes": 20, "classifier_activation": None}),
    (A.DenseNet169, {"input_shape": (32, 32, 3), "include_top": False}),
    (A.DenseNet201, {"input_shape": (33, 32, 3), "include_top": False, "pooling": "max"}),
    (A.InceptionV3, {"input_shape": (80, 75, 3), "classes": 20, "classifier_activation": None}),
    (A.InceptionResNetV2, {"input_shape": (75, 80, 3), "classes": 20, "classifier_activation": None}),
    (A.Xception, {"input_shape": (71, 75, 3), "classes": 20, "classifier_activation": None}),
    (A.EfficientNetB0, {"input_shape": (64, 67, 3), "classes": 20, "classifier_activation": None}),
    (A.EfficientNetB1, {"input_shape": (33, 32, 3), "include_top": False}),
    (A.EfficientNetB2, {"input_shape": (32, 32, 3), "include_top": False, "pooling": "avg"}),
    (A.EfficientNetB3, {"input_shape": (32, 32, 3), "include_top": False}),
    (A.EfficientNetB4, {"input_shape": (32, 32, 3), "include_top": False}),
    (A.EfficientNetB5, {"input_shape": (32, 32, 3), "include_top": False}),
    (A.EfficientNetB6, {"input_shape": (32, 32, 3), "include_top": False}),
    (A.EfficientNetB7, {"input_shape": (32, 32, 3), "include_top": False}),
    (A.ConvNeXtTiny, {"input_shape": (64, 47, 3), "classes": 20, "classifier_activation": None}),
    (A.ConvNeXtSmall, {"input_shape": (32, 32, 3), "include_top": False}),
    (A.ConvNeXtBase, {"input_shape": (32, 32, 3), "include_top": False, "pooling": "avg"}),
    (A.ConvNeXtLarge, {"input_shape": (32, 32, 3), "include_top": False}),
    (A.ConvNeXtXLarge, {"input_shape": (32, 32, 3), "include_top": False, "pooling": "max"}),
]
# Built by convnet: arguments of `convnet zoo`.
OURS = [
    ["resnet50", "--input", "64x40x3", "--scores"],
    ["resnet50-v2", "--input", "48x48x3", "--scores"],
    ["vgg16", "--input", "32x32x3", "--no-top"],
    ["mobilenet", "--input", "64x64x3", "--scores"],
    ["mobilenet-v2", "--input", "65x64x3", "--scores"],
    ["mobilenet-v3-small", "--input", "64x64x3", "--scores"],
    ["mobilenet-v3-large", "--input", "64x64x3", "--scores"],
    ["xception", "--input", "71x71x3", "--scores"],
    ["inception-v3", "--input", "75x80x3", "--scores"],
    ["efficientnet-b0", "--input", "48x48x3", "--no-top"],
    ["convnext-tiny", "--input", "32x32x3", "--scores"],
    ["inception-resnet-v2", "--input", "75x75x3", "--scores"],
    ["densenet121", "--input", "40x40x3", "--scores"],
]
OURS += [[name, "--input", "33x32x3", "--no-top"] for name in (
    "vgg19", "resnet101", "resnet152", "resnet101-v2", "resnet152-v2", "densenet169", "densenet201", "efficientnet-b1", "efficientnet-b2", "efficientnet-b3",
    "efficientnet-b4", "efficientnet-b5", "efficientnet-b6", "efficientnet-b7", "convnext-small", "convnext-base", "convnext-large", "convnext-xlarge")]
CUSTOM = {"LayerScale": keras.src.applications.convnext.LayerScale,
          "CustomScaleLayer": keras.src.applications.inception_resnet_v2.CustomScaleLayer}


def randomize(model, rng):
    for layer in model._flatten_layers(include_self=False):
        for weight in layer._trainable_variables + layer._non_trainable_variables:
            shape = weight.shape
            if weight.name == "moving_variance":
                weight.assign(rng.uniform(0.5, 1.5, shape))
            elif weight.name == "gamma" or type(layer).__name__ == "LayerScale":
                weight.assign(rng.uniform(0.5, 1.0, shape))
            elif weight.name in ("beta", "moving_mean", "bias"):
                weight.assign(rng.uniform(-0.2, 0.2, shape))
            elif type(layer).__name__ == "Normalization" and weight.name != "count":
                weight.assign(rng.uniform(0.2, 0.6, shape))
                layer.finalize_state()


def images(model, rng):
    """Pixels of 0 … 255 where the model brings them to its own range, else of 0 … 1."""
    bytes_ = any(type(layer).__name__ in ("Rescaling", "Normalization") for layer in model.layers[:3])
    return rng.random((3, *model.input_shape[1:]), dtype=np.float32) * np.float32(255 if bytes_ else 1)


def run(path, x, folder):
    x_path, y_path = (os.path.join(folder, name) for name in ("x.npy", "y.npy"))
    np.save(x_path, x)
    subprocess.run([convnet, "run", path, "--input", x_path, "--output", y_path], check=True, stdout=subprocess.DEVNULL)
    return np.load(y_path)


def compare(what, model, ours, theirs):
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    scale = float(np.abs(theirs).max())
    difference = float(np.abs(ours - theirs).max()) / scale
    good = np.isfinite(ours).all() and difference < 1e-4
    print(f"{model.name} {what}: {model.count_params():,} parameters, largest output {scale:.3g}, "
          f"largest difference {difference:.1e} of it{'' if good else ': DIFFERS'}", flush=True)
    return good


convnet, names = sys.argv[1], sys.argv[2:]
bad = 0
for function, arguments in NETWORKS:
    if names and function.__name__ not in names:
        continue
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    model = function(weights=None, **arguments)
    randomize(model, rng)
    x = images(model, rng)
    theirs = np.asarray(model(x, training=False))
    for extension in ("keras", "h5") if model.count_params() < 3e7 else ("keras",):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, f"model.{extension}")
            model.save(path)
            bad += not compare(f"{arguments} .{extension}", model, run(path, x, folder), theirs)
for arguments in OURS:
    if names and arguments[0] not in names:
        continue
    for extension in ("keras", "h5"):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, f"model.{extension}")
            subprocess.run([convnet, "zoo", *arguments, "--save", path], check=True, stdout=subprocess.DEVNULL)
            # Legacy files do not say where a class is, so that Keras is told of those that are in none of its public modules.
            model = keras.models.load_model(path, custom_objects=CUSTOM if extension == "h5" else None, compile=False)
            rng = np.random.default_rng(2)
            x = images(model, rng)
            bad += not compare(f"by convnet .{extension}", model, run(path, x, folder), np.asarray(model(x, training=False)))
sys.exit(f"{bad} differ" if bad else 0)
