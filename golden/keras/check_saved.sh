#!/usr/bin/env bash
# Installs the real Keras into a temporary environment and lets it open files that convnet wrote.
# usage: check_saved.sh CONVNET MODEL...
set -euo pipefail
environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
python3 -m venv "$environment"
"$environment/bin/pip" install -q keras==3.15.1 jax h5py
"$environment/bin/python" "$(dirname "$0")/check_saved.py" "$@"
