// The ordinary residual block.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "retrace/layer/conv2d.hpp"
#include "retrace/net/chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = S(x) + H(x), with S the identity or a convolution (He et al. 2016, eq. 1).
///
/// Shapes    x [N,H,W,C]; y has the shape that H gives, which S has to give too.
/// Inverse   none.
/// Backward  dx = (∂S/∂x)ᵀ dy + (∂H/∂x)ᵀ dy.
/// Stores    what the layers of H keep. x comes back through H.
template <class T, Device D>
class Residual {
 public:
  using State = typename Chain<T, D>::State;
  using Gradient = typename Chain<T, D>::Gradient;

  explicit Residual(Chain<T, D> branch, std::optional<Conv2d<T, D>> shortcut = {})
      : branch_(std::move(branch)), shortcut_(std::move(shortcut)) {}

  void forward(State& x, Run run) {
    if (!run.keep && branch_.staged()) return add_to(x, run);
    State sum = shortcut_ ? State(x.device(), shortcut_->output_shape(x.shape())) : clone(x);
    if (shortcut_) shortcut_->apply(sum.view(), x.view(), run, Store::set);
    run.restore = run.restore || shortcut_;
    branch_.forward(x, run);
    add(sum.view(), x.view());
    if (!branch_.reads_output()) x = State::none(sum.device());
    value_.take_over(std::move(x), run);
    x = std::move(sum);
  }

  void backward(State& y, Gradient& dy) {
    y = value_.give_back("Residual::backward");
    Gradient dx = clone(dy, Use::gradient);
    branch_.backward(y, dx);
    if (shortcut_)
      shortcut_->gradient(y.view(), dy.view(), dx.view(), Store::add);
    else
      add(dx.view(), dy.view());
    dy = std::move(dx);
  }

  void set_mode(Mode mode) { branch_.set_mode(mode); }
  Modes modes() const { return branch_.modes(); }
  void set_modes(const Modes& modes) { branch_.set_modes(modes); }
  void set_chunk(Index images) { branch_.set_chunk(images); }
  static constexpr bool reads_output() { return false; }
  void fuse() { branch_.fuse(); }
  void watch(const std::string& prefix, InputWatch<Gradient>* watch) {
    branch_.watch(prefix, watch);
  }
  void abandon() {
    value_.abandon();
    branch_.abandon();
  }
  void collect(const std::string& prefix, typename Chain<T, D>::Parameters& list) {
    branch_.collect(prefix, list);
    if (shortcut_) shortcut_->collect(joined(prefix, "shortcut"), list);
  }

 private:
  /// The same where nothing is kept: the last layer of H adds to x, or to S(x).
  void add_to(State& x, Run run) {
    value_.abandon();
    if (!shortcut_) return branch_.add_to(x.view(), std::as_const(x).view(), run);
    State sum(x.device(), shortcut_->output_shape(x.shape()));
    shortcut_->apply(sum.view(), x.view(), run, Store::set);
    branch_.add_to(sum.view(), std::as_const(x).view(), run);
    x = std::move(sum);
  }

  Chain<T, D> branch_;
  std::optional<Conv2d<T, D>> shortcut_;
  Kept<State> value_;
};

}  // namespace retrace::inline RETRACE_ISA
