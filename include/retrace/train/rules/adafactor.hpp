// Adafactor: adaptive updates with a second moment that is factored into a row and a column.
#pragma once

#include <algorithm>
#include <cmath>

#include "retrace/core/store.hpp"
#include "retrace/train/optimizer.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of Adafactor.
struct AdafactorOptions {
  double exponent = 0.8;    ///< decay of the averages at step t is β = 1 − t^−exponent
  double epsilon = 1e-30;   ///< added to squares of gradients
  double threshold = 1;     ///< largest root mean square of an update, before the rate is applied
  bool relative = true;     ///< scales the rate by the parameter's root mean square, at least 0.001
  double weight_decay = 0;  ///< applies to weights, not to scales and shifts
  double clip = 0;          ///< largest norm of all gradients together; 0: no limit
  double clip_each = 0;     ///< largest norm of one parameter's gradient; 0: no limit
  bool fused = false;       ///< updates inside backward, see Optimizer::arm
};

/// Treats a weight as a matrix whose columns are the output channels. r and c are moving averages
/// of the means of g² + ε over rows and columns (Shazeer & Stern 2018, without momentum):
///
///     u_ij = g_ij / √(r_i·c_j / mean(r)),   u /= max(1, RMS(u)/threshold)
///     w −= rate·max(0.001, RMS(w))·u + rate·decay·w
///
/// Stores rows + columns elements per parameter.
struct AdafactorRule {
  using Options = AdafactorOptions;
  static constexpr const char* name = "Adafactor";
  static constexpr bool counts_steps = true;

  static void require(const Options& options) {
    require_option(name, "exponent", options.exponent,
                   options.exponent > 0 && options.exponent <= 1, "more than 0 and at most 1");
    require_option(name, "epsilon", options.epsilon, options.epsilon > 0, "positive");
    require_option(name, "threshold", options.threshold, options.threshold > 0, "positive");
  }
  static std::vector<Moment> moments(Shape value) {
    return {{"rows", per_channel(value.pixels())}, {"columns", per_channel(value.c)}};
  }
  template <class T, Device D>
  static void update(Parameter<T, D>& parameter, std::span<Tensor<T, D>> moments, double rate,
                     const Options& options, std::int64_t step) {
    const View<T, D> w = parameter.value.view(), u = parameter.gradient.view();
    const auto t = static_cast<double>(std::max<std::int64_t>(step, 1));
    factor_gradient(u, moments[0].view(), moments[1].view(), 1 - std::pow(t, -options.exponent),
                    options.epsilon);
    const auto root_mean_square = [](View<T, D> x) {
      return std::sqrt(sum_of_squares(x) / static_cast<double>(x.shape().size()));
    };
    const double size = options.relative ? std::max(1e-3, root_mean_square(w)) : 1;
    const double share = std::max(1.0, root_mean_square(u) / options.threshold);
    if (parameter.decays && options.weight_decay > 0) scale(w, 1 - rate * options.weight_decay);
    scale(u, rate * size / share);
    add(w, u, Store::subtract);
  }
};

/// `Adafactor optimizer(net.parameters(), {.relative = false});`
template <class T, Device D>
struct Adafactor : Optimizer<AdafactorRule, T, D> {
  using Optimizer<AdafactorRule, T, D>::Optimizer;
};
template <class T, Device D>
Adafactor(ParameterList<T, D>, AdafactorOptions = {}) -> Adafactor<T, D>;

}  // namespace retrace::inline RETRACE_ISA
