"""Makes a folder of JPEGs with a sub-folder for each class, to measure how fast pictures are read.

    pip install pillow numpy scikit-image scikit-learn
    python bench/photos.py FOLDER [COUNT [SIDE]]

Each picture is a random part of a sample photo of scikit-learn or scikit-image, brought to SIDE × SIDE (224; 0 keeps parts of 300 to 426 pixels), and the photo is its class.
"""

import os
import sys

import numpy as np
import skimage
import sklearn.datasets
from PIL import Image

folder = sys.argv[1]
count = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
side = int(sys.argv[3]) if len(sys.argv) > 3 else 224
samples = os.path.join(os.path.dirname(skimage.__file__), "data")
photos = dict(zip(("palace", "flower"), sklearn.datasets.load_sample_images().images))
for name, file in (("cat", "chelsea.png"), ("coffee", "coffee.png"), ("astronaut", "astronaut.png"), ("rocket", "rocket.jpg")):
    path = os.path.join(samples, file)
    if os.path.exists(path):
        photos[name] = np.asarray(Image.open(path).convert("RGB"))
random = np.random.default_rng(0)
names = sorted(photos)
for name in names:
    os.makedirs(os.path.join(folder, name), exist_ok=True)
for number in range(count):
    name = names[number % len(names)]
    photo = Image.fromarray(photos[name])
    part = int(random.integers(150, min(photo.size))) if side else int(random.integers(300, min(426, *photo.size) + 1))
    left, top = (int(random.integers(0, length - part + 1)) for length in photo.size)
    cut = photo.crop((left, top, left + part, top + part))
    if side:
        cut = cut.resize((side, side), Image.Resampling.BICUBIC)
    cut.save(os.path.join(folder, name, f"{number:06}.jpg"), quality=90)
