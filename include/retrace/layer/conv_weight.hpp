// The weights of a convolution and its three passes on views: what convolution layers share.
#pragma once

#include <stdexcept>
#include <string>

#include "retrace/core/channel_norm.hpp"
#include "retrace/core/moments.hpp"
#include "retrace/core/store.hpp"
#include "retrace/layer/parameter.hpp"

namespace retrace::inline RETRACE_ISA {

/// The window of a convolution, and its first weights.
struct ConvOptions {
  Index kernel = 3;  ///< odd: the window is kernel x kernel, zero-padded to keep the extents
  Index stride = 1;
  double gain = 1;  ///< deviation of the first weights as a share of He's
};

/// The weights of a convolution and its three passes on views.
template <class T, Device D>
class ConvWeight {
 public:
  /// @throws std::invalid_argument for an even kernel or a stride other than 1 or 2.
  ConvWeight(D& device, Index in, Index out, Random& random, ConvOptions options)
      : weight_(device, checked(options, in, out), true), options_(options) {
    he_normal(weight_.value, options.kernel * options.kernel * in, random, options.gain);
  }

  Index in() const { return weight_.value.shape().w; }
  Index out() const { return weight_.value.shape().c; }
  /// @throws ShapeError unless x has in() channels.
  Shape output_shape(const char* where, Shape x) const {
    require_channels(where, "x", x, in());
    const auto extent = [&](Index size) { return (size + options_.stride - 1) / options_.stride; };
    return {x.n, extent(x.h), extent(x.w), out()};
  }

  void apply(View<T, D> y, View<const T, D> x, Store how,
             const NormActivation<T, D>* prologue = nullptr) const {
    conv2d(y, x, weight_.value.view(), options_.stride, prologue, how);
  }
  /// The same; `of_y` takes the moments of y, measured while it is in the cache.
  void apply(View<T, D> y, View<const T, D> x, Store how, const NormActivation<T, D>* prologue,
             Moments<D>* of_y) const {
    if (!of_y) return apply(y, x, how, prologue);
    conv2d_moments(y, x, weight_.value.view(), options_.stride, prologue, how, of_y->mean.view(),
                   of_y->variance.view());
  }
  /// After input_gradient(): a complete gradient may be followed at once by an update of w.
  void add_weight_gradient(View<const T, D> x, View<const T, D> dy,
                           const NormActivation<T, D>* prologue = nullptr) {
    weight_.accumulate(
        [&](View<T, D> dw) { conv2d_weight_gradient(dw, x, dy, options_.stride, prologue); });
  }
  void input_gradient(View<T, D> dx, View<const T, D> dy, Store how) const {
    conv2d_input_gradient(dx, dy, weight_.value.view(), options_.stride, how);
  }
  /// dx set, and (Σ g, Σ g·z) of the normalisation and activation of x that it is the gradient of.
  void input_gradient(View<T, D> dx, View<const T, D> dy, View<double, D> sums, View<const T, D> x,
                      const NormActivation<T, D>& input) const {
    conv2d_input_gradient_sums(dx, dy, weight_.value.view(), options_.stride, sums, x, input.norm,
                               input.activation);
  }

  Parameter<T, D>& parameter() { return weight_; }

 private:
  static Shape checked(ConvOptions options, Index in, Index out) {
    if (options.kernel < 1 || options.kernel % 2 == 0)
      throw std::invalid_argument("Conv2d: kernel must be odd, got " +
                                  std::to_string(options.kernel));
    if (options.stride != 1 && options.stride != 2)
      throw std::invalid_argument("Conv2d: stride must be 1 or 2, got " +
                                  std::to_string(options.stride));
    if (in < 1 || out < 1)
      throw std::invalid_argument("Conv2d: needs channels, got " + std::to_string(in) + " in and " +
                                  std::to_string(out) + " out");
    return {options.kernel, options.kernel, in, out};
  }

  Parameter<T, D> weight_;
  ConvOptions options_;
};

}  // namespace retrace::inline RETRACE_ISA
