"""Compares ONNX Runtime on what `convnet convert` writes with `convnet run` on what it was written from: check_export.py CONVNET MODEL…"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

LIMIT = 1e-4


def check(convnet: str, model: str, folder: Path) -> float:
    file, keras = str(folder / "model.onnx"), str(folder / "model.keras")
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    # The same weights on both sides, also where a name stands for fresh ones.
    subprocess.run([convnet, "convert", model, keras], **quiet)
    subprocess.run([convnet, "convert", keras, file], **quiet)
    onnx.checker.check_model(file, full_check=True)
    session = onnxruntime.InferenceSession(file)
    random = np.random.RandomState(7)
    feeds, arguments = {}, []
    for index, info in enumerate(session.get_inputs()):
        shape = [size if isinstance(size, int) else 2 for size in info.shape]
        feeds[info.name] = random.rand(*shape).astype(np.float32)
        np.save(folder / f"x{index}.npy", feeds[info.name])
        arguments += ["--input", str(folder / f"x{index}.npy")]
    actual = session.run(None, feeds)
    for index in range(len(actual)):
        arguments += ["--output", str(folder / f"y{index}.npy")]
    far = 0.0
    # What was written, and the file read back.
    for source in (keras, file):
        subprocess.run([convnet, "run", source, *arguments], **quiet)
        for index, array in enumerate(actual):
            wanted = np.load(folder / f"y{index}.npy")
            assert array.shape == wanted.shape, f"{model}: {array.shape}, not {wanted.shape}"
            far = max(far, float(np.abs(array - wanted).max() / max(np.abs(wanted).max(), 1e-30)))
    return far


def main() -> None:
    convnet, *models = sys.argv[1:]
    bad = 0
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            far = check(convnet, model, Path(folder))
        bad += far > LIMIT
        print(f"{'ok   ' if far <= LIMIT else 'WRONG'} {far:.1e} {model}", flush=True)
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
