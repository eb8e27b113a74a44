#!/usr/bin/env bash
# The real TensorBoard reads what convnet writes. Usage: check_events.sh [FOLDER], where FOLDER keeps the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=${1:-$(mktemp -d)}
mkdir -p "$work"
if [ ! -x "$work/venv/bin/python" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet tensorboard==2.20.0 'setuptools<81'
fi
rm -rf "$work/events"
cargo run --quiet -p convnet-interop --example tensorboard_events -- "$work/events"
"$work/venv/bin/python" golden/tensorboard/check_events.py "$work/events"
