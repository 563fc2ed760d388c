"""The networks of the comparison in PyTorch, with the same blocks and parameters as in this library.

Pre-activation: a unit is BatchNorm, ReLU (in place) and a 3x3 convolution without bias. A stem, levels with max pooling
between them, and a head of BatchNorm, ReLU, global average and a linear layer.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from reversible import ReversibleSequence

MODES = {"resnet": ("stored", "checkpoint"), "revnet": ("stored", "checkpoint", "reversible", "memcnn")}


class Norm(nn.BatchNorm2d):
    """Updates its running averages once per batch although backward evaluates its block again. (The first
    evaluation of such a block runs without gradients, the second with gradients.)"""

    evaluated_again = False

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        counted = not (self.evaluated_again and torch.is_grad_enabled())
        mean, variance = (self.running_mean, self.running_var) if counted else (None, None)
        return F.batch_norm(x, mean, variance, self.weight, self.bias, True, self.momentum, self.eps)


def conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


def unit(inputs, outputs):
    return nn.Sequential(Norm(inputs), nn.ReLU(inplace=True), conv(inputs, outputs))


def branch(inputs, outputs):
    return nn.Sequential(unit(inputs, outputs), unit(outputs, outputs))


class Residual(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.branch = branch(inputs, outputs)
        self.shortcut = None if inputs == outputs else conv(inputs, outputs)

    def forward(self, x):
        return self.branch(x) + (x if self.shortcut is None else self.shortcut(x))


class Coupling(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.f, self.g = branch(channels // 2, channels // 2), branch(channels // 2, channels // 2)

    def forward(self, x1, x2):
        y1 = x1 + self.f(x2)
        return y1, x2 + self.g(y1)


class Couplings(nn.Module):
    """The couplings of a level. The halves stay separate between couplings to avoid copies."""

    def __init__(self, channels, blocks, mode):
        super().__init__()
        self.couplings, self.mode = nn.ModuleList(Coupling(channels) for _ in range(blocks)), mode

    def forward(self, x):
        layout = torch.channels_last if is_channels_last(x) else torch.contiguous_format
        x1, x2 = (half.contiguous(memory_format=layout) for half in x.chunk(2, dim=1))
        if self.mode == "reversible":
            x1, x2 = ReversibleSequence.apply(x1, x2, self.couplings)
        else:
            for coupling in self.couplings:
                x1, x2 = (checkpoint(coupling, x1, x2, use_reentrant=True) if self.mode == "checkpoint"
                          else coupling(x1, x2))
        return torch.cat((x1, x2), dim=1)


class Residuals(nn.Module):
    """The residual blocks of a level."""

    def __init__(self, inputs, outputs, blocks, mode):
        super().__init__()
        self.blocks = nn.ModuleList(Residual(inputs if i == 0 else outputs, outputs) for i in range(blocks))
        self.mode = mode

    def forward(self, x):
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=True) if self.mode == "checkpoint" else block(x)
        return x


def memcnn_couplings(channels, blocks):
    """The same couplings by MemCNN, whose blocks have two branches and evaluate them twice in backward."""
    import memcnn

    def wrapped():
        f, g = branch(channels // 2, channels // 2), branch(channels // 2, channels // 2)
        return memcnn.InvertibleModuleWrapper(fn=memcnn.AdditiveCoupling(Fm=f, Gm=g), keep_input=False,
                                              keep_input_inverse=False)

    return nn.Sequential(*(wrapped() for _ in range(blocks)))


def is_channels_last(x):
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def revnet_level(inputs, channels, blocks, mode):
    couplings = memcnn_couplings(channels, blocks) if mode == "memcnn" else Couplings(channels, blocks, mode)
    return [couplings] if inputs is None else [unit(inputs, channels), couplings]


def resnet_level(inputs, channels, blocks, mode):
    return [Residuals(channels if inputs is None else inputs, channels, blocks, mode)]


def build(network, channels, blocks, mode):
    """Builds the network with the library's name in one of its MODES."""
    if network not in MODES:
        raise ValueError(f"there is no network '{network}', only {', '.join(MODES)}")
    if mode not in MODES[network]:
        raise ValueError(f"{network} has no mode '{mode}', only {', '.join(MODES[network])}")
    level = {"resnet": resnet_level, "revnet": revnet_level}[network]
    layers, before = [conv(3, channels[0])], None
    for width, count in zip(channels, blocks):
        if before is not None:
            layers.append(nn.MaxPool2d(2))
        layers += level(before, width, count, mode)
        before = width
    layers += [Norm(before), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10)]
    net = nn.Sequential(*layers)
    if mode != "stored":
        for part in net.modules():
            if isinstance(part, (Couplings, Residuals)):
                for norm in part.modules():
                    if isinstance(norm, Norm):
                        norm.evaluated_again = True
    return net
