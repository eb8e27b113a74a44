"""ONNX Runtime: `ort_bench.py mnist-functional --mode infer --batch 64 --model FILE.onnx`. It predicts only."""

import os

import numpy as np
import onnxruntime
from measure import arguments, report, seconds

args = arguments(["plain"])
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
if args.threads != os.cpu_count():  # its own default is better where it fits: it binds threads to cores
    options.intra_op_num_threads = args.threads
session = onnxruntime.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
height, width, channels = args.input
feed = {session.get_inputs()[0].name: np.random.rand(args.batch, channels, height, width).astype("f")}
rate = args.batch / seconds(lambda: session.run(None, feed), args.seconds)
report("ONNX Runtime", onnxruntime.__version__, args, rate)
