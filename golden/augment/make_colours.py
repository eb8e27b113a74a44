"""Write colours.json with the real torchvision and Pillow: `python make_colours.py`.

Each case: function, argument, output for the picture `colour` (or `grey`), values 0 to 255. torchvision's functions for floats are used where there are such,
else those for bytes; `pillow` cases come from Pillow, which rounds each step to bytes. A tensor is {"shape": [...], "values": [...]}, row-major.
"""

import json
import os

import numpy as np
import PIL
import torch
import torchvision
import torchvision.transforms.v2.functional as F
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import InterpolationMode

HERE = os.path.dirname(os.path.abspath(__file__))


def short(value):
    value = round(float(value), 2 if abs(value) > 10 else 4)
    return int(value) if value == int(value) else value


def tensor(value):
    value = np.asarray(value, dtype=np.float32)
    return {"shape": list(value.shape), "values": [short(v) for v in value.ravel()]}


def picture(seed, *shape):
    """Smooth, with a few strong pixels, and not of all shades."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    waves = [np.sin(x * rng.uniform(0.2, 0.9) + y * rng.uniform(0.2, 0.9)) for _ in range(shape[2])]
    values = 125 + 70 * np.stack(waves, -1) + rng.normal(0, 15, shape)
    return np.clip(np.rint(values), 12, 240).astype(np.uint8)


def cases(x):
    byte = torch.from_numpy(x).permute(2, 0, 1)
    unit = byte.float() / 255

    def as_float(function, argument, y):
        return {"function": function, "argument": argument, "output": tensor(y.permute(1, 2, 0).numpy() * 255)}

    def as_byte(function, argument, y):
        return {"function": function, "argument": argument, "output": tensor(y.permute(1, 2, 0).numpy())}

    for factor in (0.4, 1.7):
        yield as_float("brightness", factor, F.adjust_brightness(unit, factor))
        yield as_float("contrast", factor, F.adjust_contrast(unit, factor))
        yield as_float("sharpness", factor, F.adjust_sharpness(unit, factor))
    for threshold in (100, 128):
        yield as_float("solarize", threshold, F.solarize(unit, threshold / 255))
    for bits in (2, 5):
        yield as_byte("posterize", bits, F.posterize(byte, bits))
    yield as_float("invert", 0, F.invert(unit))
    yield as_float("autocontrast", 0, F.autocontrast(unit))
    yield as_byte("equalize", 0, F.equalize(byte))
    for sigma, radius in ((0.5, 1), (1.8, 4)):
        y = F.gaussian_blur(unit, [2 * radius + 1] * 2, [sigma] * 2)
        yield as_float("blur", [sigma, radius], y)
    for size in ([5, 6], [23, 31], [16, 9]):
        y = F.resize(unit, size, InterpolationMode.BILINEAR, antialias=True)
        yield as_float("resize", size, y)
    for part in ([2, 3, 7, 5], [0, 0, 4, 9]):
        y = F.resized_crop(unit, *part, [6, 8], InterpolationMode.BILINEAR, antialias=True)
        yield as_float("resized_crop", part, y)
    yield as_byte("flip", 1, F.horizontal_flip(byte))
    yield as_byte("flip", 0, F.vertical_flip(byte))
    yield as_byte("erase", [3, 2, 4, 6], F.erase(byte, 3, 2, 4, 6, torch.tensor(17, dtype=torch.uint8)))
    if x.shape[2] == 3:
        for factor in (0.3, 1.6):
            yield as_float("saturation", factor, F.adjust_saturation(unit, factor))
        for turn in (-0.3, 0.1, 0.5):
            yield as_float("hue", turn, F.adjust_hue(unit, turn))
        yield as_float("grayscale", 0, F.rgb_to_grayscale(unit, num_output_channels=3))


def pillow(x):
    image = Image.fromarray(x)
    for factor in (0.4, 1.7):
        for name, enhancer in (("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast),
                               ("saturation", ImageEnhance.Color), ("sharpness", ImageEnhance.Sharpness)):
            yield {"function": name, "argument": factor, "output": tensor(np.asarray(enhancer(image).enhance(factor)))}
    yield {"function": "equalize", "argument": 0, "output": tensor(np.asarray(ImageOps.equalize(image)))}
    yield {"function": "autocontrast", "argument": 0, "output": tensor(np.asarray(ImageOps.autocontrast(image)))}
    yield {"function": "posterize", "argument": 3, "output": tensor(np.asarray(ImageOps.posterize(image, 3)))}
    yield {"function": "solarize", "argument": 90, "output": tensor(np.asarray(ImageOps.solarize(image, 90)))}


if __name__ == "__main__":
    # Equalising needs some 255 pixels, else it changes nothing.
    colour, grey = picture(1, 18, 16, 3), picture(2, 18, 16, 1)
    content = {
        "versions": {"torchvision": torchvision.__version__, "torch": torch.__version__, "pillow": PIL.__version__},
        "colour": tensor(colour),
        "grey": tensor(grey),
        "colour_cases": list(cases(colour)),
        "grey_cases": list(cases(grey)),
        "pillow_cases": list(pillow(colour)),
    }
    with open(os.path.join(HERE, "colours.json"), "w") as file:
        json.dump(content, file, separators=(",", ":"))
        file.write("\n")
