// A convolution whose Lipschitz constant is bounded.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/text.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// The bound of a spectral normalisation and the power iteration that measures the norm.
struct SpectralOptions {
  Index kernel = 3;
  double bound = 0.9;       ///< c: the largest Lipschitz constant, below 1
  double gain = 1;          ///< of the weights' first deviation
  double precision = 1e-6;  ///< ends an iteration that changes σ by less, relatively
  double margin = 1e-3;     ///< by which σ may be larger than the iteration has found
  int most_iterations = 200;
};

/// y = x ∗ ŵ + b with ŵ = w·min(1, c/σ), where σ is the norm of x ↦ x ∗ w on images of H x W: the
/// largest factor by which it stretches an image.
///
/// Shapes    x [N,H,W,C], w [k,k,C,K], b [K], y [N,H,W,K]. A kernel of 1 takes any H and W.
/// Inverse   none.
/// Backward  with ŵ; dw = min(1, c/σ)·dŵ − (⟨dŵ, ŵ⟩/σ)·∂σ/∂w if σ > c.
/// Tangent   that of x ∗ ŵ.
/// Stores    the direction v of the largest stretch, which prepare() improves by power iteration
///           (Miyato et al. 2018; Gouk et al. 2018 for convolutions).
template <class T, Device D>
class SpectralConv2d {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool owns_buffers = true;

  /// @throws std::invalid_argument unless the kernel is odd and the bound between 0 and 1.
  SpectralConv2d(D& device, Index in, Index out, Index height, Index width, Random& random,
                 const SpectralOptions& options = {})
      : weight_(device, checked(options, in, out), true),
        bias_(device, per_channel(out), false),
        used_(device, weight_.value.shape(), Use::workspace),
        direction_(device, options.kernel == 1 ? per_channel(in) : Shape{1, height, width, in},
                   Use::parameter),
        options_(options) {
    he_normal(weight_.value, options.kernel * options.kernel * in, random, options.gain);
    he_normal(direction_, 2, random);
    if (!device.dry()) normalise(direction_);
    prepare(true);
  }
  SpectralConv2d(SpectralConv2d&&) noexcept = default;
  SpectralConv2d& operator=(SpectralConv2d&&) noexcept = default;
  SpectralConv2d(const SpectralConv2d& other)
      : weight_(other.weight_),
        bias_(other.bias_),
        used_(clone(other.used_)),
        direction_(clone(other.direction_)),
        options_(other.options_),
        sigma_(other.sigma_),
        factor_(other.factor_) {}

  Index input_channels() const { return weight_.value.shape().w; }
  /// @throws ShapeError unless x has C channels and, for a kernel above 1, H x W pixels.
  Shape output_shape(Shape x) const {
    require_channels("SpectralConv2d", "x", x, input_channels());
    const Shape v = direction_.shape();
    const bool known = x.n != any_extent;  // a chain that adds the layer has none
    if (options_.kernel > 1 && known && (x.h != v.h || x.w != v.w))
      throw ShapeError("SpectralConv2d: x is " + to_string(x) +
                       " but its norm was measured on images of " + std::to_string(v.h) + "x" +
                       std::to_string(v.w));
    return with_channels(x, weight_.value.shape().c);
  }

