// The update of stochastic gradient descent on the host, and what clips it.
#pragma once

#include <span>

#include "retrace/core/momentum.hpp"
#include "retrace/core/sgd_term.hpp"
#include "retrace/cpu/elementwise.hpp"

namespace retrace::inline RETRACE_ISA {

/// The step of core/momentum.hpp, of one parameter. All packed.
template <class T>
void sgd_update(View<T, Cpu> value, ConstView<T, Cpu> gradient, SameView<T, Cpu> velocity,
                double rate, Momentum momentum, double decay) {
  const auto timed = value.device().timed(Operation::update);
  const T lr = static_cast<T>(rate), mu = static_cast<T>(momentum.factor),
          wd = static_cast<T>(decay);
  const bool nesterov = momentum.nesterov;
  T* w = value.data();
  T* v = velocity.data();
  const T* g = gradient.data();
  value.device().parallel(value.shape().size(), pass<T>(value.shape(), 5),
                          [=](Index first, Index last, int) {
                            cpu::for_each_block<T>(last - first, [&]<int W>(Index at) {
                              using cpu::load, cpu::save;
                              const Index i = first + at;
                              const auto weight = load<W>(w + i);
                              const auto slope = load<W>(g + i) + wd * weight;
                              const auto speed = mu * load<W>(v + i) + slope;
                              save<W>(v + i, speed);
                              save<W>(w + i, weight - lr * (nesterov ? slope + mu * speed : speed));
                            });
                          });
}

/// The update of all these, whose gradients are 0 afterwards.
template <class T>
void sgd_step(std::span<const SgdTerm<T, Cpu>> terms, double rate, Momentum momentum) {
  for (const SgdTerm<T, Cpu>& each : terms) {
    sgd_update(each.value, each.gradient, each.velocity, rate, momentum, each.decay);
    fill(each.gradient, T(0));
  }
}

/// Σ x² of packed x, in double: shares in their order. 0 on a dry device.
template <class T>
double sum_of_squares(View<T, Cpu> x) {
  const int shares = x.device().shares();
  Tensor<double, Cpu> partial(x.device(), {1, 1, 1, shares * 8}, Use::workspace);
  fill(partial.view(), 0);
  const T* values = x.data();
  double* sums = partial.data();
  x.device().parallel_shares(shares, x.shape().size(), pass<T>(x.shape(), 1),
                             [=](Index first, Index last, int, Index share) {
                               double lane[8] = {};
                               for (; first + 8 <= last; first += 8)
                                 for (int k = 0; k < 8; ++k) {
                                   const auto value = static_cast<double>(values[first + k]);
                                   lane[k] += value * value;
                                 }
                               for (int k = 0; first < last; ++first, ++k) {
                                 const auto value = static_cast<double>(values[first]);
                                 lane[k] += value * value;
                               }
                               for (double sum : lane) sums[share * 8] += sum;
                             });
  if (x.device().dry()) return 0;
  double total = 0;
  for (Index share = 0; share < shares; ++share) total += sums[share * 8];
  return total;
}

/// x *= factor, packed.
template <class T>
void scale(View<T, Cpu> x, double factor) {
  const T share = static_cast<T>(factor);
  T* values = x.data();
  x.device().parallel(x.shape().size(), pass<T>(x.shape(), 2), [=](Index first, Index last, int) {
    cpu::for_each_block<T>(last - first, [&]<int W>(Index at) {
      T* value = values + first + at;
      cpu::save<W>(value, cpu::load<W>(value) * share);
    });
  });
}

}  // namespace retrace::inline RETRACE_ISA
