"""PyTorch: `torch_bench.py mnist-functional --mode train --batch 64 [--setting channels-last|compiled]`.

One batch in memory is trained on again and again: nothing is counted but the step itself.
"""

import torch
from measure import arguments, report, seconds
from torch.nn.functional import cross_entropy
from torch_network import network

args = arguments(["plain", "channels-last", "compiled"])
torch.set_num_threads(args.threads)
layout = torch.contiguous_format if args.setting == "plain" else torch.channels_last
model = network(args.network).to(memory_format=layout)
run = torch.compile(model) if args.setting == "compiled" else model
images = torch.rand(args.batch, 1, 28, 28).contiguous(memory_format=layout)
labels = torch.randint(0, 10, (args.batch,))
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)


def train():
    optimizer.zero_grad(set_to_none=True)
    loss = cross_entropy(run(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def predict():
    with torch.inference_mode():
        return run(images).softmax(1)


model.train(args.mode == "train")
report("PyTorch", args, args.batch / seconds(train if args.mode == "train" else predict))
