"""Checks in double precision that the reversible, checkpointed and MemCNN forms of the networks have the same loss
and gradients as the stored form and, if a form counts each batch once, the same running averages.

    PYTHON selftest.py        prints one line per form; exits with 1 if one differs
"""

import sys

import torch
import torch.nn.functional as F

import networks
from serve import memcnn_version


def by_name(named):
    """Returns them in an order that all forms share. MemCNN names the branches differently and puts G before F."""
    names = {".couplings.": ".", "._fn.Fm.": ".f.", "._fn.Gm.": ".g."}

    def common(name):
        for old, new in names.items():
            name = name.replace(old, new)
        return name

    return [value for _, value in sorted((common(name), value) for name, value in named)]


def after_step(network, mode):
    net = networks.build(network, (4, 8), (2, 2), mode).double().train()
    parameters = by_name(net.named_parameters())
    torch.manual_seed(1)
    for p in parameters:
        torch.nn.init.normal_(p, std=0.3)
    loss = F.cross_entropy(net(torch.randn(3, 3, 8, 8, dtype=torch.double)), torch.tensor([1, 2, 3]))
    loss.backward()
    averages = [b for b in by_name(net.named_buffers()) if b.is_floating_point()]
    return [loss.detach()], [p.grad for p in parameters], averages


def distance(a, b):
    return max((x - y).abs().max().item() / (y.abs().max().item() + 1e-30) for x, y in zip(a, b))


def main():
    torch.set_num_threads(1)
    failed = False
    for network, modes in networks.MODES.items():
        stored = after_step(network, "stored")
        for mode in modes[1:]:
            if mode == "memcnn" and memcnn_version() is None:
                print(f"{network} {mode}: not importable, skipped")
                continue
            loss, gradients, averages = (distance(a, b) for a, b in zip(after_step(network, mode), stored))
            good = loss < 1e-12 and gradients < 1e-9 and (averages < 1e-12 or mode == "memcnn")
            failed = failed or not good
            print(f"{network} {mode}: loss {loss:.0e}, gradients {gradients:.0e}, running averages {averages:.0e}"
                  f"{'' if good else '   DIFFERENT'}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
