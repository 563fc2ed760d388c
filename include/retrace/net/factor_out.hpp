// Multi-scale: some channels go on, the others are latents already.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "retrace/layer/log_det.hpp"
#include "retrace/net/chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = (chain(x₁), x₂) with x₁ the first channels of x: a part of the elements passes through an
/// inner chain, the rest stays where it is (Dinh et al. 2017, §3.6). All latents remain in one
/// tensor, so inverse needs no list of them.
///
/// Shapes    x, y [N,H,W,C]; the chain maps [N,H,W,K] to itself. It may squeeze in between.
/// Inverse   of the chain, on its part.
/// Backward  of the chain, on its part.
/// Log-det   that of the chain.
/// Stores    what the layers of the chain store.
template <class T, Device D>
class FactorOut {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @param channels  K; 0 for half of those of x, rounded up
  explicit FactorOut(Chain<T, D> chain, Index channels = 0)
      : chain_(std::move(chain)), channels_(channels) {
    if (channels < 0)
      throw std::invalid_argument("FactorOut: the inner chain must have channels, got " +
                                  std::to_string(channels));
  }
  FactorOut(FactorOut&&) noexcept = default;
  FactorOut& operator=(FactorOut&&) noexcept = default;
  FactorOut(const FactorOut& other) : FactorOut(other.chain_.clone(), other.channels_) {}

  /// @throws ShapeError if x has fewer channels than the chain, or the chain changes its part's
  ///         shape.
  Shape output_shape(Shape x) const {
    const Shape part = with_channels(x, inner(x.c));
    require_same_shape("FactorOut", "its part of x", part, "the output of the inner chain",
                       chain_.output_shape(part));
    return x;
  }

  void forward(State& x, Run run, LogDet<D>* log_det = nullptr) {
    State part = taken(x, Use::activation);
    chain_.forward(part, run, log_det);
    put(x, part);
  }
  void inverse(State& y, Run run, LogDet<D>* log_det = nullptr) {
    State part = taken(y, Use::activation);
    chain_.inverse(part, run, log_det);
    put(y, part);
  }
  /// @throws ShapeError unless dy has the shape of y.
  void backward(State& y, Gradient& dy, const LogDet<D>* log_det = nullptr) {
    require_same_shape("FactorOut", "y", y.shape(), "dy", dy.shape());
    State part = taken(y, Use::activation);
    Gradient gradient = taken(dy, Use::gradient);
    chain_.backward(part, gradient, log_det);
    if (part.shape() == gradient.shape()) put(y, part);
    put(dy, gradient);
  }

  void require_log_det() const { chain_.require_log_det(); }
  static constexpr bool reads_output() { return true; }
  Modes modes() const { return chain_.modes(); }
  void set_modes(const Modes& modes) { chain_.set_modes(modes); }
  template <class V>
  void inside(V visit) {
    visit("", chain_);
  }

  Chain<T, D>& chain() { return chain_; }

 private:
  Index inner(Index channels) const {
    const Index first = channels_ > 0 ? channels_ : (channels + 1) / 2;
    if (first > channels)
      throw ShapeError("FactorOut: x has " + std::to_string(channels) +
                       " channels but the inner chain takes " + std::to_string(first));
    return first;
  }
  State taken(const State& x, Use use) const {
    return clone(x.view().channels(0, inner(x.shape().c)), use);
  }
  void put(State& x, const State& part) const {
    copy(x.view().channels(0, inner(x.shape().c)), part.view());
  }

  Chain<T, D> chain_;
  Index channels_;
};

}  // namespace retrace::inline RETRACE_ISA
