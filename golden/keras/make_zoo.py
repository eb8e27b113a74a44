"""Write zoo.json with the real Keras: layers, shapes and parameter counts of networks in keras.applications.

usage: make_zoo.py [FOLDER]     (needs what make_fixtures.py needs; takes some minutes and 5 GB)

With a FOLDER, the lines of all layers are written there too, to find what a hash that differs is about.
"""

import json
import os
import sys

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
# Of these only a hash of the layers is kept.
HASHED = [
    ("resnet50-v2", A.ResNet50V2, {}),
    ("resnet50-v2", A.ResNet50V2, {"include_top": False, "input_shape": (224, 224, 3)}),
    ("resnet50-v2", A.ResNet50V2, {"include_top": False, "pooling": "max", "input_shape": (75, 64, 1)}),
    ("resnet101-v2", A.ResNet101V2, {}),
    ("resnet152-v2", A.ResNet152V2, {}),
    ("inception-v3", A.InceptionV3, {}),
    ("inception-v3", A.InceptionV3, {"include_top": False, "input_shape": (299, 299, 3)}),
    ("inception-v3", A.InceptionV3, {"include_top": False, "pooling": "avg", "input_shape": (75, 80, 3)}),
    ("inception-resnet-v2", A.InceptionResNetV2, {}),
    ("inception-resnet-v2", A.InceptionResNetV2, {"include_top": False, "input_shape": (299, 299, 3)}),
    ("inception-resnet-v2", A.InceptionResNetV2, {"include_top": False, "pooling": "max", "input_shape": (90, 75, 1)}),
    ("xception", A.Xception, {}),
    ("xception", A.Xception, {"include_top": False, "input_shape": (299, 299, 3)}),
    ("xception", A.Xception, {"include_top": False, "pooling": "max", "input_shape": (71, 90, 3)}),
    ("mobilenet", A.MobileNet, {}),
    ("mobilenet", A.MobileNet, {"include_top": False, "input_shape": (224, 224, 3)}),
    ("mobilenet", A.MobileNet, {"alpha": 0.25, "input_shape": (96, 96, 3), "classes": 7}),
    ("mobilenet", A.MobileNet, {"alpha": 0.5, "input_shape": (33, 40, 3), "include_top": False, "pooling": "avg"}),
    ("mobilenet-v3-small", A.MobileNetV3Small, {"input_shape": (224, 224, 3)}),
    ("mobilenet-v3-small", A.MobileNetV3Small, {"alpha": 0.75, "input_shape": (96, 101, 3), "include_top": False, "pooling": "avg"}),
    ("mobilenet-v3-small", A.MobileNetV3Small, {"minimalistic": True, "input_shape": (64, 64, 3), "classes": 3}),
    ("mobilenet-v3-large", A.MobileNetV3Large, {"input_shape": (224, 224, 3)}),
    ("mobilenet-v3-large", A.MobileNetV3Large, {"alpha": 1.25, "input_shape": (65, 64, 3), "classes": 9}),
    ("densenet121", A.DenseNet121, {}),
    ("densenet121", A.DenseNet121, {"include_top": False, "input_shape": (224, 224, 3)}),
    ("densenet121", A.DenseNet121, {"include_top": False, "pooling": "max", "input_shape": (40, 33, 1)}),
    ("densenet169", A.DenseNet169, {}),
    ("densenet201", A.DenseNet201, {}),
    ("efficientnet-b0", A.EfficientNetB0, {}),
    ("efficientnet-b0", A.EfficientNetB0, {"include_top": False, "input_shape": (224, 224, 3)}),
    ("efficientnet-b0", A.EfficientNetB0, {"include_top": False, "pooling": "avg", "input_shape": (33, 47, 3)}),
    ("efficientnet-b1", A.EfficientNetB1, {}),
    ("efficientnet-b2", A.EfficientNetB2, {}),
    ("efficientnet-b3", A.EfficientNetB3, {}),
    ("efficientnet-b4", A.EfficientNetB4, {}),
    ("efficientnet-b5", A.EfficientNetB5, {}),
    ("efficientnet-b6", A.EfficientNetB6, {}),
    ("efficientnet-b7", A.EfficientNetB7, {}),
    ("convnext-tiny", A.ConvNeXtTiny, {}),
    ("convnext-tiny", A.ConvNeXtTiny, {"include_top": False, "input_shape": (224, 224, 3)}),
    ("convnext-tiny", A.ConvNeXtTiny, {"include_top": False, "pooling": "max", "input_shape": (40, 33, 3)}),
    ("convnext-small", A.ConvNeXtSmall, {}),
    ("convnext-base", A.ConvNeXtBase, {}),
    ("convnext-large", A.ConvNeXtLarge, {}),
    ("convnext-xlarge", A.ConvNeXtXLarge, {}),
]


def class_of(model, operation):
    """The class of a layer; where Keras computes with a number without a layer, of the one that does the same here."""
    numbers = [number for node in operation._inbound_nodes for number in node.arguments.args if isinstance(number, float)]
    return "Rescaling" if numbers else type(operation).__name__


def line(model, operation):
    parameters = operation.count_params() if isinstance(operation, keras.Layer) else 0
    sizes = "x".join(map(str, operation.output.shape[1:]))
    return f"{operation.name} {class_of(model, operation)} {sizes} {parameters}"


def fnv(text):
    """FNV-1a of 64 bits."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def network(name, function, arguments, hashed):
    keras.backend.clear_session()
    model = function(weights=None, **arguments)
    layers = [line(model, operation) for operation in model.operations]
    trainable = sum(int(keras.ops.size(weight)) for weight in model.trainable_weights)
    entry = {"name": name, "arguments": arguments, "model_name": model.name, "parameters": model.count_params(),
             "trainable_parameters": trainable}
    print(name, arguments, flush=True)
    if lines_to:
        with open(os.path.join(lines_to, f"{name}-{fnv(repr(arguments))}.txt"), "w") as file:
            file.write("\n".join(layers))
    if hashed:
        return entry | {"layers": len(layers), "hash": fnv("\n".join(layers))}
    if not arguments.get("include_top", True) and "pooling" not in arguments:
        layers = layers[-1:]  # The others are those of the network with its top.
    return entry | {"layers": layers}


folder = os.path.dirname(os.path.abspath(__file__))
lines_to = sys.argv[1] if len(sys.argv) > 1 else None
networks = [network(*row, False) for row in NETWORKS] + [network(*row, True) for row in HASHED]
with open(os.path.join(folder, "zoo.json"), "w") as file:
    json.dump({"versions": {"keras": keras.__version__}, "networks": networks}, file, indent=0)
    file.write("\n")
