"""Write small state dicts with the real PyTorch, in all forms that it has had, and what their network gives.

usage: make_fixtures.py      (needs torch, safetensors and numpy)
"""

import argparse
import collections
import os
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(1)
folder = os.path.dirname(os.path.abspath(__file__))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.depthwise = nn.Conv2d(4, 8, 3, padding=1, groups=4)
        self.wider = nn.ConvTranspose2d(8, 5, 2, stride=2)
        self.dense = nn.Linear(5 * 8 * 12, 7)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        x = self.wider(self.depthwise(x))
        return self.dense(torch.flatten(x, 1))


net = Net().eval()
for name, value in net.state_dict().items():
    if "running" in name:
        value.uniform_(0.5, 1.5)
x = torch.randn(2, 3, 4, 6)
with torch.no_grad():
    y = net(x)
np.save(os.path.join(folder, "x.npy"), x.permute(0, 2, 3, 1).contiguous().numpy())
np.save(os.path.join(folder, "y.npy"), y.numpy())
state = net.state_dict()


def path(name):
    return os.path.join(folder, name)


torch.save(state, path("zip.pth"))
torch.save(state, path("row.pth"), _use_new_zipfile_serialization=False)
# A checkpoint as training programs write it: the state dict inside, from several devices, a view with strides, parameters.
inside = {f"module.{name}": value for name, value in state.items()}
inside["module.dense.weight"] = nn.Parameter(state["dense.weight"].t().contiguous().t())
torch.save({"epoch": 3, "lr": 0.1, "state_dict": inside}, path("checkpoint.pt"))
# And with what they keep beside it: arguments, a tensor, counters, paths, NumPy's numbers.
beside = {
    "arch": "net",
    "args": argparse.Namespace(lr=0.1, output=pathlib.PurePosixPath("out"), seen={1, 2}),
    "best": torch.tensor(71.5),
    "optimizer": {"state": collections.defaultdict(dict, {0: {"step": 1}}), "param_groups": [{"lr": np.float64(0.1)}]},
}
torch.save({**beside, "model": state}, path("training.pt"))
save_file({name: value.contiguous() for name, value in state.items()}, path("plain.safetensors"))
save_file({name: value.to(torch.bfloat16).contiguous() for name, value in state.items()}, path("bf16.safetensors"))


class Evil:
    def __reduce__(self):
        return os.system, ("echo code ran",)


torch.save({"first.weight": Evil()}, path("evil.pth"))
