#!/usr/bin/env python3
"""Runs convnet and its peers in turn and prints images per second and ratios as a Markdown table.

    bench/peers/setup.sh && cargo build --release && bench/peers/run.py

Programs take turns, several rounds, and medians are compared, so that a machine's moods fall on all alike; run it on an
otherwise idle one. A peer counts with the best of its settings. Peers that are not installed are left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = [("mnist-functional", "train", 64), ("mnist-sequential", "train", 64), ("mnist-functional", "infer", 1),
        ("mnist-functional", "infer", 64)]
# Name, environment, script, settings, modes.
PEERS = [("Keras/TensorFlow", "venv-tf", "keras_bench.py", ["plain", "jit"], ["train", "infer"]),
         ("PyTorch", "venv-torch", "torch_bench.py", ["plain", "channels-last", "compiled"], ["train", "infer"]),
         ("ONNX Runtime", "venv-torch", "ort_bench.py", ["plain"], ["infer"])]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--environments", type=Path, default=HERE, help="folder given to setup.sh")
    parser.add_argument("--convnet", type=Path, default=HERE.parents[1] / "target/release/convnet")
    parser.add_argument("--wait", type=float, default=60, help="seconds to wait for an idle machine before each program")
    parser.add_argument("--only", help="the networks or modes to run, such as train or mnist-functional")
    return parser.parse_args()


def commands(args, network, mode, batch):
    """((peer, setting), command) of everything that can do this work here."""
    common = [network, "--mode", mode, "--batch", str(batch), "--threads", str(args.threads)]
    if args.convnet.exists():
        yield ("convnet", ""), [args.convnet, "bench", *common, "--json"]
    for peer, environment, script, settings, modes in PEERS:
        python = args.environments / environment / "bin/python"
        if mode in modes and python.exists():
            for setting in settings:
                yield (peer, setting), [python, HERE / script, *common, "--setting", setting]


def busy(seconds=2.0):
    """The share of the machine that other programs use (Linux; elsewhere taken for idle)."""
    def ticks():
        with open("/proc/stat") as file:
            values = list(map(int, file.readline().split()[1:9]))
        return sum(values), values[3] + values[4]
    try:
        total, idle = ticks()
        time.sleep(seconds)
        later, later_idle = ticks()
    except OSError:
        return 0.0
    return 1 - (later_idle - idle) / max(later - total, 1)


def wait_until_idle(patience):
    """Waits for it; says so when it did not come, for then the numbers mean little (PyTorch loses most)."""
    deadline = time.monotonic() + patience
    while (share := busy()) > 0.05:
        if time.monotonic() > deadline:
            print(f"the machine is {share:.0%} busy with other programs", file=sys.stderr)
            return


def run(command):
    """The last line of JSON that a program prints, or nothing if it fails."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        print(" ".join(map(str, command)), "failed:", done.stderr.strip()[-300:], file=sys.stderr)
        return None


def measure(args, work):
    """{(peer, setting): [result of each round]}"""
    results = {}
    for turn in range(args.rounds):
        for key, command in commands(args, *work):
            print(f"round {turn + 1}: {' '.join(map(str, work))} {' '.join(key)}", file=sys.stderr)
            wait_until_idle(args.wait)
            result = run(command)
            if result:
                results.setdefault(key, []).append(result)
    return results


def best(results):
    """{peer: (images per second, memory, setting)} by the fastest setting's medians."""
    peers = {}
    for (peer, setting), rounds in results.items():
        median = lambda field: statistics.median(result[field] for result in rounds)
        candidate = (median("images_per_second"), median("peak_memory_bytes"), setting)
        peers[peer] = max(peers.get(peer, candidate), candidate)
    return peers


def main():
    args = arguments()
    print("| work | program | images/s | peak memory, MB | convnet is |")
    print("|---|---|---:|---:|---:|")
    for work in WORK:
        if args.only and args.only not in work:
            continue
        peers = best(measure(args, work))
        ours = peers.get("convnet", (None,))[0]
        for peer, (speed, memory, setting) in sorted(peers.items(), key=lambda item: -item[1][0]):
            name = f"{peer} ({setting})" if setting not in ("", "plain") else peer
            ratio = f"{ours / speed:.2f}×" if ours and peer != "convnet" else ""
            print(f"| {work[1]} {work[0]}, batch {work[2]} | {name} | {speed:,.0f} | {memory / 1e6:,.0f} | {ratio} |", flush=True)


main()
