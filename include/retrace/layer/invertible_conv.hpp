// The invertible 1 x 1 convolution.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/host_values.hpp"
#include "retrace/layer/log_det.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/math/lu.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = x·W at every pixel, with W = P·L·(U + diag(±exp d)): P permutes rows, L is lower triangular
/// with ones on the diagonal, U is strictly upper triangular. P and the signs are those of a random
/// rotation, with which W starts, and stay (Kingma and Dhariwal 2018, §3.2).
///
/// Shapes    x, y [N,H,W,C]; L, U [C,C]; d [C].
/// Inverse   x = y·W⁻¹, with W⁻¹ by substitution in double. No element of the diagonal can be 0.
/// Backward  dW = xᵀ·dy,  dx = dy·Wᵀ;  dL = Pᵀ·dW·Uᵀ,  dU = Lᵀ·Pᵀ·dW,  each in its triangle.
/// Log-det   H·W·Σ d (ibid., eq. 11): no determinant is computed.
/// Stores    nothing; W and W⁻¹ exist during a pass.
/// Throws    StateError if an element of the diagonal is 0, infinite or NaN in T.
template <class T, Device D>
class InvertibleConv {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @param seed  chooses the rotation; checkpoints save it
  InvertibleConv(D& device, Index channels, std::uint64_t seed)
      : lower_(device, {1, 1, channels, channels}, false),
        upper_(device, {1, 1, channels, channels}, false),
        log_diagonal_(device, per_channel(channels), false),
        rotation_(static_cast<std::size_t>(channels), seed) {
    const math::Triangular& start = rotation_.factors();
    std::vector<double> logs;
    for (const double d : start.diagonal) logs.push_back(std::log(std::abs(d)));
    set_from_host(lower_.value.view(), start.lower.elements);
    set_from_host(upper_.value.view(), start.upper.elements);
    set_from_host(log_diagonal_.value.view(), logs);
  }

  Index input_channels() const { return log_diagonal_.value.shape().c; }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const {
    require_channels("InvertibleConv", "x", x, input_channels());
    return x;
  }

  void forward(State& x, Run, LogDet<D>* log_det = nullptr) {
    const math::Triangular w = factors();
    multiply(x, w.product());
    if (log_det) add_log_det(*log_det, x.shape(), 1);
  }
  void inverse(State& y, Run, LogDet<D>* log_det = nullptr) {
    multiply(y, factors().inverse());
    if (log_det) add_log_det(*log_det, y.shape(), -1);
  }
  void backward(State& y, Gradient& dy, const LogDet<D>* log_det = nullptr) {
    require_same_shape("InvertibleConv", "y", y.shape(), "dy", dy.shape());
    const math::Triangular w = factors();
    multiply(y, w.inverse());
    if (lower_.accumulates() || upper_.accumulates() || log_diagonal_.accumulates()) {
      const auto pixels = static_cast<double>(y.shape().pixels());
      add_gradients(w, weight_gradient(y, dy), log_det ? log_det->gradient * pixels : 0);
    }
    multiply(dy, w.product().transposed());
  }

  template <class V>
  void inside(V visit) {
    visit("lower", lower_);
    visit("upper", upper_);
    visit("log_diagonal", log_diagonal_);
    visit("seed", rotation_);
  }

 private:
  /// The factors of the random rotation of a seed, of which P and the signs are used.
  class Rotation {
   public:
    Rotation(std::size_t channels, std::uint64_t seed) : factors_(channels) {
      set(static_cast<std::int64_t>(seed));
    }
    std::int64_t get() const { return seed_; }
    void set(std::int64_t seed) {
      seed_ = seed;
      Random random(static_cast<std::uint64_t>(seed), substream("rotation"));
      factors_ = math::factorised(math::random_rotation(factors_.order.size(), random));
    }
    const math::Triangular& factors() const { return factors_; }

   private:
    std::int64_t seed_ = 0;
    math::Triangular factors_;
  };

  math::Triangular factors() const {
    math::Triangular w = rotation_.factors();
    const std::size_t n = w.order.size();
    const std::vector<double> lower = to_host(lower_.value.view());
    const std::vector<double> upper = to_host(upper_.value.view());
    const std::vector<double> logs = to_host(log_diagonal_.value.view());
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        w.lower.at(i, j) = j < i ? lower[i * n + j] : 0;
        w.upper.at(i, j) = j > i ? upper[i * n + j] : 0;
      }
      const double size = std::exp(logs[i]);
      if (!std::isnormal(static_cast<T>(size)) || !std::isnormal(static_cast<T>(1 / size)))
        throw StateError("InvertibleConv: the matrix is singular: element " + std::to_string(i) +
                         " of its diagonal is exp(" + std::to_string(logs[i]) +
                         "), but it must be neither 0 nor infinite");
      w.diagonal[i] = w.diagonal[i] < 0 ? -size : size;
    }
    return w;
  }

  /// All pixels as one image, eight in a row if their number allows it.
  template <class U>
  static View<U, D> rows(View<U, D> x) {
    const Index pixels = x.shape().pixels(), wide = pixels % 8 == 0 ? 8 : 1;
    return {x.device(), x.data(), {1, pixels / wide, wide, x.shape().c}, x.pitch()};
  }

  /// x becomes x·w.
  void multiply(State& x, const math::Matrix& w) const {
    for (const double element : w.elements)
      if (!std::isfinite(static_cast<T>(element)))
        throw StateError("InvertibleConv: the matrix or its inverse has an element " +
                         std::to_string(element) + ", but all must be finite");
    State weight(x.device(), lower_.value.shape(), Use::workspace);
    set_from_host(weight.view(), w.elements);
    State y(x.device(), x.shape(), x.use());
    conv2d(rows(y.view()), rows(std::as_const(x).view()), std::as_const(weight).view(), 1);
    y.set_pass(x.pass());
    x = std::move(y);
  }

  math::Matrix weight_gradient(const State& x, const Gradient& dy) const {
    State dw(x.device(), lower_.value.shape(), Use::workspace);
    fill(dw.view(), T(0));
    conv2d_weight_gradient(dw.view(), rows(x.view()), rows(dy.view()), 1);
    math::Matrix gradient(static_cast<std::size_t>(input_channels()));
    gradient.elements = to_host(dw.view());
    return gradient;
  }

  void add_gradients(const math::Triangular& w, const math::Matrix& dw, double of_logs) {
    const math::Matrix g = w.permuted_back(dw);
    math::Matrix dlower = g * w.full_upper().transposed();
    math::Matrix dupper = w.full_lower().transposed() * g;
    std::vector<double> dlogs;
    for (std::size_t i = 0; i < g.n; ++i) {
      dlogs.push_back(dupper.at(i, i) * w.diagonal[i] + of_logs);
      for (std::size_t j = 0; j < g.n; ++j) {
        if (j >= i) dlower.at(i, j) = 0;
        if (j <= i) dupper.at(i, j) = 0;
      }
    }
    lower_.accumulate([&](View<T, D> sum) { add_from_host(sum, dlower.elements); });
    upper_.accumulate([&](View<T, D> sum) { add_from_host(sum, dupper.elements); });
    log_diagonal_.accumulate([&](View<T, D> sum) { add_from_host(sum, dlogs); });
  }

  void add_log_det(LogDet<D>& log_det, Shape x, double sign) const {
    double sum = 0;
    for (const double d : to_host(log_diagonal_.value.view())) sum += d;
    add_to_all(log_det, sign * sum, x);
  }

  Parameter<T, D> lower_, upper_, log_diagonal_;
  Rotation rotation_;
};

}  // namespace retrace::inline RETRACE_ISA
