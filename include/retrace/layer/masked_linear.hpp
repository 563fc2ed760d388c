// The fully connected layer of autoregressive networks.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/host_values.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = x·(w⊙m) + b with m = 1 if the output's degree is at least the input's, or larger if
/// `strict`, and m = 0 otherwise (Germain et al. 2015, eq. 12 and 13). A chain of them whose inputs
/// have the degrees 1 … C makes outputs of degree d that depend on the inputs of degree less than
/// d, if its last layer is strict.
///
/// Shapes    x [N,H,W,C], w [C,K], b [K], y [N,H,W,K].
/// Inverse   none.
/// Backward  dw += (xᵀ·dy)⊙m,  db += Σ dy,  dx = dy·(w⊙m)ᵀ.
/// Stores    nothing; the chain stores x.
template <class T, Device D>
class MaskedLinear {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @param gain  deviation of the first weights as a share of He's; 0 for zeros
  MaskedLinear(D& device, const std::vector<Index>& in, const std::vector<Index>& out, bool strict,
               Random& random, double gain = 1)
      : weight_(device, {1, 1, static_cast<Index>(in.size()), static_cast<Index>(out.size())},
                true),
        bias_(device, per_channel(static_cast<Index>(out.size())), false),
        mask_(in.size() * out.size()) {
    if (in.empty() || out.empty())
      throw std::invalid_argument("MaskedLinear: needs channels, got " + std::to_string(in.size()) +
                                  " in and " + std::to_string(out.size()) + " out");
    for (std::size_t i = 0; i < in.size(); ++i)
      for (std::size_t j = 0; j < out.size(); ++j)
        mask_[i * out.size() + j] = strict ? out[j] > in[i] : out[j] >= in[i];
    he_normal(weight_.value, static_cast<Index>(in.size()), random, gain);
  }

  Index input_channels() const { return weight_.value.shape().w; }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const {
    require_channels("MaskedLinear", "x", x, input_channels());
    return with_channels(x, bias_.value.shape().c);
  }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("MaskedLinear", "y", y.shape(), "the product of x", output_shape(x.shape()));
    const State w = masked(weight_.value.view());
    store_by(how, y, Use::activation, [&](View<T, D> value) {
      conv2d(value, x, w.view(), 1);
      add_to_pixels(value, bias_.value.view());
    });
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    conv2d_input_gradient(dx, dy, masked(weight_.value.view()).view(), 1, how);
    weight_.accumulate([&](View<T, D> dw) {
      State all(dw.device(), dw.shape(), Use::workspace);
      fill(all.view(), T(0));
      conv2d_weight_gradient(all.view(), x, dy, 1);
      add(dw, masked(std::as_const(all).view()).view());
    });
    bias_.accumulate([&](View<T, D> db) { add_pixel_sums(db, dy); });
  }

  template <class V>
  void inside(V visit) {
    visit("weight", weight_);
    visit("bias", bias_);
  }

 private:
  State masked(View<const T, D> w) const {
    std::vector<double> values = to_host(w);
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!mask_[i]) values[i] = 0;
    State result(w.device(), w.shape(), Use::workspace);
    set_from_host(result.view(), values);
    return result;
  }

  Parameter<T, D> weight_, bias_;
  std::vector<bool> mask_;
};

}  // namespace retrace::inline RETRACE_ISA
