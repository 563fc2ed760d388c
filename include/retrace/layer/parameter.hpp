// A trained tensor and its gradient.
#pragma once

#include <cmath>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "retrace/core/tensor.hpp"
#include "retrace/math/philox.hpp"

namespace retrace::inline RETRACE_ISA {

/// The part of a gradient that a backward pass adds.
enum class Adds {
  all,   ///< all of it: the gradient is complete afterwards
  part,  ///< that of one chunk or one micro-batch; the caller completes it
  none,  ///< nothing: the pass needs the gradient with respect to the input alone
};

/// Layers add to `gradient` by accumulate(); zero_gradient() empties it.
///
/// A *frozen* parameter gets no gradient and holds no memory for one, and no optimizer moves it.
template <class T, Device D>
class Parameter {
 public:
  Tensor<T, D> value;
  Tensor<T, D> gradient;  ///< without elements if it is frozen or has been released
  bool decays;  ///< weight decay applies: to weights, not to the scales and shifts of channels
  Adds adds = Adds::all;
  /// Called in backward when `gradient` is complete and `value` is not needed any more.
  std::function<void(Parameter&)> on_complete;
  /// Called instead if other processes add to the gradient: it takes care of their sum and then
  /// calls finish().
  std::function<void(Parameter&)> on_own_part;
  /// Another process updates the value: no optimizer moves it here or stores moments for it.
  bool updated_elsewhere = false;

  Parameter(D& device, Shape shape, bool decay)
      : value(device, shape, Use::parameter),
        gradient(device, shape, Use::parameter_gradient),
        decays(decay) {
    fill(value.view(), T(0));
    zero_gradient();
  }
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(Parameter&&) noexcept = default;
  /// Copies the value. The copy has an empty gradient and belongs to no optimizer.
  Parameter(const Parameter& other)
      : value(clone(other.value, Use::parameter)),
        gradient(Tensor<T, D>::none(value.device())),
        decays(other.decays),
        frozen_(other.frozen_) {}

  /// Adds to the gradient by add(view), then completes it; does nothing if the parameter is frozen
  /// or the pass needs no gradient of it.
  template <class Add>
  void accumulate(Add add) {
    if (!accumulates()) return;
    add(accumulator());
    complete();
  }
  /// The same for two parameters whose gradients one operation adds to: add(a, b). That of a
  /// frozen one is discarded.
  template <class Add>
  static void accumulate(Parameter& a, Parameter& b, Add add) {
    if (!a.accumulates() && !b.accumulates()) return;
    std::optional<Tensor<T, D>> discarded;
    const auto target = [&](Parameter& p) {
      return p.accumulates()
                 ? p.accumulator()
                 : discarded.emplace(p.value.device(), p.value.shape(), Use::workspace).view();
    };
    const View<T, D> da = target(a), db = target(b);
    if (discarded) fill(discarded->view(), T(0));
    add(da, db);
    a.complete();
    b.complete();
  }
  bool accumulates() const { return !frozen_ && adds != Adds::none; }

  /// After the last part has been added.
  void complete() {
    if (frozen_ || adds != Adds::all) return;
    on_own_part ? on_own_part(*this) : finish();
  }
  /// After the parts of all processes have been added.
  void finish() {
    if (on_complete) on_complete(*this);
  }

  bool frozen() const { return frozen_; }
  void freeze() {
    frozen_ = true;
    release_gradient();
  }
  void unfreeze() { frozen_ = false; }

  bool has_gradient() const { return gradient.shape() == value.shape(); }
  void zero_gradient() {
    summed_ = false;
    if (has_gradient()) fill(gradient.view(), T(0));
  }
  /// Frees the memory of the gradient until the next backward pass.
  void release_gradient() {
    summed_ = false;
    gradient = Tensor<T, D>::none(value.device());
  }
  /// Whether the gradient is already the sum over all processes, to which no batch may be added.
  bool summed() const { return summed_; }
  void set_summed(bool summed) { summed_ = summed; }
  /// Returns the gradient to add to, made anew if it has been released.
  View<T, D> accumulator() {
    if (!has_gradient()) {
      gradient = Tensor<T, D>(value.device(), value.shape(), Use::parameter_gradient);
      zero_gradient();
    }
    return gradient.view();
  }

 private:
  bool frozen_ = false, summed_ = false;
};

/// Draws the weights of a layer of `fan_in` inputs from a normal distribution of variance
/// 2/fan_in (He et al. 2015, eq. 10), or of `gain` times that deviation.
template <class T, Device D>
void he_normal(Tensor<T, D>& weights, Index fan_in, Random& random, double gain = 1) {
  if (weights.device().dry()) return;
  const double deviation = gain * std::sqrt(2.0 / static_cast<double>(fan_in));
  std::vector<T> values(static_cast<std::size_t>(weights.shape().size()));
  for (T& value : values) value = static_cast<T>(deviation * random.normal());
  upload(weights.view(), std::span<const T>(values));
}

}  // namespace retrace::inline RETRACE_ISA
