// The update of stochastic gradient descent on the host.
#pragma once

#include "retrace/cpu/elementwise.hpp"

namespace retrace::inline RETRACE_ISA {

/// v = momentum·v + g + decay·w,  w −= rate·v  (Sutskever et al. 2013, in PyTorch's form). All
/// packed.
template <class T>
void sgd_update(View<T, Cpu> value, ConstView<T, Cpu> gradient, SameView<T, Cpu> velocity,
                double rate, double momentum, double decay) {
  const auto timed = value.device().timed(Operation::update);
  const T lr = static_cast<T>(rate), mu = static_cast<T>(momentum), wd = static_cast<T>(decay);
  T* w = value.data();
  T* v = velocity.data();
  const T* g = gradient.data();
  value.device().parallel(value.shape().size(), cpu::pass<T>(value.shape(), 5),
                          [=](Index first, Index last, int) {
#pragma omp simd
                            for (Index i = first; i < last; ++i) {
                              v[i] = mu * v[i] + (g[i] + wd * w[i]);
                              w[i] -= lr * v[i];
                            }
                          });
}

}  // namespace retrace::inline RETRACE_ISA
