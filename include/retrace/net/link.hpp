// A layer of any type as a chain holds it.
#pragma once

#include <string>
#include <utility>

#include "retrace/core/error.hpp"
#include "retrace/layer/kept.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

template <class State, class Gradient, class Parameters>
struct Link {
  explicit Link(std::string layer_name) : name(std::move(layer_name)) {}
  virtual ~Link() = default;

  virtual void forward(State& x, Run run) = 0;
  virtual void inverse(State& y, Run run) = 0;
  virtual void backward(State& y, Gradient& dy) = 0;
  virtual void set_mode(Mode mode) = 0;
  virtual bool reads_output() const = 0;
  virtual void abandon() = 0;
  virtual void collect(const std::string& prefix, Parameters& list) = 0;

  const std::string name;
};

/// Answers for what the layer leaves out. An invertible layer that knows no modes is `stored` by
/// keeping a copy of its input, which then replaces the reconstructed one.
template <Layer L, class Parameters>
class LinkTo final : public Link<typename L::State, typename L::Gradient, Parameters> {
 public:
  using State = typename L::State;
  using Gradient = typename L::Gradient;

  LinkTo(std::string layer_name, L layer)
      : Link<State, Gradient, Parameters>(std::move(layer_name)), layer_(std::move(layer)) {}

  void forward(State& x, Run run) override {
    input_.abandon();
    if (stores_input_ && run.keep) input_.take_over(clone(x), run);
    layer_.forward(x, run);
  }
  void inverse(State& y, Run run) override {
    if constexpr (Invertible<L>)
      layer_.inverse(y, run);
    else
      throw StateError("Chain::inverse: layer '" + this->name + "' has no inverse");
  }
  void backward(State& y, Gradient& dy) override {
    layer_.backward(y, dy);
    if (input_.holds()) y = input_.give_back("Chain::backward");
  }

  void set_mode(Mode mode) override {
    if constexpr (requires { layer_.set_mode(mode); })
      layer_.set_mode(mode);
    else if constexpr (Invertible<L>)
      stores_input_ = mode == Mode::stored;
  }
  bool reads_output() const override {
    if constexpr (requires { layer_.reads_output(); })
      return layer_.reads_output();
    else
      return true;
  }
  void abandon() override {
    input_.abandon();
    if constexpr (requires { layer_.abandon(); }) layer_.abandon();
  }
  void collect([[maybe_unused]] const std::string& prefix,
               [[maybe_unused]] Parameters& list) override {
    if constexpr (requires { layer_.collect(prefix, list); }) layer_.collect(prefix, list);
  }

 private:
  L layer_;
  Kept<State> input_;
  bool stores_input_ = false;
};

}  // namespace retrace::inline RETRACE_ISA
