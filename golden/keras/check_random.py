"""Does the real Keras open the random models that convnet read and saved, and predict the same?

usage: check_random.py REWRITE FOLDER...    (REWRITE: the program `cargo build -p convnet-interop --example rewrite` makes;
FOLDER: of models that make_random.py wrote)
"""

import json
import os
import subprocess
import sys
import tempfile
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np


def arrays(tensors):
    return [np.array(t["values"], "f").reshape(t["shape"]) for t in tensors]


rewrite, failed, worst, count = sys.argv[1], [], 0.0, 0
for folder in sys.argv[2:]:
    for name in sorted(n for n in os.listdir(folder) if n.endswith(".keras")):
        path = os.path.join(folder, name)
        case = json.loads(zipfile.ZipFile(path).read("case.json"))
        inputs, expected = arrays(case["inputs"]), arrays(case["outputs"])
        for extension in ("keras", "h5"):
            with tempfile.TemporaryDirectory() as place:
                again = os.path.join(place, "again." + extension)
                try:
                    subprocess.run([rewrite, path, again], check=True, capture_output=True, text=True)
                    keras.backend.clear_session()
                    model = keras.saving.load_model(again, compile=False)
                    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
                    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
                    difference = max(float(np.abs(a - b).max() / max(1e-3, np.abs(b).max())) for a, b in zip(outputs, expected))
                    worst, count = max(worst, difference), count + 1
                    if len(outputs) != len(expected) or not difference < 1e-4:
                        failed.append(f"{name} as {extension}: differs by {difference:.1e}")
                except subprocess.CalledProcessError as problem:
                    failed.append(f"{name} as {extension}: {problem.stderr.strip()}")
                except Exception as problem:
                    failed.append(f"{name} as {extension}: Keras cannot read it: {type(problem).__name__}: {str(problem)[:300]}")
print(f"{count} models opened, largest relative difference {worst:.1e}")
print("\n".join(failed))
sys.exit(bool(failed))
