// Batch normalisation, activation and convolution as one layer that keeps one tensor.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "retrace/layer/channel_normalisation.hpp"
#include "retrace/layer/conv_weight.hpp"
#include "retrace/layer/kept.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = act(γ·z + β) ∗ w with z = (x − μ)/σ: the pre-activation unit of He et al. 2016.
///
/// Shapes    x [N,H,W,C], w [k,k,C,K], y [N,⌈H/s⌉,⌈W/s⌉,K] for a stride of s; γ, β [C].
/// Inverse   none.
/// Backward  with a = act(γ·z + β), recomputed as it is read:  dw += aᵀ ∗ dy,
///           da = dy ∗ wᵀ,  then as BatchNorm with dy = da.
/// Stores    x, until backward. As a stage of a branch nothing: its caller has x.
template <class T, Device D>
class NormActConv {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// The activation is that of `norm`, ReLU if it names none.
  NormActConv(D& device, Index in, Index out, Random& random, ConvOptions options = {},
              const NormOptions& norm = {.activation = relu})
      : norm_(device, in, norm, {false, 0}), weight_(device, in, out, random, options) {}
  NormActConv(ChannelNormalisation<T, D> norm, ConvWeight<T, D> weight)
      : norm_(std::move(norm)), weight_(std::move(weight)) {}

  void forward(State& x, Run run) {
    State y(x.device(), weight_.output_shape(x.shape()));
    apply(y.view(), x.view(), run, Store::set);
    kept_.take_over(std::move(x), run);
    x = std::move(y);
  }

  void backward(State& y, Gradient& dy) {
    constexpr const char* where = "NormActConv::backward";
    const Shape x_shape = kept_.peek(where).shape();
    require_same_shape(where, "y", weight_.output_shape(x_shape), "dy", dy.shape());
    y = kept_.give_back(where);
    Gradient dx(dy.device(), x_shape, Use::gradient);
    gradient(y.view(), dy.view(), dx.view(), Store::set);
    dy = std::move(dx);
  }

  // As a stage of a branch, out of place:

  Shape output_shape(Shape x) const { return weight_.output_shape(x); }

  /// If y, once stored, is the input of `reader`, it is measured for that while it is in the cache.
  void apply(View<T, D> y, View<const T, D> x, Run run, Store how, NormActConv* reader = nullptr) {
    const auto folded = norm_.prepare("NormActConv::forward", x, run);
    const auto prologue = folded.with_activation();
    if (auto* moments = reader ? reader->norm_.expect(y.shape(), run) : nullptr)
      weight_.apply(y, x, how, &prologue, moments->mean.view(), moments->variance.view());
    else
      weight_.apply(y, x, how, &prologue);
  }

  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    const auto folded = norm_.recorded("NormActConv::backward");
    const auto prologue = folded.with_activation();
    std::optional<Gradient> apart;  // what dx is added to must not be overwritten
    if (how != Store::set) apart.emplace(dx.device(), x.shape(), Use::gradient);
    const View<T, D> da = apart ? apart->view() : dx;
    auto sums = norm_.sums();
    if (norm_.needs_sums())
      weight_.input_gradient(da, dy, sums.view(), x, prologue);
    else
      weight_.input_gradient(da, dy, Store::set);
    weight_.add_weight_gradient(x, dy, &prologue);
    normalise_activate_backward(dx, x, da, norm_.reduce(sums, x.shape().pixels()), folded.view(),
                                norm_.activation(), how);
  }

  /// dx −= what gradient() has left in it while the normalisation gathered its sums.
  void take_off_means(View<T, D> dx, View<const T, D> x) { norm_.take_off_means(dx, x); }

  void abandon() {
    kept_.abandon();
    norm_.abandon();
  }
  void collect(const std::string& prefix, ParameterList<T, D>& list) {
    norm_.collect(joined(prefix, "norm"), list);
    list.add(joined(prefix, "weight"), weight_.parameter());
  }
  static constexpr bool reads_output() { return false; }

  Parameter<T, D>& weight() { return weight_.parameter(); }
  Parameter<T, D>& gamma() { return norm_.gamma(); }
  Parameter<T, D>& beta() { return norm_.beta(); }

 private:
  ChannelNormalisation<T, D> norm_;
  ConvWeight<T, D> weight_;
  Kept<State> kept_;
};

}  // namespace retrace::inline RETRACE_ISA
