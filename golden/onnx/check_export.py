"""Compares ONNX Runtime on what `convnet convert` writes with `convnet run` on what it was written from: check_export.py CONVNET MODEL…

Networks of the zoo give scores: the probabilities of fresh weights are all alike, and would agree whatever is wrong.
"""

import subprocess
from pathlib import Path

import onnx
from compare import check_all, difference


def check(convnet: str, model: str, folder: Path) -> float:
    file, keras = str(folder / "model.onnx"), str(folder / "model.keras")
    # The same weights on both sides, also where a name stands for fresh ones.
    scores = [convnet, "zoo", model, "--scores", "--save", keras]
    if Path(model).exists() or subprocess.run(scores, capture_output=True).returncode != 0:
        subprocess.run([convnet, "convert", model, keras], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([convnet, "convert", keras, file], check=True, stdout=subprocess.DEVNULL)
    onnx.checker.check_model(file, full_check=True)
    # What was written, and the file read back.
    return difference(convnet, file, [keras, file], folder)


if __name__ == "__main__":
    check_all(check)
