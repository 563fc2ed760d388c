// The ordinary residual block.
#pragma once

#include <optional>
#include <utility>

#include "retrace/layer/conv2d.hpp"
#include "retrace/net/branch.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = S(x) + H(x), with S the identity or a convolution (He et al. 2016, eq. 1).
///
/// Shapes    x [N,H,W,C]; y has the shape that H gives, which S must give too.
/// Inverse   none.
/// Backward  dx = (∂S/∂x)ᵀ dy + (∂H/∂x)ᵀ dy.
/// Stores    what the layers of H store. x comes back through H.
template <class T, Device D>
class Residual {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  explicit Residual(Chain<T, D> branch, std::optional<Conv2d<T, D>> shortcut = {})
      : branch_(std::move(branch)), shortcut_(std::move(shortcut)) {
    branch_.chain().set_mode(Mode::reversible);
  }

  /// @throws ShapeError unless S and H give the same shape.
  Shape output_shape(Shape x) const {
    const Shape sum = shortcut_ ? shortcut_->output_shape(x) : x;
    require_same_shape("Residual", "the shortcut's output", sum, "the branch's output",
                       branch_.output_shape(x));
    return sum;
  }

  void forward(State& x, Run run) {
    if (!run.keep) return add_to(x, run);
    State sum = shortcut_ ? shortcut(x, run) : clone(x);
    run.restore = run.restore || shortcut_;
    branch_.chain().forward(x, run);
    add(sum.view(), x.view());
    if (!branch_.chain().reads_output()) x = State::none(sum.device());
    value_.take_over(std::move(x), run);
    x = std::move(sum);
  }

  void backward(State& y, Gradient& dy) {
    y = value_.give_back("Residual");
    Gradient dx = clone(dy, Use::gradient);
    branch_.chain().backward(y, dx);
    if (shortcut_)
      shortcut_->gradient(y.view(), dy.view(), dx.view(), Store::add);
    else
      add(dx.view(), dy.view());
    dy = std::move(dx);
  }

  static constexpr bool reads_output() { return false; }
  Modes modes() const { return branch_.chain().modes(); }
  void set_modes(const Modes& modes) { branch_.chain().set_modes(modes); }
  void on_abandon() { value_.abandon(); }
  template <class V>
  void inside(V visit) {
    visit("", branch_.chain());
    if (shortcut_) visit("shortcut", *shortcut_);
  }

 private:
  State shortcut(const State& x, Run run) {
    State sum(x.device(), shortcut_->output_shape(x.shape()));
    shortcut_->apply(sum.view(), x.view(), run, Store::set);
    return sum;
  }

  /// The same if nothing is stored: the last stage of H adds to x, or to S(x).
  void add_to(State& x, Run run) {
    value_.abandon();
    const auto source = std::as_const(x).view();
    if (!shortcut_ && branch_.reads_source_first())
      return branch_.apply(x.view(), source, run, Store::add);
    State sum = shortcut_ ? shortcut(x, run) : clone(x);
    branch_.apply(sum.view(), source, run, Store::add);
    x = std::move(sum);
  }

  Branch<T, D> branch_;
  std::optional<Conv2d<T, D>> shortcut_;
  Kept<State> value_;
};

}  // namespace retrace::inline RETRACE_ISA
