"""Write zoo.json with the real Keras: layers, shapes and parameter counts of networks in keras.applications.

usage: make_zoo.py      (needs what make_fixtures.py needs; takes a minute)
"""

import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras

A = keras.applications
NETWORKS = [
    # Name here, function there, arguments.
    ("resnet50", A.ResNet50, {}),
    ("resnet50", A.ResNet50, {"include_top": False, "input_shape": (224, 224, 3)}),
    ("resnet50", A.ResNet50, {"include_top": False, "pooling": "max", "input_shape": (75, 64, 1)}),
    ("resnet50", A.ResNet50, {"include_top": False, "pooling": "avg", "input_shape": (32, 33, 3)}),
    ("resnet101", A.ResNet101, {}),
    ("resnet101", A.ResNet101, {"include_top": False, "input_shape": (224, 224, 3)}),
    ("resnet152", A.ResNet152, {}),
    ("resnet152", A.ResNet152, {"include_top": False, "input_shape": (224, 224, 3)}),
    ("vgg16", A.VGG16, {}),
    ("vgg16", A.VGG16, {"include_top": False, "input_shape": (224, 224, 3)}),
    ("vgg16", A.VGG16, {"include_top": False, "pooling": "max", "input_shape": (48, 32, 3)}),
    ("vgg16", A.VGG16, {"classes": 5, "input_shape": (32, 32, 3)}),
    ("vgg19", A.VGG19, {}),
    ("vgg19", A.VGG19, {"include_top": False, "input_shape": (224, 224, 3)}),
    ("mobilenet-v2", A.MobileNetV2, {}),
    ("mobilenet-v2", A.MobileNetV2, {"include_top": False, "input_shape": (224, 224, 3)}),
    ("mobilenet-v2", A.MobileNetV2, {"alpha": 0.35, "input_shape": (96, 96, 3), "classes": 7}),
    ("mobilenet-v2", A.MobileNetV2, {"alpha": 1.4, "input_shape": (101, 83, 3), "include_top": False, "pooling": "avg"}),
]


def network(name, function, arguments):
    keras.backend.clear_session()
    model = function(weights=None, **arguments)
    layers = [
        f"{layer.name} {type(layer).__name__} {'x'.join(map(str, layer.output.shape[1:]))} {layer.count_params()}"
        for layer in model.layers
    ]
    trainable = sum(int(keras.ops.size(weight)) for weight in model.trainable_weights)
    if not arguments.get("include_top", True) and "pooling" not in arguments:
        layers = layers[-1:]  # The others are those of the network with its top.
    return {"name": name, "arguments": arguments, "model_name": model.name, "parameters": model.count_params(),
            "trainable_parameters": trainable, "layers": layers}


folder = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(folder, "zoo.json"), "w") as file:
    networks = [network(*row) for row in NETWORKS]
    json.dump({"versions": {"keras": keras.__version__}, "networks": networks}, file, indent=0)
    file.write("\n")
