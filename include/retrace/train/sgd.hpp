// Stochastic gradient descent and its learning rate.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/parameter.hpp"

namespace retrace::inline RETRACE_ISA {

struct SgdOptions {
  double momentum = 0.9;
  double weight_decay = 0;  ///< of the parameters that decay: weights, not scales and shifts
};

/// v = momentum·v + g + decay·w,  w −= rate·v, with one v a parameter (Use::optimizer).
template <class T, Device D>
class Sgd {
 public:
  /// The parameters must stay where they are.
  Sgd(ParameterList<T, D> list, SgdOptions options) : list_(std::move(list)), options_(options) {
    for (auto& named : list_.parameters) {
      Tensor<T, D>& value = named.parameter->value;
      velocities_.emplace_back(value.device(), value.shape(), Use::optimizer);
      fill(velocities_.back().view(), T(0));
    }
  }

  /// Takes one step against the gradients and empties them.
  void step(double rate) {
    for (std::size_t i = 0; i < velocities_.size(); ++i) {
      Parameter<T, D>& parameter = *list_.parameters[i].parameter;
      sgd_update(parameter.value.view(), parameter.gradient.view(), velocities_[i].view(), rate,
                 options_.momentum, parameter.decays ? options_.weight_decay : 0.0);
      parameter.zero_gradient();
    }
  }

  /// Adds one buffer a parameter, v, to the state of a training: "momentum.level1.block0.weight".
  void collect(const std::string& prefix, ParameterList<T, D>& list) {
    for (std::size_t i = 0; i < velocities_.size(); ++i)
      list.add(joined(prefix, list_.parameters[i].name), velocities_[i]);
  }

  ParameterList<T, D>& parameters() { return list_; }

 private:
  ParameterList<T, D> list_;
  SgdOptions options_;
  std::vector<Tensor<T, D>> velocities_;
};

/// The one-cycle learning rate (Smith & Topin 2018): from peak/25 up to the peak over the first
/// `warm_up` share of the steps and down to peak/1e5 over the rest, each half a cosine.
struct OneCycle {
  double peak;
  std::size_t steps;
  double warm_up = 0.3;

  double operator()(std::size_t step) const {
    const double at =
        static_cast<double>(step) / static_cast<double>(std::max<std::size_t>(steps, 1));
    if (at < warm_up) return blend(peak / 25, peak, at / warm_up);
    return blend(peak, peak / 1e5, std::min(1.0, (at - warm_up) / (1 - warm_up)));
  }

 private:
  static double blend(double from, double to, double share) {
    return to + (from - to) * (1 + std::cos(std::numbers::pi * share)) / 2;
  }
};

}  // namespace retrace::inline RETRACE_ISA
