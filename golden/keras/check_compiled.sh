#!/usr/bin/env bash
# Lets the real Keras take the next step of nets that convnet compiled, trained and saved with every optimizer, schedule, loss and metric.
# usage: check_compiled.sh      (PYTHON may name an interpreter that has Keras)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/environment"
    "$folder/environment/bin/pip" install -q --disable-pip-version-check keras==3.15.1 jax h5py
    PYTHON="$folder/environment/bin/python"
fi
cd "$(dirname "$0")/../.."
cargo run -q -p convnet-interop --example compiled -- "$folder/files"
"$PYTHON" golden/keras/check_compiled.py "$folder/files"
