// How a step of stochastic gradient descent goes on where the last ones went.
#pragma once

namespace retrace {

/// A step on a parameter w whose gradient is g:
///
///     slope = g + decay·w,  v = factor·v + slope,  w −= rate·v       (Sutskever et al. 2013, in
///     Nesterov's instead ends with  w −= rate·(slope + factor·v)      PyTorch's form)
///
/// Without functions, it is the same for every instruction set, and compiled kernels take it.
struct Momentum {
  double factor = 0;
  bool nesterov = false;
};

}  // namespace retrace
