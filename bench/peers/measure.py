"""What the peers' programs share: their command line, timing, and the line of JSON that they print."""

import argparse
import json
import os
import resource
import statistics
import time

# Filters of each convolution, and the units of the dense layers behind them; max pooling between convolutions.
NETWORKS = {"mnist-functional": ([32, 64, 128], [10]), "mnist-sequential": ([32, 64, 64], [64, 10])}


def arguments(settings):
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--mode", choices=["train", "infer"], required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--setting", choices=settings, default=settings[0])
    return parser.parse_args()


def seconds(step, at_least=2.0, warmup=0.5):
    """The median time of `step`, after a warm-up, over `at_least` seconds."""
    start = time.perf_counter()
    step()
    while time.perf_counter() - start < warmup:
        step()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < at_least or len(times) < 3:
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    return statistics.median(times)


def report(peer, args, images_per_second):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"peer": peer, "setting": args.setting, "network": args.network, "mode": args.mode,
                      "batch": args.batch, "images_per_second": images_per_second, "peak_memory_bytes": peak}))
