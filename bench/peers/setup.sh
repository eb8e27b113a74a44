#!/usr/bin/env bash
# Python environments with the peers, in FOLDER/venv-tf and FOLDER/venv-torch (default: beside this script, where git
# ignores them). Several gigabytes and minutes. Versions are those of the numbers in the documentation.
set -euo pipefail
folder=${1:-$(dirname "$0")}
mkdir -p "$folder"
python3 -m venv "$folder/venv-tf"
"$folder/venv-tf/bin/pip" install --quiet tensorflow-cpu==2.21.0 keras==3.15.1 h5py==3.14.0
python3 -m venv "$folder/venv-torch"
"$folder/venv-torch/bin/pip" install --quiet torch==2.15.0 onnx==1.23.2 onnxruntime==1.31.1
