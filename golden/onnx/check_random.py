"""Random Keras models (golden/keras/make_random.py), written as ONNX, give Keras's numbers in ONNX Runtime: check_random.py REWRITE FILE.keras…

REWRITE is the built `crates/interop/examples/rewrite.rs`. Each file has a member `case.json` with inputs and Keras's outputs.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

LIMIT = 1e-4


def tensor(value: dict) -> np.ndarray:
    return np.array(value["values"], np.float32).reshape(value["shape"])


def check(rewrite: str, model: str, file: str) -> float:
    """The largest difference to Keras, as a share of the largest number of an output."""
    done = subprocess.run([rewrite, model, file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr.strip()
    onnx.checker.check_model(file, full_check=True)
    case = json.loads(zipfile.ZipFile(model).read("case.json"))
    session = onnxruntime.InferenceSession(file)
    feeds = {info.name: tensor(value) for info, value in zip(session.get_inputs(), case["inputs"], strict=True)}
    far = 0.0
    for actual, value in zip(session.run(None, feeds), case["outputs"], strict=True):
        wanted = tensor(value)
        assert actual.shape == wanted.shape, f"{actual.shape}, not {wanted.shape}"
        far = max(far, float(np.abs(actual - wanted).max() / max(np.abs(wanted).max(), 1e-3)))
    return far


if __name__ == "__main__":
    rewrite, *models = sys.argv[1:]
    bad = 0
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            try:
                far = check(rewrite, model, str(Path(folder) / "model.onnx"))
                line = f"{'ok   ' if far <= LIMIT else 'WRONG'} {far:.1e} {model}"
                bad += not far <= LIMIT
            except Exception as problem:
                line = f"FAILS {model}: {problem}"
                bad += 1
        print(line, flush=True)
    sys.exit(bad > 0)
