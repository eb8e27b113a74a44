#!/usr/bin/env bash
# Seconds from the start of the process to the first prediction of a ResNet-50 in Keras's .h5: bench/load.sh CONVNET PHOTO.jpg [RUNS]
# The file is in the page cache. Prints the median and all runs.
set -euo pipefail
convnet=$1 photo=$2 runs=${3:-9}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$convnet" zoo resnet50 --save "$folder/resnet50.h5" >/dev/null
TIMEFORMAT=%R
for _ in $(seq "$runs"); do
  { time "$convnet" predict "$folder/resnet50.h5" "$photo" >/dev/null 2>&1; } 2>>"$folder/times"
done
sort -n "$folder/times" | awk '{t[NR] = $1} END {printf "median %s s of", t[int((NR + 1) / 2)]; for (i = 1; i <= NR; i++) printf " %s", t[i]; print ""}'
