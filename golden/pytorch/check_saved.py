"""Does PyTorch open the .pth files that convnet writes, without running code? check_saved.py CONVNET MODEL…

Each model (a file or a built-in name) is written as .pth and as .safetensors, and both must have the same tensors.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

convnet, *models = sys.argv[1:]
for model in models:
    with tempfile.TemporaryDirectory() as folder:
        keras, plain, archive = (str(Path(folder) / f"model.{ending}") for ending in ("keras", "safetensors", "pth"))
        for source, target in [(model, keras), (keras, plain), (keras, archive)]:
            subprocess.run([convnet, "convert", source, target], check=True, stdout=subprocess.DEVNULL)
        expected, found = load_file(plain), torch.load(archive, weights_only=True)
        assert sorted(found) == sorted(expected), model
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items()), model
        print(f"ok {len(found)} tensors {model}", flush=True)
