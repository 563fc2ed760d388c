// Optimizer updates on the host, and the operations for gradient clipping.
#pragma once

#include <cmath>
#include <span>

#include "retrace/core/update_term.hpp"
#include "retrace/cpu/elementwise.hpp"
#include "retrace/math/update.hpp"

namespace retrace::inline RETRACE_ISA {

/// Applies a step of core/update.hpp to one parameter.
template <class T, class Step>
void update_parameter(const UpdateTerm<T, Cpu>& term, double rate, const Step& step) {
  const auto timed = term.value.device().timed(Operation::update);
  const math::Update<T, Step> update(step);
  const T lr = static_cast<T>(rate), decay = static_cast<T>(term.decay);
  T* w = term.value.data();
  T* m = term.first.data();
  T* v = term.second.data();
  const T* g = term.gradient.data();
  term.value.device().parallel(
      term.value.shape().size(), sweep_work<T>(term.value.shape(), 3 + 2 * update.moments),
      [=](Index first, Index last, int) {
        for (Index i = first; i < last; ++i)
          update(w[i], g[i], m[i], v[i], lr, decay, [](T x) { return std::sqrt(x); });
      });
}

/// Updates all parameters and sets their gradients to 0.
template <class T, class Step>
void update_parameters(std::span<const UpdateTerm<T, Cpu>> terms, double rate, const Step& step) {
  for (const UpdateTerm<T, Cpu>& each : terms) {
    update_parameter(each, rate, step);
    fill(each.gradient, T(0));
  }
}

/// Updates the moving averages r and c of a gradient's mean squares over rows and over columns, and
/// divides g_ij by √(r_i·c_j/mean(r)). The gradient is [rows, columns], with one row per pixel.
/// @param rows     r, one per row
/// @param columns  c, one per column
template <class T>
void factor_gradient(View<T, Cpu> gradient, SameView<T, Cpu> rows, SameView<T, Cpu> columns,
                     double beta, double epsilon) {
  const Index height = gradient.shape().pixels(), width = gradient.shape().c;
  const auto blend = [=](T& average, double sum, Index count) {
    average = static_cast<T>(beta * static_cast<double>(average) +
                             (1 - beta) * (sum / static_cast<double>(count) + epsilon));
  };
  T *g = gradient.data(), *r = rows.data(), *c = columns.data();
  Cpu& device = gradient.device();
  const Work work = sweep_work<T>(gradient.shape(), 1);
  device.parallel(height, work, [=](Index first, Index last, int) {
    for (Index i = first; i < last; ++i) {
      double sum = 0;
      for (Index j = 0; j < width; ++j)
        sum += static_cast<double>(g[i * width + j]) * g[i * width + j];
      blend(r[i], sum, width);
    }
  });
  device.parallel(width, work, [=](Index first, Index last, int) {
    for (Index j = first; j < last; ++j) {
      double sum = 0;
      for (Index i = 0; i < height; ++i)
        sum += static_cast<double>(g[i * width + j]) * g[i * width + j];
      blend(c[j], sum, height);
    }
  });
  if (device.dry()) return;
  double mean = 0;
  for (Index i = 0; i < height; ++i)
    mean += static_cast<double>(r[i]) / static_cast<double>(height);
  device.parallel(height, work, [=](Index first, Index last, int) {
    for (Index i = first; i < last; ++i)
      for (Index j = 0; j < width; ++j)
        g[i * width + j] =
            static_cast<T>(static_cast<double>(g[i * width + j]) /
                           std::sqrt(static_cast<double>(r[i]) * static_cast<double>(c[j]) / mean));
  });
}

/// Returns Σ x² of packed x in double, added in the order of the shares. Returns 0 on a dry device.
template <class T>
double sum_of_squares(View<T, Cpu> x) {
  const int shares = x.device().shares();
  Tensor<double, Cpu> partial(x.device(), {1, 1, 1, shares * 8}, Use::workspace);
  fill(partial.view(), 0);
  const T* values = x.data();
  double* sums = partial.data();
  x.device().parallel_shares(shares, x.shape().size(), sweep_work<T>(x.shape(), 1),
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

/// Computes x *= factor; x is packed.
template <class T>
void scale(View<T, Cpu> x, double factor) {
  const T share = static_cast<T>(factor);
  T* values = x.data();
  x.device().parallel(x.shape().size(), sweep_work<T>(x.shape(), 2),
                      [=](Index first, Index last, int) {
                        cpu::for_each_block<T>(last - first, [&]<int W>(Index at) {
                          T* value = values + first + at;
                          cpu::save<W>(value, cpu::load<W>(value) * share);
                        });
                      });
}

}  // namespace retrace::inline RETRACE_ISA
