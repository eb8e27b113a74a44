"""What both checks do: random inputs for ONNX Runtime and `convnet run`, and how far the outputs are apart."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

LIMIT = 1e-4


def difference(convnet: str, onnx_file: str, sources: list[str], folder: Path) -> float:
    """The largest difference of `convnet run` on each of the sources from ONNX Runtime on the file, relative to the output's largest number."""
    # Its rewriting of graphs is not always right.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(onnx_file, options)
    random = np.random.RandomState(7)
    feeds, arguments = {}, []
    for index, info in enumerate(session.get_inputs()):
        shape = [size if isinstance(size, int) else 2 for size in info.shape]
        feeds[info.name] = random.rand(*shape).astype(np.float32)
        np.save(folder / f"x{index}.npy", feeds[info.name])
        arguments += ["--input", str(folder / f"x{index}.npy")]
    expected = session.run(None, feeds)
    assert all(wanted.size == 1 or np.ptp(wanted) > 0 for wanted in expected), "all numbers of an output are the same, which tells nothing"
    for index in range(len(expected)):
        arguments += ["--output", str(folder / f"y{index}.npy")]
    far = 0.0
    for source in sources:
        subprocess.run([convnet, "run", source, *arguments], check=True, stdout=subprocess.DEVNULL)
        for index, wanted in enumerate(expected):
            actual = np.load(folder / f"y{index}.npy")
            assert actual.shape == wanted.shape, f"{source}: {actual.shape}, not {wanted.shape}"
            far = max(far, float(np.abs(actual - wanted).max() / max(np.abs(wanted).max(), 1e-30)))
    return far


def check_all(check: Callable[[str, str, Path], float]) -> None:
    """Checks each of the program's arguments behind the first, prints a line for each, and ends the program."""
    convnet, *names = sys.argv[1:]
    bad = 0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            far = check(convnet, name, Path(folder))
        bad += not far <= LIMIT
        print(f"{'ok   ' if far <= LIMIT else 'WRONG'} {far:.1e} {name}", flush=True)
    sys.exit(bad > 0)
