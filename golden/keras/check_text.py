"""Does Keras, with the words that convnet saved in a model for texts, take texts for the same?

usage: check_text.py CONVNET MODEL.keras FOLDER      (FOLDER: one of .txt files)
"""

import json
import os
import subprocess
import sys
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np

convnet, path, folder = sys.argv[1:4]
model = keras.saving.load_model(path)
with zipfile.ZipFile(path) as archive:
    own = json.loads(archive.read("config.json"))["convnet"]
words = keras.layers.TextVectorization.from_config(own["remembered"]["text_vectorization"])
command = [convnet, "predict", path, folder, "--json"]
told = [json.loads(line) for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()]
texts = [open(one["text"], encoding="utf-8").read() for one in told]
scores = model.predict(np.asarray(words(texts)), verbose=0)[:, 0]
theirs = 1 / (1 + np.exp(-scores))
second = own["class_names"][1]
ours = np.array([next(each["probability"] for each in one["predictions"] if each["label"] == second) for one in told])
difference = float(np.abs(ours - theirs).max())
print(f"{path}: {len(texts)} texts, {len(words.get_vocabulary()):,} words, largest difference of probabilities {difference:.1e}")
assert difference < 1e-5, "convnet and Keras disagree"
