// A condition that several layers of a flow share: a class, a vector, or an image.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/host_values.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// The condition c of p(x | c). Set it before forward, leave it until backward.
///
///     auto condition = std::make_shared<Condition<float, Cpu>>();
///     auto net = glow<float>(device, {.channels = 1, .condition_channels = 10}, condition);
///     condition->set(one_hot<float>(device, labels, 10));
///     accumulate_gradients(net, x, negative_log_likelihood());
template <class T, Device D>
class Condition {
 public:
  /// Sets the condition of every image: [N,1,1,K] for vectors, which all pixels see, or [N,H,W,K]
  /// for images as large as those of the flow. One image is the condition of all of a batch.
  void set(Tensor<T, D> value) {
    value_.emplace(std::move(value));
    ++version_;
  }
  /// Sets the value of before again, for a layer that computes its condition anew in backward.
  void set_again(Tensor<T, D> value) { value_.emplace(std::move(value)); }
  bool is_set() const { return value_.has_value(); }
  /// A number that set() changes.
  std::uint64_t version() const { return version_; }
  /// @throws StateError if none has been set.
  const Tensor<T, D>& value() const {
    if (!value_) throw StateError("Condition: no condition has been set before this pass");
    return *value_;
  }

 private:
  std::optional<Tensor<T, D>> value_;
  std::uint64_t version_ = 0;
};

template <class T, Device D>
using SharedCondition = std::shared_ptr<Condition<T, D>>;

/// Returns [N,1,1,classes] with 1 at the label of each image and 0 elsewhere.
/// @throws std::invalid_argument if a label is not a class.
template <class T, Device D, class Label>
Tensor<T, D> one_hot(D& device, std::span<const Label> labels, Index classes) {
  const auto width = static_cast<std::size_t>(classes);
  std::vector<double> values(labels.size() * width);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto label = static_cast<Index>(labels[i]);
    if (label < 0 || label >= classes)
      throw std::invalid_argument("one_hot: label " + std::to_string(label) + " of image " +
                                  std::to_string(i) + " must be from 0 to " +
                                  std::to_string(classes - 1));
    values[i * width + static_cast<std::size_t>(label)] = 1;
  }
  Tensor<T, D> hot(device, {static_cast<Index>(labels.size()), 1, 1, classes});
  set_from_host(hot.view(), values);
  return hot;
}

/// y = F(x, c), with the channels of a condition c behind those of x: the branch of a conditional
/// coupling. A vector is the same at all pixels. An image that is 2, 4, … times as large as x is
/// squeezed into channels, as the levels of a flow squeeze theirs.
///
/// Shapes    x [N,H,W,C], c [N,1,1,K] or [N,2ʲH,2ʲW,K]; F maps [N,H,W,C+K·4ʲ].
/// Inverse   none.
/// Backward  of F; dx are the first C channels. The condition gets no gradient.
/// Stores    what F stores.
/// Throws    StateError if there is no condition, or if it was set between forward and backward:
///           the recomputed branch would be another one.
template <Stage F>
class Conditioned {
 public:
  using State = typename F::State;
  using Gradient = typename F::Gradient;
  using D = detail::DeviceOf<F>;
  using T = typename Gradient::Element;

  /// @param channels  those that F reads behind those of x
  Conditioned(F f, SharedCondition<T, D> condition, Index channels)
      : f_(std::move(f)), condition_(std::move(condition)), channels_(channels) {
    if (!condition_) throw std::invalid_argument("Conditioned: the condition must not be null");
  }

  Shape output_shape(Shape x) const { return f_.output_shape(with_channels(x, x.c + channels_)); }

  void apply(View<T, D> y, View<const T, D> x, Run run, Store how) {
    chunk_ = run.chunk;
    if (run.statistics != Statistics::recorded) version_ = condition_->version();
    const State both = joined(x);
    f_.apply(y, both.view(), run, how);
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    if (version_ != condition_->version())
      throw StateError("Conditioned: the condition has been set between forward and backward");
    const State both = joined(x);
    Gradient of_both(dx.device(), both.shape(), Use::gradient);
    f_.gradient(both.view(), dy, of_both.view(), Store::set);
    store_value(how, dx, std::as_const(of_both).view().channels(0, x.shape().c));
  }

  template <class V>
  void inside(V visit) {
    visit("", f_);
  }

 private:
  State joined(View<const T, D> x) const {
    const Shape shape = x.shape();
    State both(x.device(), with_channels(shape, shape.c + channels_), Use::workspace);
    copy(both.view().channels(0, shape.c), x);
    if (x.device().dry() && !condition_->is_set()) return both;
    const State& all = condition_->value();
    const bool for_all = all.shape().n == 1;
    const Index first = for_all ? 0 : chunk_.first;
    const Index count = for_all ? 1 : chunk_.count > 0 ? chunk_.count : all.shape().n;
    const View<const T, D> value = all.view().images(first, count);
    const Shape c = value.shape();
    const View<T, D> target = both.view().channels(shape.c, channels_);
    const bool vector = c.h == 1 && c.w == 1;
    const State squeezed =
        vector ? State::none(x.device()) : fitted(clone(value, Use::workspace), shape);
    const View<const T, D> fitting = vector ? value : squeezed.view();
    if (fitting.shape().c != channels_ || (!for_all && count != shape.n))
      throw ShapeError("Conditioned: the condition is " + to_string(all.shape()) +
                       ", but a state of " + to_string(shape) + " needs one of " +
                       std::to_string(shape.n) + " images, or 1, that fits into " +
                       std::to_string(channels_) + " channels");
    if (vector) {
      spread_pixels(target, fitting);
      return both;
    }
    for (Index i = 0; i < shape.n; ++i)
      copy(target.images(i, 1), fitting.images(for_all ? 0 : i, 1));
    return both;
  }

  /// An image with the extents of x.
  static State fitted(State value, Shape x) {
    const Shape c = value.shape();
    while (value.shape().h > x.h && value.shape().h % 2 == 0 && value.shape().w % 2 == 0) {
      const Shape s = value.shape();
      channel_pool(value.view());
      value.reshape({s.n, s.h / 2, s.w / 2, 4 * s.c});
    }
    if (value.shape().h != x.h || value.shape().w != x.w)
      throw ShapeError("Conditioned: a condition of " + to_string(c) +
                       " cannot be squeezed to the extents of " + to_string(x));
    return value;
  }

  F f_;
  SharedCondition<T, D> condition_;
  Index channels_;
  Chunk chunk_;
  std::uint64_t version_ = 0;
};

}  // namespace retrace::inline RETRACE_ISA
