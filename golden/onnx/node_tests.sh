#!/bin/sh
# Runs the operator tests of the onnx package; prints a table. CONVNET_NODE_TESTS may name the folder of the tests.
# The program is built as `cargo test --workspace` builds it, so that nothing is left to do after that.
set -eu
cd "$(dirname "$0")/../.."
if [ -z "${CONVNET_NODE_TESTS:-}" ]; then
    environment=$(mktemp -d)
    trap 'rm -rf "$environment"' EXIT
    python3 -m venv "$environment"
    # Only the files of the tests are wanted, not what the package needs to run.
    "$environment/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-compile onnx==1.19.1
    CONVNET_NODE_TESTS=$(echo "$environment"/lib/python3*/site-packages/onnx/backend/test/data/node)
fi
cargo build --quiet --workspace --profile test --example onnx_nodes
"${CARGO_TARGET_DIR:-target}/debug/examples/onnx_nodes" "$CONVNET_NODE_TESTS" --expect golden/onnx/passing.txt --known golden/onnx/known.txt
