// A scale and a shift per channel that the first batch sets.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "retrace/layer/exp_scale.hpp"
#include "retrace/layer/log_det.hpp"
#include "retrace/layer/parameter.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = exp(s)·x + b, per channel. The first training batch sets s and b so that its y has mean 0
/// and variance 1 in every channel (Kingma and Dhariwal 2018, §3.1). Later batches use them as they
/// are.
///
/// Shapes    x, y [N,H,W,C]; s, b [C].
/// Inverse   x = (y − b)/exp(s).
/// Backward  ds += Σ dy·(y − b),  db += Σ dy,  dx = exp(s)·dy.
/// Log-det   H·W·Σ s, as the Jacobian is diagonal (ibid., table 1).
/// Stores    nothing.
template <class T, Device D>
class ActNorm {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  ActNorm(D& device, Index channels)
      : log_scale_(device, per_channel(channels), false),
        bias_(device, per_channel(channels), false) {}

  Index input_channels() const { return log_scale_.value.shape().c; }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const {
    require_channels("ActNorm", "x", x, input_channels());
    return x;
  }

  void forward(State& x, Run run, LogDet<D>* log_det = nullptr) {
    if (run.statistics == Statistics::batch && run.update_running) initialise(x);
    const ExpScale at(log_scale_, bias_);
    normalise_activate(x.view(), x.view(), at.norm(), identity);
    if (log_det) add_log_det(*log_det, x.shape(), 1);
  }
  void inverse(State& y, Run, LogDet<D>* log_det = nullptr) {
    const ExpScale at(log_scale_, bias_);
    invert_normalise_activate(y.view(), at.norm(), identity);
    if (log_det) add_log_det(*log_det, y.shape(), -1);
  }
  void backward(State& y, Gradient& dy, const LogDet<D>* log_det = nullptr) {
    require_same_shape("ActNorm", "y", y.shape(), "dy", dy.shape());
    const ExpScale at(log_scale_, bias_), slopes(log_scale_);
    const Index channels = input_channels();
    Parameter<T, D>::accumulate(log_scale_, bias_, [&](View<T, D> ds, View<T, D> db) {
      Tensor<double, D> sums(y.device(), {1, 1, 2, channels}, Use::workspace);
      normalise_activate_sums(sums.view(), y.view(), dy.view(), at.norm(), identity);
      std::vector<double> both = to_host(sums.view());
      if (log_det)
        for (Index c = 0; c < channels; ++c)
          both[static_cast<std::size_t>(channels + c)] +=
              log_det->gradient * static_cast<double>(y.shape().pixels());
      const auto middle = both.begin() + static_cast<std::ptrdiff_t>(channels);
      add_from_host(db, {both.begin(), middle});
      add_from_host(ds, {middle, both.end()});
    });
    normalise_activate(dy.view(), dy.view(), slopes.norm(), identity);
    invert_normalise_activate(y.view(), at.norm(), identity);
  }

  /// Whether a batch, or a checkpoint, has set the scale and the shift.
  bool initialised() const { return initialised_.get() != 0; }
  /// Leaves the scale and the shift as they are when the next batch comes.
  void set_initialised() { initialised_.set(1); }

  template <class V>
  void inside(V visit) {
    visit("log_scale", log_scale_);
    visit("bias", bias_);
    visit("initialised", initialised_);
  }

 private:
  /// A number of the layer's state, which checkpoints save.
  class Flag {
   public:
    std::int64_t get() const { return value_; }
    void set(std::int64_t value) { value_ = value; }

   private:
    std::int64_t value_ = 0;
  };

  /// Sets s = −log σ and b = −μ/σ. A channel that is constant keeps its scale. A batch with a NaN
  /// or an infinity sets nothing.
  void initialise(const State& x) {
    if (initialised() || x.device().dry() || x.shape().size() == 0 || log_scale_.frozen() ||
        bias_.frozen())
      return;
    Tensor<double, D> mean(x.device(), per_channel(x.shape().c), Use::workspace);
    Tensor<double, D> variance = clone(mean, Use::workspace);
    channel_moments(x.view(), mean.view(), variance.view());
    std::vector<double> s = to_host(variance.view()), b = to_host(mean.view());
    for (std::size_t c = 0; c < s.size(); ++c) {
      if (!std::isfinite(s[c]) || !std::isfinite(b[c])) return;
      s[c] = s[c] < 1e-12 ? 0 : -std::log(s[c]) / 2;
      b[c] *= -std::exp(s[c]);
    }
    set_from_host(log_scale_.value.view(), s);
    set_from_host(bias_.value.view(), b);
    set_initialised();
  }

  void add_log_det(LogDet<D>& log_det, Shape x, double sign) const {
    double sum = 0;
    for (const double s : to_host(log_scale_.value.view())) sum += s;
    add_to_all(log_det, sign * sum, x);
  }

  Parameter<T, D> log_scale_, bias_;
  Flag initialised_;
};

}  // namespace retrace::inline RETRACE_ISA
