"""Writes a network of `torch_network.py` as an ONNX file: `torch_export.py resnet50 --mode infer --batch 1 --input 224x224x3 --model FILE`."""

import torch
from measure import arguments
from torch_network import network

args = arguments(["plain"])
height, width, channels = args.input
torch.manual_seed(1)
model = torch.nn.Sequential(network(args.network, args.classes), torch.nn.Softmax(1)).eval()
torch.onnx.export(model, (torch.rand(args.batch, channels, height, width),), args.model, dynamo=False)
