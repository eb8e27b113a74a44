"""The networks in PyTorch, for torch_bench.py and (exported) ort_bench.py."""

from torch import nn

from measure import NETWORKS


def network(name):
    filters, units = NETWORKS[name]
    modules, channels, size = [], 1, 28
    for i, count in enumerate(filters):
        if i:
            modules.append(nn.MaxPool2d(2))
            size //= 2
        modules += [nn.Conv2d(channels, count, 3), nn.ReLU()]
        channels, size = count, size - 2
    modules.append(nn.Flatten())
    width = channels * size * size
    for count in units[:-1]:
        modules += [nn.Linear(width, count), nn.ReLU()]
        width = count
    return nn.Sequential(*modules, nn.Linear(width, units[-1]))
