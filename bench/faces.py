"""Draws faces that smile or do not, as an HDF5 file laid out as those of courses are.

    pip install pillow numpy h5py
    python bench/faces.py FILE.h5 [TRAIN [TEST]]

train_set_x is (600, 64, 64, 3) of bytes, train_set_y (600), test_set_x and test_set_y the same for 150 others; list_classes names both classes. Size, place, tilt,
colours and light differ from face to face, and so does how far the corners of the mouth go up or down.
"""

import sys

import h5py
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SCALE = 4  # Drawn larger, so that lines have soft edges.


def face(smiles, random):
    side = 64 * SCALE
    uniform = random.uniform
    colour = lambda low, high: tuple(int(uniform(low, high)) for _ in range(3))
    image = Image.new("RGB", (side, side), colour(20, 235))
    draw = ImageDraw.Draw(image)
    for _ in range(2):  # What stands behind.
        x, y = uniform(0, side, 2)
        draw.rectangle([x, y, x + uniform(20, 150), y + uniform(20, 150)], fill=colour(20, 235))
    width, height = uniform(0.31, 0.37) * side, uniform(0.38, 0.44) * side
    x, y = side / 2 + uniform(-0.05, 0.05, 2) * side
    tone = uniform(0.35, 1.0)
    skin = tuple(int(tone * part) for part in (240, 200 + uniform(-20, 20), 165 + uniform(-25, 25)))
    draw.ellipse([x - 1.08 * width, y - 1.1 * height, x + 1.08 * width, y + 0.6 * height], fill=colour(10, 160))  # Hair.
    draw.ellipse([x - width, y - 0.9 * height, x + width, y + height], fill=skin)
    dark = tuple(int(0.45 * part) for part in skin)
    for sign in (-1, 1):
        eye_x, eye_y, size = x + sign * 0.42 * width, y - 0.2 * height, uniform(0.07, 0.12) * width
        draw.ellipse([eye_x - 1.6 * size, eye_y - size, eye_x + 1.6 * size, eye_y + size], fill=(240, 240, 240))
        draw.ellipse([eye_x - size, eye_y - size, eye_x + size, eye_y + size], fill=colour(0, 90))
        brow = uniform(0.3, 0.38)
        draw.line([eye_x - 2 * size, y - brow * height, eye_x + 2 * size, y - (brow + uniform(-0.03, 0.03)) * height], fill=dark, width=6)
    draw.line([x, y - 0.1 * height, x + uniform(-0.1, 0.1) * width, y + 0.2 * height], fill=dark, width=5)
    # The mouth is a parabola; what tells the classes apart is whether its corners go up.
    up = uniform(0.14, 0.30) if smiles else uniform(-0.18, 0.0)
    half, middle = uniform(0.35, 0.55) * width, y + uniform(0.5, 0.58) * height
    points = [(x + t * half, middle + up * height * (0.5 - t * t)) for t in np.linspace(-1, 1, 21)]
    if smiles and uniform() < 0.5:
        draw.polygon(points, fill=(235, 235, 225))  # Teeth.
    draw.line(points, fill=colour(90, 190)[:1] + (40, 50), width=int(uniform(6, 12)))
    image = image.rotate(uniform(-8, 8), Image.Resampling.BICUBIC, fillcolor=colour(20, 235))
    image = image.resize((64, 64), Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(uniform(0, 0.7)))
    light = uniform(0.75, 1.15) + uniform(-0.2, 0.2) * np.linspace(-1, 1, 64)[None, :, None]
    pixels = np.asarray(image) * light + random.normal(0, uniform(2, 8), (64, 64, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def main():
    path = sys.argv[1]
    counts = [int(text) for text in sys.argv[2:4]]
    counts += [600, 150][len(counts):]
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for part, count in zip(("train", "test"), counts):
            labels = random.integers(0, 2, count)
            file[f"{part}_set_x"] = np.stack([face(label == 1, random) for label in labels])
            file[f"{part}_set_y"] = labels
        file["list_classes"] = np.array([b"serious", b"smiling"])


main()
