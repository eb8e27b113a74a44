"""Compares `convnet run` with ONNX Runtime on files with random inputs: check_import.py CONVNET FILE.onnx…"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

LIMIT = 1e-4


def check(convnet: str, file: str, folder: Path) -> float:
    session = onnxruntime.InferenceSession(file)
    random = np.random.RandomState(7)
    feeds, arguments = {}, []
    for index, info in enumerate(session.get_inputs()):
        shape = [size if isinstance(size, int) else 2 for size in info.shape]
        feeds[info.name] = random.rand(*shape).astype(np.float32)
        np.save(folder / f"x{index}.npy", feeds[info.name])
        arguments += ["--input", str(folder / f"x{index}.npy")]
    expected = session.run(None, feeds)
    for index in range(len(expected)):
        arguments += ["--output", str(folder / f"y{index}.npy")]
    subprocess.run([convnet, "run", file, *arguments], check=True, stdout=subprocess.DEVNULL)
    far = 0.0
    for index, wanted in enumerate(expected):
        actual = np.load(folder / f"y{index}.npy")
        assert actual.shape == wanted.shape, f"{file}: {actual.shape}, not {wanted.shape}"
        far = max(far, float(np.abs(actual - wanted).max() / max(np.abs(wanted).max(), 1e-30)))
    return far


def main() -> None:
    convnet, *files = sys.argv[1:]
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            far = check(convnet, file, Path(folder))
            bad += far > LIMIT
            print(f"{'ok   ' if far <= LIMIT else 'WRONG'} {far:.1e} {file}", flush=True)
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
