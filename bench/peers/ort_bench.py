"""ONNX Runtime: `ort_bench.py mnist-functional --mode infer --batch 64`. It predicts only."""

import io

import onnxruntime
import torch
from measure import arguments, report, seconds
from torch_network import network

args = arguments(["plain"])
file, images = io.BytesIO(), torch.rand(args.batch, 1, 28, 28)
torch.onnx.export(torch.nn.Sequential(network(args.network), torch.nn.Softmax(1)).eval(), (images,), file, dynamo=False)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = args.threads
session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
feed = {session.get_inputs()[0].name: images.numpy()}
report("ONNX Runtime", args, args.batch / seconds(lambda: session.run(None, feed)))
