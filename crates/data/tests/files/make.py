"""Writes pictures in the formats that are read, all from one picture, and formats.json with what Pillow sees in each.

    pip install pillow==13.0.0 numpy h5py==3.14.0
    python make.py

The picture is 24 × 16, three bands of colour and a ramp; turned.jpg is older and not made here.
"""

import json
import os

import h5py
import numpy as np
from PIL import Image

os.chdir(os.path.dirname(os.path.abspath(__file__)))
rows, columns = np.mgrid[0:16, 0:24]
picture = np.stack([columns * 10, rows * 15, np.where(columns < 12, 30, 220)], axis=-1).astype(np.uint8)
colour = Image.fromarray(picture)
grey = colour.convert("L")
transparent = colour.copy()
transparent.putalpha(Image.fromarray((columns * 11).astype(np.uint8)))
exif = Image.Exif()
exif[0x0112] = 6

colour.convert("P", palette=Image.Palette.ADAPTIVE, colors=32).save("picture.gif", save_all=True, append_images=[grey.convert("P")])
colour.save("picture.bmp")
transparent.save("alpha.bmp")
grey.save("grey.bmp")
grey.point(lambda value: 255 * (value > 90)).convert("1").save("two.bmp")
colour.save("lossless.webp", lossless=True)
colour.save("turned.webp", lossless=True, exif=exif)
transparent.save("alpha.webp", lossless=True)
colour.save("lossy.webp", quality=90)
colour.save("turned.png", exif=exif)
Image.fromarray(picture[:, :, 0].astype(np.uint16) * 257).save("deep.png")
colour.convert("CMYK").save("cmyk.jpg", quality=95)
grey.save("grey.jpg", quality=95)

# 8-bit run-length encoding, which Pillow reads and does not write: runs, a piece as it is, a jump, the ends of lines.
palette = b"".join(bytes([i, 255 - i, i // 2, 0]) for i in range(256))
coded = bytes([6, 200, 0, 0, 2, 7, 0, 3, 1, 2, 3, 0, 1, 9, 0, 0, 0, 2, 2, 0, 4, 77, 0, 1])
head = (
    b"BM" + (54 + 1024 + len(coded)).to_bytes(4, "little") + bytes(4) + (54 + 1024).to_bytes(4, "little")
    + (40).to_bytes(4, "little") + (6).to_bytes(4, "little") + (3).to_bytes(4, "little") + (1).to_bytes(2, "little")
    + (8).to_bytes(2, "little") + (1).to_bytes(4, "little") + len(coded).to_bytes(4, "little") + bytes(8)
    + (256).to_bytes(4, "little") + bytes(4)
)
open("packed.bmp", "wb").write(head + palette + coded)
# 16 bits with masks of 5, 6 and 5.
pixels = ((picture[::-1, :, 0].astype(np.uint16) >> 3) << 11) | ((picture[::-1, :, 1].astype(np.uint16) >> 2) << 5) | (picture[::-1, :, 2] >> 3)
head = (
    b"BM" + (66 + 768).to_bytes(4, "little") + bytes(4) + (66).to_bytes(4, "little") + (40).to_bytes(4, "little")
    + (24).to_bytes(4, "little") + (16).to_bytes(4, "little") + (1).to_bytes(2, "little") + (16).to_bytes(2, "little")
    + (3).to_bytes(4, "little") + (768).to_bytes(4, "little") + bytes(16)
    + (0xF800).to_bytes(4, "little") + (0x07E0).to_bytes(4, "little") + (0x001F).to_bytes(4, "little")
)
open("masks.bmp", "wb").write(head + pixels.astype("<u2").tobytes())

from PIL import ImageOps

seen = {}
for name in sorted(os.listdir(".")):
    if name.split(".")[-1] in ("gif", "bmp", "webp", "png", "jpg") and name != "turned.jpg":
        image = ImageOps.exif_transpose(Image.open(name))
        if image.mode in ("I;16", "I"):
            image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
        if "A" in image.mode:
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image.convert("RGBA"))
        pixels = np.asarray(image.convert("RGB"))
        seen[name] = {"shape": pixels.shape, "pixels": pixels.reshape(-1, 3)[:: 7].ravel().tolist()}
json.dump(seen, open("formats.json", "w"), separators=(",", ":"))

# IMDB's layout: object arrays of lists. Numbers of one, two and more bytes, an empty review, one that occurs twice.
reviews = [[1, 14, 22], [], [300, 70000, 255, 256], list(range(1100))]
train = np.empty(5, dtype=object)
train[:] = [*reviews, reviews[0]]
test = np.empty(2, dtype=object)
test[:] = [[5], [6, 7]]
np.savez("imdb.npz", x_train=train, y_train=np.array([1, 0, 1, 0, 1]), x_test=test, y_test=np.array([0, 1]))

# Names of classes as h5py writes them: bytes of one length, as the document's files have them, and texts of any length.
for name, kind in (("fixed", "S8"), ("free", h5py.string_dtype())):
    with h5py.File(f"classes_{name}.h5", "w") as file:
        file["train_set_x"] = np.arange(4 * 2 * 2 * 3, dtype=np.uint8).reshape(4, 2, 2, 3)
        file["train_set_y"] = np.array([0, 1, 2, 1])
        file["list_classes"] = np.array([text.encode() for text in ("neutral", "smile", "größer")], dtype=kind)
