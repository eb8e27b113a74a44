"""Hold networks of the zoo with weights of torchvision and timm to the real ones: `python check_zoo.py CONVNET [NAME…]`.

Needs torch, torchvision, timm and safetensors. Each network is built with random weights, its normalisations get random statistics, its
state dict is saved, and `convnet run NAME --weights FILE` must give the same classes' probabilities within 1e-4 of the largest.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import safetensors.torch
import timm
import torch
import torchvision.models as models

# The network here, who has it, what it is called there, its size, and whose habits have to be told.
NETWORKS = [
    *((name, "torchvision", name, 224, None) for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "vgg16", "vgg19",
                                                          "densenet121", "densenet169", "densenet201")),
    ("mobilenet-v2", "torchvision", "mobilenet_v2", 224, None),
    ("mobilenet-v3-large", "torchvision", "mobilenet_v3_large", 224, None),
    ("mobilenet-v3-small", "torchvision", "mobilenet_v3_small", 224, None),
    *((f"convnext-{size}", "torchvision", f"convnext_{size}", 224, None) for size in ("tiny", "small", "base", "large")),
    *((f"efficientnet-b{i}", "torchvision", f"efficientnet_b{i}", size, None)
      for i, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600))),
    ("inception-v3", "torchvision", "inception_v3", 299, None),
    ("resnet50", "timm", "resnet50", 224, None),
    ("vgg16", "timm", "vgg16", 224, None),
    ("densenet121", "timm", "densenet121", 224, None),
    ("se-resnet50", "timm", "seresnet50", 224, None),
    *((f"resnet{n}-v2", "timm", f"resnetv2_{n}", 224, None) for n in (18, 34, 50, 101, 152)),
    ("mobilenet", "timm", "mobilenetv1_100", 224, None),
    ("mobilenet-v2", "timm", "mobilenetv2_100", 224, None),
    ("mobilenet-v3-large", "timm", "tf_mobilenetv3_large_100", 224, None),
    ("mobilenet-v3-small", "timm", "tf_mobilenetv3_small_100", 224, None),
    ("mobilenet-v3-large", "timm", "mobilenetv3_large_100", 224, "timm"),
    ("efficientnet-b0", "timm", "tf_efficientnet_b0", 224, None),
    ("efficientnet-b0", "timm", "efficientnet_b0", 224, "timm"),
    *((f"efficientnet-lite{i}", "timm", f"tf_efficientnet_lite{i}", size, None) for i, size in enumerate((224, 240, 260, 280, 300))),
    ("efficientnet-lite0", "timm", "efficientnet_lite0", 224, "timm"),
    ("convnext-tiny", "timm", "convnext_tiny", 224, None),
    ("inception-v3", "timm", "inception_v3", 299, None),
    ("inception-v4", "timm", "inception_v4", 299, None),
    ("inception-resnet-v2", "timm", "inception_resnet_v2", 299, None),
]
TOLERANCE = 1e-4


def build(collection, name, size):
    torch.manual_seed(0)
    network = timm.create_model(name) if collection == "timm" else models.get_model(name, weights=None)
    with torch.no_grad():
        for key, values in network.state_dict().items():
            if key.endswith("running_mean"):
                values.uniform_(-0.2, 0.2)
            elif key.endswith("running_var"):
                values.uniform_(0.5, 1.5)
            elif values.ndim < 2 and values.is_floating_point():
                values.add_(torch.empty_like(values).uniform_(-0.2, 0.2))
            elif key.endswith(("gamma", "layer_scale")):
                values.uniform_(0.5, 1)
    network.eval()
    # Classes that are neither all alike nor one of them certain.
    with torch.no_grad():
        last = [layer for layer in network.modules() if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d))][-1]
        spread = network(torch.randn(1, 3, size, size)).std()
        last.weight.mul_(2 / spread)
        last.bias.mul_(2 / spread)
    return network


def check(convnet, folder, here, collection, name, size, habits):
    network = build(collection, name, size)
    x = torch.randn(1, 3, size, size)
    with torch.no_grad():
        wanted = torch.softmax(network(x), 1).numpy()
    weights, given, found = folder / "weights.safetensors", folder / "x.npy", folder / "y.npy"
    safetensors.torch.save_model(network, str(weights))
    np.save(given, x.permute(0, 2, 3, 1).contiguous().numpy())
    command = [convnet, "run", here, "--weights", weights, "--input", given, "--output", found]
    ran = subprocess.run(command + (["--weights-from", habits] if habits else []), capture_output=True, text=True)
    if ran.returncode:
        return ran.stderr.strip()
    error = float(np.abs(np.load(found) - wanted).max() / wanted.max())
    verdict = "" if error < TOLERANCE else "TOO FAR"
    return f"{error:.1e} of the largest, {wanted.max():.3f} {verdict}".strip() + (f"  ({ran.stderr.strip()})" if "used" in ran.stderr else "")


def main():
    convnet, chosen = sys.argv[1], sys.argv[2:]
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for here, collection, name, size, habits in NETWORKS:
            if chosen and here not in chosen and name not in chosen:
                continue
            told = check(convnet, Path(folder), here, collection, name, size, habits)
            bad += "of the largest" not in told or "TOO FAR" in told
            print(f"{here:22} {collection:12} {name:26} {told}", flush=True)
    sys.exit(f"{bad} differ" if bad else 0)


main()
