"""PyTorch: `torch_bench.py mnist-functional --mode train --batch 64 [--setting channels-last|compiled]`.

One batch in memory is trained on again and again: nothing is counted but the step itself.
"""

import torch
from measure import LEARNING_RATE, arguments, report, seconds
from torch.nn.functional import cross_entropy
from torch_network import network

args = arguments(["plain", "channels-last", "compiled"])
torch.set_num_threads(args.threads)
layout = torch.contiguous_format if args.setting == "plain" else torch.channels_last
model = network(args.network, args.classes).to(memory_format=layout)
height, width, channels = args.input
images = torch.rand(args.batch, channels, height, width).contiguous(memory_format=layout)
labels = torch.randint(0, args.classes, (args.batch,))
if args.rmsprop:
    optimizer = torch.optim.RMSprop(model.parameters(), LEARNING_RATE, alpha=0.9, eps=1e-7)
else:
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE, momentum=0.9)
run = model
if args.setting == "compiled":
    torch._inductor.config.freezing = args.mode == "infer"  # folds batch norms and lays weights out anew
    run = torch.compile(model)


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
parameters = sum(parameter.numel() for parameter in model.parameters())
rate = args.batch / seconds(train if args.mode == "train" else predict, args.seconds)
report("PyTorch", torch.__version__, args, rate, parameters)
