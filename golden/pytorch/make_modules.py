"""Write the names of the modules that have weights in networks of torchvision and timm: `python make_modules.py`, beside `modules.json`."""

import json
from pathlib import Path

import timm
import torchvision.models as models

# The network here, who has it, what it is called there, and whose habits it has.
NETWORKS = [
    ("resnet50", "torchvision", "resnet50", "torchvision"),
    ("vgg16", "torchvision", "vgg16", "torchvision"),
    ("densenet121", "torchvision", "densenet121", "torchvision"),
    ("mobilenet-v2", "torchvision", "mobilenet_v2", "torchvision"),
    ("mobilenet-v3-small", "torchvision", "mobilenet_v3_small", "torchvision"),
    ("convnext-tiny", "torchvision", "convnext_tiny", "torchvision"),
    ("efficientnet-b0", "torchvision", "efficientnet_b0", "torchvision"),
    ("inception-v3", "torchvision", "inception_v3", "torchvision"),
    ("vgg16", "timm", "vgg16", "timm"),
    ("se-resnet50", "timm", "seresnet50", "timm"),
    ("resnet18-v2", "timm", "resnetv2_18", "timm"),
    ("resnet50-v2", "timm", "resnetv2_50", "timm"),
    ("mobilenet", "timm", "mobilenetv1_100", "timm"),
    ("mobilenet-v2", "timm", "mobilenetv2_100", "timm"),
    ("mobilenet-v3-large", "timm", "mobilenetv3_large_100", "timm"),
    ("convnext-tiny", "timm", "convnext_tiny", "timm"),
    ("efficientnet-b0", "timm", "efficientnet_b0", "timm"),
    ("efficientnet-lite0", "timm", "tf_efficientnet_lite0", "tensorflow"),
    ("inception-v4", "timm", "inception_v4", "timm"),
    ("inception-resnet-v2", "timm", "inception_resnet_v2", "timm"),
]
# Tensors that are in no module of their own.
ALONE = ("gamma", "layer_scale")


def modules(collection, name):
    if collection == "timm":
        network = timm.create_model(name)
    else:
        network = models.get_model(name, weights=None)
    found = {}
    for tensor in network.state_dict():
        module, last = tensor.rsplit(".", 1)
        found[tensor if last in ALONE else module] = None
    return [name for name in found if not name.startswith("AuxLogits")]


rows = [{"network": here, "habits": habits, "from": f"{collection} {name}", "modules": modules(collection, name)}
        for here, collection, name, habits in NETWORKS]
text = ",\n".join(json.dumps(row) for row in rows)
(Path(__file__).parent / "modules.json").write_text(f"[\n{text}\n]\n")
