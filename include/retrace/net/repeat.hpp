// One layer many times, with shared weights.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/time.hpp"
#include "retrace/layer/inside.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = f_N(… f_2(f_1(x))), where f_n is one layer at time n/N: a network that is as deep as it
/// likes and has the weights of one layer. With a coupling as the layer, it is the reversible
/// discretisation of a differential equation.
///
/// Shapes    any that f takes and leaves unchanged.
/// Inverse   the inverses of f in reverse order.
/// Backward  f's own, N times; gradients are added, and complete after the last of them.
/// Stores    nothing; in mode `stored` the input of every application, which ends noise but saves
///           no time.
template <Invertible L>
class Repeat {
 public:
  using State = typename L::State;
  using Gradient = typename L::Gradient;

  /// @throws std::invalid_argument if `steps` is not positive, or f records something of its input.
  Repeat(L layer, Index steps) : layer_(std::move(layer)), steps_(steps) {
    if (steps < 1)
      throw std::invalid_argument("Repeat: steps must be at least 1, got " + std::to_string(steps));
    if (records(parameters()))
      throw std::invalid_argument(
          "Repeat: the layer records or counts something as it runs, but it is applied several "
          "times before it is differentiated: use a normalisation of each image, and no dropout");
    set_mode(Mode::reversible);
  }

  /// @throws ShapeError if f changes the shape.
  Shape output_shape(Shape x) const {
    require_same_shape("Repeat", "x", x, "the layer's output", layer_.output_shape(x));
    return x;
  }

  void forward(State& x, Run run) {
    output_shape(x.shape());
    inputs_.clear();
    for (Index n = 0; n < steps_; ++n) {
      if (run.keep && mode_ == Mode::stored) inputs_.push_back(clone(x, Use::stash));
      at(n);
      layer_.forward(x, run);
    }
  }
  void inverse(State& y, Run run) {
    for (Index n = steps_; n-- > 0;) {
      at(n);
      layer_.inverse(y, run);
    }
  }
  void backward(State& y, Gradient& dy) {
    auto list = parameters();
    {
      AddsGuard adds(list);
      adds.set_all(Adds::part);
      for (Index n = steps_; n-- > 0;) {
        at(n);
        layer_.backward(y, dy);
        if (inputs_.empty()) continue;
        y = std::move(inputs_.back()).as(Use::activation);
        inputs_.pop_back();
      }
    }
    for (auto& named : list.parameters) named.parameter->complete();
  }

  bool reads_output() const { return true; }
  void set_mode(Mode mode) {
    mode_ = mode;
    inside::set_mode(layer_, mode == Mode::stored ? Mode::reversible : mode);
  }
  void on_abandon() { inputs_.clear(); }
  template <class V>
  void inside(V visit) {
    visit("", layer_);
  }

  L& layer() { return layer_; }
  Index steps() const { return steps_; }

 private:
  auto parameters() {
    using T = typename Gradient::Element;
    using D = std::remove_reference_t<decltype(std::declval<const State&>().device())>;
    ParameterList<T, D> list;
    inside::collect(layer_, "", list);
    return list;
  }
  void at(Index n) {
    inside::set_time(layer_, {.of_all = static_cast<double>(n + 1) / static_cast<double>(steps_)});
  }

  L layer_;
  Index steps_;
  Mode mode_ = Mode::reversible;
  std::vector<State> inputs_;
};

}  // namespace retrace::inline RETRACE_ISA
