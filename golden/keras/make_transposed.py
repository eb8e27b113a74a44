"""Write transposed.json with the real Keras: `python make_transposed.py`.

One-dimensional transposed convolutions of every padding, output padding and parity, as Keras on JAX computes them; Keras on TensorFlow
gives the same numbers but refuses dilation and some sizes.
"""

import json
import os

os.environ["KERAS_BACKEND"] = "jax"
import jax
import keras
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def case(padding, kernel, strides, dilation, output_padding, size):
    layer = keras.layers.Conv1DTranspose(1, kernel, strides=strides, dilation_rate=dilation, padding=padding,
                                         output_padding=output_padding, use_bias=False)
    x = np.arange(1, size + 1, dtype=np.float32)
    w = 10 + np.arange(kernel, dtype=np.float32) ** 2
    layer.build((1, size, 1))
    layer.set_weights([w.reshape(kernel, 1, 1)])
    output = np.asarray(layer(x.reshape(1, size, 1))).ravel()
    return {"padding": padding, "kernel": kernel, "strides": strides, "dilation_rate": dilation,
            "output_padding": output_padding, "input": x.tolist(), "weights": w.tolist(), "output": output.tolist()}


cases = [case(padding, kernel, strides, dilation, output_padding, size)
         for padding in ("valid", "same") for kernel in (1, 2, 3, 4, 5) for strides in (1, 2, 3)
         for dilation in ((1, 2) if strides == 1 else (1,)) for output_padding in (None, *range(strides)) for size in (1, 3)]
with open(os.path.join(HERE, "transposed.json"), "w") as file:
    json.dump({"versions": {"keras": keras.__version__, "jax": jax.__version__}, "cases": cases}, file, separators=(",", ":"))
    file.write("\n")