  /// Computes ŵ from w. Improves v before that if `improve` is set.
  void prepare(bool improve) {
    D& device = used_.device();
    State image(device, with_channels(direction_.shape(), bias_.value.shape().c), Use::workspace);
    double before = 0;
    for (int i = 0; improve && !device.dry() && i < options_.most_iterations; ++i) {
      product(image.view(), direction_.view(), weight_.value.view());
      const double norm = std::sqrt(sum_of_squares(image.view()));
      if (norm == 0 || std::abs(norm - before) <= options_.precision * norm) break;
      before = norm;
      conv2d_input_gradient(direction_.view(), std::as_const(image).view(), weight_.value.view(), 1,
                            Store::set);
      normalise(direction_);
    }
    product(image.view(), direction_.view(), weight_.value.view());
    sigma_ = std::sqrt(sum_of_squares(image.view()));
    // The iteration approaches the norm from below.
    const double most = options_.bound / (1 + options_.margin);
    factor_ = sigma_ > most ? most / sigma_ : 1;
    copy(used_.view(), std::as_const(weight_.value).view());
    scale(used_.view(), factor_);
  }
  /// The bound of the Lipschitz constant of ŵ that prepare() has measured, at most c.
  double lipschitz() const {
    return std::min(options_.bound, sigma_ * factor_ * (1 + options_.margin));
  }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("SpectralConv2d", "y", y.shape(), "the convolution of x",
                       output_shape(x.shape()));
    store_by(how, y, Use::activation, [&](View<T, D> value) {
      product(value, x, used_.view());
      add_to_pixels(value, bias_.value.view());
    });
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    product_gradient(x, dy, dx, how);
    bias_.accumulate([&](View<T, D> db) { add_pixel_sums(db, dy); });
  }
  void tangent(View<T, D> w, View<const T, D>, View<const T, D> u) const {
    product(w, u, used_.view());
  }
  void tangent_gradient(View<const T, D>, View<const T, D> u, View<const T, D> dw, View<T, D>,
                        View<T, D> du) {
    product_gradient(u, dw, du, Store::set);
  }

  template <class V>
  void inside(V visit) {
    visit("weight", weight_);
    visit("bias", bias_);
    visit("direction", direction_);
  }

  Parameter<T, D>& weight() { return weight_; }
  const SpectralOptions& options() const { return options_; }

 private:
  static Shape checked(const SpectralOptions& options, Index in, Index out) {
    if (options.kernel < 1 || options.kernel % 2 == 0)
      throw std::invalid_argument("SpectralConv2d: kernel must be odd, got " +
                                  std::to_string(options.kernel));
    if (!(options.bound > 0 && options.bound < 1))
      throw std::invalid_argument(
          "SpectralConv2d: the bound of the Lipschitz constant must be above 0 and below 1, got " +
          short_text(options.bound) + ": a residual layer is invertible only below 1");
    return {options.kernel, options.kernel, in, out};
  }
  static void normalise(State& x) {
    const double norm = std::sqrt(sum_of_squares(x.view()));
    if (norm > 0) scale(x.view(), 1 / norm);
  }
  static void product(View<T, D> y, View<const T, D> x, View<const T, D> w) { conv2d(y, x, w, 1); }

  void product_gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    conv2d_input_gradient(dx, dy, used_.view(), 1, how);
    weight_.accumulate([&](View<T, D> dw) {
      if (factor_ == 1) return conv2d_weight_gradient(dw, x, dy, 1);
      State of_used(dw.device(), dw.shape(), Use::workspace);
      fill(of_used.view(), T(0));
      conv2d_weight_gradient(of_used.view(), x, dy, 1);
      const double along = inner_product(std::as_const(of_used).view(), used_.view());
      scale(of_used.view(), factor_);
      add(dw, std::as_const(of_used).view());
      add_norm_gradient(dw, -along / sigma_);
    });
  }
  /// dw += share·∂σ/∂w, with ∂σ/∂w the gradient of ‖v ∗ w‖ for a constant v.
  void add_norm_gradient(View<T, D> dw, double share) {
    State image(dw.device(), with_channels(direction_.shape(), bias_.value.shape().c),
                Use::workspace);
    product(image.view(), direction_.view(), weight_.value.view());
    if (sigma_ > 0) scale(image.view(), share / sigma_);
    conv2d_weight_gradient(dw, std::as_const(direction_).view(), std::as_const(image).view(), 1);
  }
  static double inner_product(View<const T, D> a, View<const T, D> b) {
    Tensor<double, D> sums(a.device(), {a.shape().n, 1, 1, 1}, Use::workspace);
    fill(sums.view(), 0.0);
    add_inner_products(sums.view(), a, b, 1);
    std::vector<double> values(static_cast<std::size_t>(a.shape().n));
    if (!a.device().dry()) download(std::span<double>(values), std::as_const(sums).view());
    double total = 0;
    for (double value : values) total += value;
    return total;
  }

  Parameter<T, D> weight_, bias_;
  State used_;       ///< ŵ
  State direction_;  ///< v
  SpectralOptions options_;
  double sigma_ = 0, factor_ = 1;
};

/// y = x·ŵ + b at every pixel, with ŵ = w·min(1, c/σ) and σ the largest singular value of w.
template <class T, Device D>
class SpectralLinear : public SpectralConv2d<T, D> {
 public:
  SpectralLinear(D& device, Index in, Index out, Random& random, SpectralOptions options = {})
      : SpectralConv2d<T, D>(device, in, out, 1, 1, random, pointwise(options)) {}

 private:
  static SpectralOptions pointwise(SpectralOptions options) {
    options.kernel = 1;
    return options;
  }
};

}  // namespace retrace::inline RETRACE_ISA
