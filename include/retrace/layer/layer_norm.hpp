// Normalisation of every position by its own channels.
#pragma once

#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"

namespace retrace::inline RETRACE_ISA {

/// LayerNorm: y = γ·z + β with z = (x − μ)/σ, the mean and the variance σ² − ε over the channels of
/// one position (Ba et al. 2016). RmsNorm: y = γ·z with z = x/σ, σ² = mean x² + ε (Zhang & Sennrich
/// 2019, eq. 4).
///
/// Shapes    x, y [N,H,W,C], γ and β [C].
/// Inverse   none.
/// Backward  dγ += Σ dy·z,  dβ += Σ dy,  dx = (g − mean g − z·mean(g·z))/σ with g = γ·dy and means
///           over the channels; without mean g for RmsNorm.
/// Stores    nothing; the chain stores x. Mean and deviation are computed again.
template <class T, Device D, bool centred>
class PositionNorm {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool in_place = true;

  PositionNorm(D& device, Index channels, double epsilon = 1e-5)
      : epsilon_(epsilon),
        gamma_(device, per_channel(channels), false),
        beta_(device, per_channel(centred ? channels : 0), false) {
    fill(gamma_.value.view(), T(1));
  }

  Index input_channels() const { return gamma_.value.shape().c; }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const {
    require_channels(name, "x", x, input_channels());
    return x;
  }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape(name, "y", y.shape(), "x", output_shape(x.shape()));
    const State statistics = statistics_of(x);
    normalise_rows(y, x, statistics.view(), gamma_.value.data(),
                   centred ? beta_.value.data() : nullptr, how);
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    const State statistics = statistics_of(x);
    Sums sums(x.device(), {1, 1, 2, sums_needed() ? input_channels() : 0}, Use::workspace);
    if (sums_needed()) normalise_rows_sums<T>(sums.view(), x, dy, statistics.view());
    normalise_rows_backward(dx, x, dy, statistics.view(), gamma_.value.data(), centred, how);
    add_sums(sums);  // last: a fused optimizer changes gamma as soon as its gradient is complete
  }

  template <class V>
  void inside(V visit) {
    visit("gamma", gamma_);
    if constexpr (centred) visit("beta", beta_);
  }

  Parameter<T, D>& gamma() { return gamma_; }
  Parameter<T, D>& beta() requires(centred) { return beta_; }

 private:
  static constexpr const char* name = centred ? "LayerNorm" : "RmsNorm";

  State statistics_of(View<const T, D> x) const {
    State statistics(x.device(), {1, 1, x.shape().pixels(), 2}, Use::workspace);
    row_statistics(statistics.view(), x, epsilon_, centred);
    return statistics;
  }

  using Sums = Tensor<double, D>;

  bool sums_needed() const { return gamma_.accumulates() || (centred && beta_.accumulates()); }
  void add_sums(const Sums& sums) {
    const auto row = [&](Index index) {
      const Shape shape = per_channel(sums.shape().c);
      return View<const double, D>(sums.device(), sums.data() + index * shape.c, shape, shape.c);
    };
    gamma_.accumulate([&](View<T, D> to) { add_converted(to, row(0)); });
    if constexpr (centred) beta_.accumulate([&](View<T, D> to) { add_converted(to, row(1)); });
  }

  double epsilon_;
  Parameter<T, D> gamma_, beta_;
};

template <class T, Device D>
using LayerNorm = PositionNorm<T, D, true>;
template <class T, Device D>
using RmsNorm = PositionNorm<T, D, false>;

}  // namespace retrace::inline RETRACE_ISA
