#!/usr/bin/env bash
# Installs the real Keras into a temporary environment and compares predictions of networks in keras.applications.
# usage: check_zoo.sh CONVNET
set -euo pipefail
environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
python3 -m venv "$environment"
"$environment/bin/pip" install -q keras==3.15.1 jax h5py
"$environment/bin/python" "$(dirname "$0")/check_zoo.py" "$@"
