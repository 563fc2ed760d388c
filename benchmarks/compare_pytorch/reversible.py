"""Reversible residual blocks for PyTorch, as an autograd function.

    forward    y1 = x1 + F(x2)     y2 = x2 + G(y1)
    inverse    x2 = y2 - G(y1)     x1 = y1 - F(x2)

Only the output of a sequence of blocks is stored. Backward evaluates F and G once each and uses the result both to
reconstruct a half and for the gradient. A step therefore costs four forward passes, which is the minimum.
"""

import torch


class ReversibleSequence(torch.autograd.Function):
    """Runs couplings, each with branches `f` and `g`, on the halves x1 and x2."""

    @staticmethod
    def forward(context, x1, x2, couplings):
        for coupling in couplings:
            x1 = coupling.f(x2).add_(x1)
            x2 = coupling.g(x1).add_(x2)
        context.couplings = couplings
        context.save_for_backward(x1, x2)
        return x1, x2

    @staticmethod
    def backward(context, d1, d2):
        y1, y2 = context.saved_tensors
        for coupling in reversed(context.couplings):
            y2, d1 = undo(coupling.g, y2, y1, d2, d1)
            y1, d2 = undo(coupling.f, y1, y2, d1, d2)
        return d1, d2, None


def undo(branch, target, source, dtarget, dsource):
    """Undoes target += branch(source). Returns the earlier target, and dsource plus the branch's gradient.
    Adds to the gradients of the branch's parameters."""
    source = source.detach().requires_grad_()
    with torch.enable_grad():
        value = branch(source)
    before = target - value.detach()
    torch.autograd.backward(value, dtarget)
    return before, source.grad.add_(dsource)
