// The coefficients of y = exp(s)·x + b, while operations use them.
#pragma once

#include <cmath>
#include <vector>

#include "retrace/core/channel_norm.hpp"
#include "retrace/layer/host_values.hpp"
#include "retrace/layer/parameter.hpp"

namespace retrace::inline RETRACE_ISA {

/// exp(s) and b as coefficients of a normalisation. Sums of gradients at y have z = y − b, so Σ g·z
/// is the gradient of s.
template <class T, Device D>
class ExpScale {
 public:
  ExpScale(const Parameter<T, D>& log_scale, const Parameter<T, D>& bias) : ExpScale(log_scale) {
    copy(shift_.view(), bias.value.view());
  }
  /// The same with b = 0: of the gradient.
  explicit ExpScale(const Parameter<T, D>& log_scale)
      : scale_(log_scale.value.device(), log_scale.value.shape(), Use::workspace),
        one_(scale_.device(), scale_.shape(), Use::workspace),
        shift_(scale_.device(), scale_.shape(), Use::workspace) {
    std::vector<double> scales = to_host(log_scale.value.view());
    for (double& scale : scales) scale = std::exp(scale);
    set_from_host(scale_.view(), scales);
    fill(one_.view(), T(1));
    fill(shift_.view(), T(0));
  }
  ChannelNorm<T, D> norm() const {
    return {shift_.view(), one_.view(), scale_.view(), shift_.view()};
  }

 private:
  Tensor<T, D> scale_, one_, shift_;
};

}  // namespace retrace::inline RETRACE_ISA
