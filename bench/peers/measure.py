"""What the Python peers share: their command line, timing, and the line of JSON that they print."""

import argparse
import json
import os
import resource
import statistics
import time

# Filters of each 3×3 convolution, and the units of the dense layers behind them; max pooling between convolutions.
SMALL = {"mnist-functional": ([32, 64, 128], [10]), "mnist-sequential": ([32, 64, 64], [64, 10])}
# How many residual blocks each stage has, and whether they are bottlenecks.
RESNETS = {"resnet18": ([2, 2, 2, 2], False), "resnet50": ([3, 4, 6, 3], True)}
NETWORKS = [*SMALL, "fashion-cnn", *RESNETS, "vgg16", "mobilenet-v2"]
# So slow that weights stay about what they were: speed must not hang on how well training goes with random labels.
LEARNING_RATE = 1e-7


def arguments(settings):
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--mode", choices=["train", "infer"], required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--input", type=sizes, default=(28, 28, 1), metavar="HxWxC")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=3.0, help="what is measured, after a warm-up of a fifth of it")
    parser.add_argument("--setting", choices=settings, default=settings[0])
    parser.add_argument("--model", help="an ONNX file, for who reads or writes one")
    args = parser.parse_args()
    args.classes = 10 if args.input[2] == 1 else 1000
    args.rmsprop = args.input[2] == 1  # else stochastic gradient descent with a momentum of 0.9
    return args


def sizes(text):
    height, width, channels = map(int, text.split("x"))
    return height, width, channels


def seconds(step, at_least, ran_before=False):
    """The median time of `step` over `at_least` seconds, but two steps; what ends in a fifth of that time before is warm-up."""
    if not ran_before:
        step()  # compiles, where anything is compiled
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < 1.2 * at_least or len(times) < 2:
        before = time.perf_counter()
        step()
        if time.perf_counter() - start > 0.2 * at_least:
            times.append(time.perf_counter() - before)
    return statistics.median(times)


def peak_memory():
    """The most bytes that this process has had in memory."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def report(peer, version, args, images_per_second, parameters=None):
    """`parameters` counts what is trained, where the peer can tell."""
    print(json.dumps({"peer": peer, "version": version, "setting": args.setting, "network": args.network,
                      "mode": args.mode, "batch": args.batch, "images_per_second": images_per_second,
                      "peak_memory_bytes": peak_memory(), "parameters": parameters}))
