#!/bin/sh
# Runs the operator tests of the onnx package; prints a table. CONVNET_NODE_TESTS may name the folder of the tests.
set -eu
cd "$(dirname "$0")/../.."
if [ -z "${CONVNET_NODE_TESTS:-}" ]; then
    venv=$(mktemp -d)
    trap 'rm -rf "$venv"' EXIT
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.19.1
    CONVNET_NODE_TESTS="$("$venv/bin/python" -c 'import onnx.backend.test, os; print(os.path.join(os.path.dirname(onnx.backend.test.__file__), "data", "node"))')"
fi
cargo run --quiet --release -p convnet-interop --example onnx_nodes -- "$CONVNET_NODE_TESTS" --expect golden/onnx/passing.txt \
    --known golden/onnx/known.txt
