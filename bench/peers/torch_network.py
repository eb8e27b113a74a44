"""The networks in PyTorch, for torch_bench.py and (exported) the readers of ONNX; the larger ones as torchvision has them."""

from torch import nn

from measure import RESNETS, SMALL


def network(name, classes=10):
    if name in SMALL:
        return small(*SMALL[name])
    if name in RESNETS:
        return resnet(*RESNETS[name], classes)
    return {"fashion-cnn": fashion, "vgg16": vgg16, "mobilenet-v2": mobilenet_v2}[name](classes)


def small(filters, units):
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


def convolutions(channels, stages):
    """Stages of (filters, kernel), each convolution with bias, "same" and ReLU; max pooling behind a stage."""
    modules = []
    for stage in stages:
        for filters, kernel in stage:
            modules += [nn.Conv2d(channels, filters, kernel, padding=kernel // 2), nn.ReLU()]
            channels = filters
        modules.append(nn.MaxPool2d(2))
    return [*modules, nn.Flatten()]


def dense(width, units):
    modules = []
    for count in units:
        modules += [nn.Linear(width, count), nn.ReLU(), nn.Dropout(0.5)]
        width = count
    return modules


def fashion(classes):
    stages = [[(64, 7)], [(128, 3)] * 2, [(256, 3)] * 2]
    return nn.Sequential(*convolutions(1, stages), *dense(256 * 3 * 3, [128, 64]), nn.Linear(64, classes))


def vgg16(classes):
    stages = [[(64, 3)] * 2, [(128, 3)] * 2, [(256, 3)] * 3, [(512, 3)] * 3, [(512, 3)] * 3]
    return nn.Sequential(*convolutions(3, stages), *dense(512 * 7 * 7, [4096, 4096]), nn.Linear(4096, classes))


def unit(channels, filters, kernel, stride=1, groups=1):
    convolution = nn.Conv2d(channels, filters, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(filters)]


class Residual(nn.Module):
    def __init__(self, branch, shortcut=(), after=nn.Identity):
        super().__init__()
        self.branch, self.shortcut, self.after = nn.Sequential(*branch), nn.Sequential(*shortcut), after()

    def forward(self, x):
        return self.after(self.branch(x) + self.shortcut(x))


def resnet(depths, bottleneck, classes):
    modules, channels = [*unit(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
    for stage, depth in enumerate(depths):
        filters = 64 << stage
        outputs = 4 * filters if bottleneck else filters
        for i in range(depth):
            stride = 2 if stage and not i else 1
            if bottleneck:
                branch = [*unit(channels, filters, 1), nn.ReLU(), *unit(filters, filters, 3, stride), nn.ReLU(),
                          *unit(filters, outputs, 1)]
            else:
                branch = [*unit(channels, filters, 3, stride), nn.ReLU(), *unit(filters, outputs, 3)]
            widens = stride > 1 or channels != outputs
            modules.append(Residual(branch, unit(channels, outputs, 1, stride) if widens else (), nn.ReLU))
            channels = outputs
    return nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def mobilenet_v2(classes):
    modules, channels = [*unit(3, 32, 3, 2), nn.ReLU6()], 32
    for expansion, filters, depth, first_stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                                    (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
        for i in range(depth):
            stride, hidden = 1 if i else first_stride, expansion * channels
            expand = [*unit(channels, hidden, 1), nn.ReLU6()] if expansion > 1 else []
            block = [*expand, *unit(hidden, hidden, 3, stride, hidden), nn.ReLU6(), *unit(hidden, filters, 1)]
            modules += [Residual(block)] if stride == 1 and channels == filters else block
            channels = filters
    modules += [*unit(channels, 1280, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2)]
    return nn.Sequential(*modules, nn.Linear(1280, classes))
