"""Writes keras.json: what TensorFlow, Keras and NumPy make of small inputs that the tests make again.

    pip install tensorflow==2.21.0 keras==3.15.1 pillow
    python make.py

Pictures are `at * at * 37 % 251` for each byte, so that the tests need no files.
"""

import json
import os
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf
from keras.src.legacy.preprocessing.text import Tokenizer
from PIL import Image


def values(count):
    at = np.arange(count, dtype=np.int64)
    return (at * at * 37 % 251).astype(np.float32)


def floats(array):
    return [round(float(value), 4) for value in np.asarray(array).ravel()]


def resized():
    cases = []
    for method in ("bilinear", "bicubic", "lanczos3", "area", "nearest"):
        for width, height, to in ((9, 7, (3, 4)), (3, 2, (4, 5)), (5, 4, (4, 3))):
            picture = values(width * height * 2).reshape(height, width, 2)
            result = tf.image.resize(picture, to, method=method)
            cases.append({"method": method, "from": [height, width], "to": to, "values": floats(result)})
    return cases


def boxes():
    images = values(2 * 4 * 5 * 2).reshape(2, 4, 5, 2)
    where = [[0.1, 0.2, 0.8, 0.9], [0.9, 0.1, 0.2, 0.7], [-0.3, 0.4, 0.6, 1.4], [0.25, 0.5, 0.25, 0.5]]
    of = [0, 1, 1, 0]
    cases = []
    for method in ("bilinear", "nearest"):
        for size in ((3, 2), (1, 3)):
            result = tf.image.crop_and_resize(images, where, of, size, method=method, extrapolation_value=-7)
            cases.append({"method": method, "size": size, "values": floats(result)})
    return {"boxes": where, "of": of, "cases": cases}


def photos():
    """A file as load_img cuts and resizes it."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "files", "picture.bmp")
    cases = []
    for interpolation in ("nearest", "bilinear", "bicubic", "lanczos", "box"):
        for keep in (False, True):
            for size in ((5, 7), (9, 4), (6, 24)):
                picture = keras.utils.load_img(path, target_size=size, interpolation=interpolation, keep_aspect_ratio=keep)
                cases.append({"interpolation": interpolation, "keep_aspect_ratio": keep, "size": size,
                              "values": [int(value) for value in keras.utils.img_to_array(picture).ravel()]})
    return cases


def folder():
    """Three classes of pictures of several sizes, read by image_dataset_from_directory."""
    cases = []
    with tempfile.TemporaryDirectory() as root:
        for place, name in enumerate(("ant", "Bee", "cow")):
            os.makedirs(os.path.join(root, name, "more"))
            for number in range(5):
                width, height = 6 + place + number, 9 - number
                pixels = values(width * height * 3 + number)[number:].reshape(height, width, 3).astype(np.uint8)
                inner = "more" if number == 2 else ""
                Image.fromarray(pixels).save(os.path.join(root, name, inner, f"{number}.png"))
        for options in (
            dict(),
            dict(crop_to_aspect_ratio=True),
            dict(pad_to_aspect_ratio=True),
            dict(interpolation="area"),
            dict(validation_split=0.3, subset="training", seed=11),
            dict(validation_split=0.3, subset="validation", seed=11),
        ):
            data = keras.utils.image_dataset_from_directory(
                root, batch_size=None, image_size=(5, 4), shuffle="seed" in options, verbose=False, **options
            )
            # A set that is shuffled once more in each epoch: its files tell the order in which they are cut.
            if "seed" in options:
                cases.append({"options": options, "files": [os.path.relpath(path, root) for path in data.file_paths]})
                continue
            pictures, labels = zip(*[(picture.numpy(), int(label)) for picture, label in data])
            cases.append({
                "options": options,
                "class_names": data.class_names,
                "labels": labels,
                "sums": floats([picture.sum() for picture in pictures]),
                "first": floats(pictures[3]),
            })
    return cases


TEXTS = [
    "The cat sat.",
    "the dog SAT on the cat's mat",
    "A mat; a cat\tand a dog!",
    "Ärger über die Katze\x0bund  more",
    "it's   [x] {y} don\u2019t",
]
ASKED = ["the cat ÜBER mat! owl", "Dog's\x0bmat, more über it's [UNK]", ""]


def vectorization():
    cases = []
    for options in (
        dict(max_tokens=8, output_sequence_length=6),
        dict(),
        dict(standardize="lower", ngrams=2, max_tokens=12),
        dict(standardize="strip_punctuation", ngrams=(2, 3)),
        dict(split="character", max_tokens=10, output_sequence_length=9),
        dict(standardize=None, split=None),
    ):
        layer = keras.layers.TextVectorization(**options)
        layer.adapt(TEXTS)
        asked = [layer(tf.constant([text])).numpy().ravel().tolist() for text in ASKED]
        vocabulary = [str(word) for word in layer.get_vocabulary()]
        cases.append({"options": options, "vocabulary": vocabulary, "asked": asked})
    return {"texts": TEXTS, "asked": ASKED, "cases": cases}


def tokenizer():
    cases = []
    for options in (dict(), dict(num_words=5), dict(num_words=5, oov_token="<?>"), dict(oov_token="cat")):
        words = Tokenizer(**options)
        words.fit_on_texts(TEXTS)
        cases.append({"options": options, "index": words.word_index, "asked": words.texts_to_sequences(ASKED)})
    return cases


def shuffles():
    cases = []
    for count, seed in ((10, 0), (10, 123), (1000, 7), (700, 4294967295)):
        order = list(range(count))
        np.random.RandomState(seed).shuffle(order)
        cases.append({"count": count, "seed": seed, "first": order[:20]})
    return cases


golden = {
    "versions": {"tensorflow": tf.__version__, "keras": keras.__version__, "numpy": np.__version__},
    "resized": resized(),
    "boxes": boxes(),
    "photos": photos(),
    "folder": folder(),
    "vectorization": vectorization(),
    "tokenizer": tokenizer(),
    "shuffles": shuffles(),
}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "keras.json"), "w") as file:
    json.dump(golden, file, ensure_ascii=False, indent=None, separators=(",", ":"))
    file.write("\n")
