"""Does the real Keras open what convnet saved, and predict the same?

usage: check_saved.py CONVNET MODEL...      (CONVNET: the program; MODEL: .keras or .h5 files that it wrote)
"""

import os
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np

convnet, models = sys.argv[1], sys.argv[2:]
for path in models:
    model = keras.saving.load_model(path)
    x = np.random.default_rng(0).random((70, *model.input_shape[1:]), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        x_path, y_path = os.path.join(folder, "x.npy"), os.path.join(folder, "y.npy")
        np.save(x_path, x)
        subprocess.run([convnet, "run", path, "--input", x_path, "--output", y_path], check=True, stdout=subprocess.DEVNULL)
        ours = np.load(y_path)
    theirs = model.predict(x, verbose=0)
    difference = float(np.abs(ours - theirs).max())
    print(f"{path}: {model.count_params():,} parameters, largest difference of {len(x)} predictions {difference:.1e}")
    assert ours.shape == theirs.shape and difference < 1e-5, "convnet and Keras disagree"
    assert model.optimizer is not None and int(model.optimizer.iterations) > 0, "the optimizer's state is gone"
    if path.endswith(".keras"):
        # It can be trained on, from where it stopped. (From legacy files Keras cannot, not even from its own.)
        sparse = "sparse" in type(model.loss).__name__.lower()
        y = np.zeros(len(x)) if sparse else np.eye(theirs.shape[1])[np.zeros(len(x), int)]
        model.fit(x, y, epochs=1, verbose=0)
