// Gradients as an optimizer leaves them, while plans are tried.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "retrace/layer/parameter_list.hpp"

namespace retrace::inline RETRACE_ISA::detail {

/// Scope guard that disables the `on_complete` callbacks of all parameters. If `fused`, it also
/// releases each gradient as soon as it is complete, as a fused optimizer does.
template <class T, Device D>
class GradientTrial {
 public:
  GradientTrial(ParameterList<T, D> list, bool fused) : list_(std::move(list)) {
    for (auto& named : list_.parameters) {
      Parameter<T, D>& parameter = *named.parameter;
      before_.push_back({std::exchange(parameter.on_complete, {}),
                         parameter.gradient.shape() == parameter.value.shape()});
      if (!fused) continue;
      parameter.release_gradient();
      parameter.on_complete = [](Parameter<T, D>& done) { done.release_gradient(); };
    }
  }
  ~GradientTrial() {
    for (std::size_t i = 0; i < before_.size(); ++i) {
      Parameter<T, D>& parameter = *list_.parameters[i].parameter;
      parameter.on_complete = std::move(before_[i].on_complete);
      if (before_[i].held)
        parameter.accumulator();
      else
        parameter.release_gradient();
    }
  }
  GradientTrial(const GradientTrial&) = delete;
  GradientTrial& operator=(const GradientTrial&) = delete;

 private:
  struct Before {
    std::function<void(Parameter<T, D>&)> on_complete;
    bool held;  ///< the gradient was allocated
  };
  ParameterList<T, D> list_;
  std::vector<Before> before_;
};

}  // namespace retrace::inline RETRACE_ISA::detail
