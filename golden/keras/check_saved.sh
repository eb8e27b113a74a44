#!/usr/bin/env bash
# Installs the real Keras into a temporary environment and lets it open files that convnet wrote.
# usage: check_saved.sh CONVNET MODEL...      (PYTHON may name an interpreter that has Keras)
set -euo pipefail
if [ -z "${PYTHON:-}" ]; then
    environment=$(mktemp -d)
    trap 'rm -rf "$environment"' EXIT
    python3 -m venv "$environment"
    "$environment/bin/pip" install -q --disable-pip-version-check keras==3.15.1 jax h5py
    PYTHON="$environment/bin/python"
fi
"$PYTHON" "$(dirname "$0")/check_saved.py" "$@"
