#!/usr/bin/env python3
"""Saves the weights of a PyTorch RevNet, or ResNet, for the same network of this library.

    examples/pytorch_revnet.py revnet.safetensors --state trained.pt
    build/examples/classify revnet.safetensors data/cifar-10-batches-bin/test_batch.bin

The PyTorch network is that of benchmarks/compare_pytorch/networks.py: names() says what its modules are called here, and
convert() turns their tensors round. Needs PyTorch and nothing else.
"""
import argparse
import json
import pathlib
import struct
import sys

import torch
from torch import nn

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "benchmarks" / "compare_pytorch"))
import networks  # noqa: E402

PAPER = {"revnet": ([40, 80, 160, 320], [2, 2, 2, 2]), "resnet": ([32, 64, 128, 256], [2, 2, 2, 2])}


def units(prefix, branch):
    """The normalised convolutions of a branch."""
    for i, unit in enumerate(branch):
        yield f"{prefix}.conv{i}.norm", unit[0]
        yield f"{prefix}.conv{i}", unit[2]


def blocks(level, part):
    """The blocks of a level."""
    if isinstance(part, networks.Couplings):
        for i, coupling in enumerate(part.couplings):
            yield from units(f"level{level}.block{i}.f", coupling.f)
            yield from units(f"level{level}.block{i}.g", coupling.g)
    else:
        for i, block in enumerate(part.blocks):
            yield from units(f"level{level}.block{i}", block.branch)
            if block.shortcut is not None:
                yield f"level{level}.block{i}.shortcut", block.shortcut


def names(net):
    """Yields (name in this library, module) for every module with weights."""
    level = 1
    for part in net:
        if isinstance(part, nn.Conv2d):
            yield "stem", part
        elif isinstance(part, nn.MaxPool2d):
            level += 1
        elif isinstance(part, nn.Sequential):
            yield f"level{level}.transition.norm", part[0]
            yield f"level{level}.transition", part[2]
        elif isinstance(part, (networks.Couplings, networks.Residuals)):
            yield from blocks(level, part)
        elif isinstance(part, nn.BatchNorm2d):
            yield "head.norm", part
        elif isinstance(part, nn.Linear):
            yield "head.linear", part


def convert(name, module):
    """Yields (name, tensor) as this library has them: taps first, then inputs, then outputs."""
    if isinstance(module, nn.Conv2d):
        yield f"{name}.weight", module.weight.permute(2, 3, 1, 0)
    elif isinstance(module, nn.Linear):
        yield f"{name}.weight", module.weight.t()[None, None]
        yield f"{name}.bias", module.bias
    else:
        yield f"{name}.gamma", module.weight
        yield f"{name}.beta", module.bias
        yield f"{name}.running_mean", module.running_mean
        yield f"{name}.running_variance", module.running_var


def write_safetensors(path, tensors, metadata):
    """The format is at https://huggingface.co/docs/safetensors: so little that no package is needed."""
    header, end = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        begin, end = end, end + 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            values = tensor.detach().float().contiguous().flatten().tolist()
            file.write(struct.pack(f"<{len(values)}f", *values))


def save(net, path, network, channels, counts):
    tensors = dict(pair for name, module in names(net) for pair in convert(name, module))
    options = {"arch": network, "channels": channels, "blocks": counts}
    write_safetensors(path, tensors, {"options": json.dumps(options)})
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="the file to write")
    parser.add_argument("--network", choices=sorted(PAPER), default="revnet")
    parser.add_argument("--channels", type=int, nargs="+", help="of each level (default: those of the paper)")
    parser.add_argument("--blocks", type=int, nargs="+", help="of each level (default: those of the paper)")
    parser.add_argument("--state", help="what torch.save(net.state_dict()) wrote; else PyTorch's first weights")
    arguments = parser.parse_args()
    channels, counts = arguments.channels or PAPER[arguments.network][0], arguments.blocks or PAPER[arguments.network][1]
    net = networks.build(arguments.network, channels, counts, "stored")
    if arguments.state:
        net.load_state_dict(torch.load(arguments.state, map_location="cpu"))
    tensors = save(net, arguments.path, arguments.network, channels, counts)
    print(f"{arguments.path}: {len(tensors)} tensors, {sum(t.numel() for t in tensors.values())} values")


if __name__ == "__main__":
    main()
