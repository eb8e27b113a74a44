#!/usr/bin/env python3
"""Counts the instructions of whole steps under valgrind and compares them with those noted in counts.tsv.

    cargo build --release && conformance/counts/run.py            fails if a step needs 3 % more than noted
    conformance/counts/run.py --update                            notes what is counted now

Unlike times, counts are the same on a busy machine. They say nothing about caches and little about instruction sets, so
they catch work that crept in, not slow memory. One thread, AVX2; start-up drops out as the difference of two runs.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOTED = HERE / "counts.tsv"
TOLERANCE = 0.03
# Model, mode, batch, steps of the shorter run; the other takes twice as many.
WORK = [("mnist-functional", "train", 8, 2), ("examples/fashion-cnn.toml", "train", 8, 1),
        ("mnist-functional", "infer", 1, 10), ("mnist-functional", "infer", 32, 1)]


def instructions(binary, model, mode, batch, steps):
    """Those of a run of so many steps."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", binary, "bench", model,
               "--mode", mode, "--batch", str(batch), "--threads", "1", "--steps", str(steps)]
    result = subprocess.run(command, cwd=HERE.parents[1], env={**os.environ, "CONVNET_ISA": "avx2"},
                            capture_output=True, text=True)
    count = re.search(r"I\s+refs:\s+([\d,]+)", result.stderr)
    if result.returncode or not count:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{result.stderr}")
    return int(count[1].replace(",", ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--convnet", type=Path, help="the program (default: that of the release build)",
                        default=Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[1] / "target")) / "release/convnet")
    parser.add_argument("--update", action="store_true", help="write counts.tsv anew")
    args = parser.parse_args()

    noted = dict(line.split("\t") for line in NOTED.read_text().splitlines()) if NOTED.exists() else {}
    counted, more = {}, []
    for model, mode, batch, steps in WORK:
        name = f"{Path(model).stem} {mode} {batch}"
        runs = [instructions(args.convnet.resolve(), model, mode, batch, n) for n in (steps, 2 * steps)]
        counted[name] = (runs[1] - runs[0]) // steps
        line = f"{name:24} {counted[name]:14,} instructions a step"
        if name in noted:
            change = counted[name] / int(noted[name]) - 1
            line += f", {change:+.2%} against {int(noted[name]):,} noted"
            if change > TOLERANCE:
                more.append(name)
            elif change < -TOLERANCE:
                line += " (note the gain with --update)"
        elif not args.update:
            more.append(name)
            line += ", not noted"
        print(line, flush=True)
    if args.update:
        NOTED.write_text("".join(f"{name}\t{count}\n" for name, count in counted.items()))
        print(f"{NOTED.name} is written; commit it and say why the counts changed")
    elif more:
        sys.exit(f"More than {TOLERANCE:.0%} above {NOTED}: {', '.join(more)}.\n"
                 "Find what crept in with `valgrind --tool=callgrind` on the same command. If it is meant (or the compiler is\n"
                 "another), write the file anew with `conformance/counts/run.py --update` and commit it with the reason.")


if __name__ == "__main__":
    main()
