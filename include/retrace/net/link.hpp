// A layer of any type as a chain holds it.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "retrace/core/error.hpp"
#include "retrace/layer/input_watch.hpp"
#include "retrace/layer/kept.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/net/modes.hpp"

namespace retrace::inline RETRACE_ISA {

/// A layer of a chain behind one interface, by name: what the layer lacks of the optional members
/// is a no-op or an error here.
template <class State, class Gradient, class Parameters>
struct Link {
  using Target = decltype(std::declval<State&>().view());
  using Source = decltype(std::declval<const State&>().view());
  using Normalisation = typename Parameters::Normalisation;

  explicit Link(std::string layer_name) : name(std::move(layer_name)) {}
  virtual ~Link() = default;

  virtual void forward(State& x, Run run) = 0;
  virtual void inverse(State& y, Run run) = 0;
  virtual void backward(State& y, Gradient& dy) = 0;
  virtual void set_mode(Mode mode) = 0;
  virtual Modes modes() const = 0;
  virtual void set_modes(const Modes& modes) = 0;
  virtual void set_chunk(Index images) = 0;
  virtual void watch(const std::string& chain, InputWatch<Gradient>* watch) = 0;
  /// Of the input that the last backward pass restored, where a watch has measured it.
  virtual std::optional<double> decibels() const = 0;
  virtual bool reads_output() const = 0;
  virtual bool is_stage() const = 0;
  /// As a Stage has them; keeps nothing.
  virtual Shape output_shape(Shape x) const = 0;
  virtual void apply(Target y, Source x, Run run, Store how) = 0;
  virtual void fuse() = 0;
  /// What the layer consists of, or null.
  virtual Normalisation* normalisation() = 0;
  /// The layer with such a normalisation before it, both taken over; null if it can have none.
  virtual std::unique_ptr<Link> behind(Normalisation& norm) = 0;
  virtual void abandon() = 0;
  virtual void collect(const std::string& prefix, Parameters& list) = 0;

  const std::string name;
};

/// Answers for what the layer leaves out. An invertible layer whose backward always reads its
/// output is `stored` by keeping a copy of its input, which then replaces the reconstructed one.
///
/// A watch may make the layer an *anchor*, until a mode is set: it keeps its input too, and
/// computes its output from it again before it goes back, so that noise from above ends here.
template <Layer L, class Parameters>
class LinkTo final : public Link<typename L::State, typename L::Gradient, Parameters> {
 public:
  using State = typename L::State;
  using Gradient = typename L::Gradient;
  using Base = Link<State, Gradient, Parameters>;
  using typename Base::Normalisation, typename Base::Source, typename Base::Target;

  LinkTo(std::string layer_name, L layer) : Base(std::move(layer_name)), layer_(std::move(layer)) {}

  void forward(State& x, Run run) override {
    input_.abandon();
    run_ = run;
    if (run.keep) {
      if (stores_input_ || anchored_) input_.take_over(clone(x), run);
      if (watched()) tell_given(x);
    }
    layer_.forward(x, run);
  }
  void inverse(State& y, Run run) override {
    if constexpr (Invertible<L>)
      layer_.inverse(y, run);
    else
      throw StateError("Chain::inverse: layer '" + this->name + "' has no inverse");
  }
  void backward(State& y, Gradient& dy) override {
    decibels_.reset();
    if (anchored_ && input_.holds()) compute_output_again(y);
    layer_.backward(y, dy);
    if (input_.holds())
      y = input_.give_back("Chain::backward");
    else if (watched() && run_.keep)
      tell_restored(y);
  }

  void set_mode(Mode mode) override {
    mode_ = mode;
    anchored_ = false;
    if constexpr (requires { layer_.set_mode(mode); }) layer_.set_mode(mode);
    if constexpr (Invertible<L> && !requires { layer_.reads_output(); })
      stores_input_ = mode == Mode::stored;
  }
  /// A layer that has no choice is stored, as it keeps what it needs.
  Modes modes() const override {
    Modes modes;
    if constexpr (requires { layer_.modes(); }) modes = layer_.modes();
    modes.mode = chooses ? mode_ : Mode::stored;
    return modes;
  }
  void set_modes(const Modes& modes) override {
    set_mode(modes.mode);
    if constexpr (requires { layer_.set_modes(modes); }) layer_.set_modes(modes);
  }
  void set_chunk([[maybe_unused]] Index images) override {
    if constexpr (requires { layer_.set_chunk(images); }) layer_.set_chunk(images);
  }
  void watch(const std::string& chain, InputWatch<Gradient>* watch) override {
    watch_ = watch;
    const std::string path = chain.empty() ? this->name : chain + '.' + this->name;
    watched_layer_ = {chain, path};
    if (watch) watch->attached(watched_layer_, reconstructs());
    watch_inside(layer_, path, watch);
  }
  std::optional<double> decibels() const override { return decibels_; }
  bool reads_output() const override {
    if constexpr (requires { layer_.reads_output(); })
      return layer_.reads_output();
    else
      return true;
  }
  bool is_stage() const override { return Stage<L>; }
  Shape output_shape([[maybe_unused]] Shape x) const override {
    if constexpr (Stage<L>)
      return layer_.output_shape(x);
    else
      throw StateError(no_stage());
  }
  void apply([[maybe_unused]] Target y, [[maybe_unused]] Source x, [[maybe_unused]] Run run,
             [[maybe_unused]] Store how) override {
    if constexpr (Stage<L>) {
      input_.abandon();
      if constexpr (requires { layer_.abandon(); }) layer_.abandon();
      layer_.apply(y, x, run, how);
    } else {
      throw StateError(no_stage());
    }
  }
  void fuse() override {
    if constexpr (requires { layer_.fuse(); }) layer_.fuse();
  }
  Normalisation* normalisation() override {
    if constexpr (requires { layer_.normalisation(); })
      return &layer_.normalisation();
    else
      return nullptr;
  }
  std::unique_ptr<Base> behind([[maybe_unused]] Normalisation& norm) override {
    if constexpr (requires { std::move(layer_).behind(std::move(norm)); }) {
      auto both = std::move(layer_).behind(std::move(norm));
      return std::make_unique<LinkTo<decltype(both), Parameters>>(this->name, std::move(both));
    } else {
      return nullptr;
    }
  }
  void abandon() override {
    input_.abandon();
    if (watch_) watch_->abandoned();
    if constexpr (requires { layer_.abandon(); }) layer_.abandon();
  }
  void collect([[maybe_unused]] const std::string& prefix,
               [[maybe_unused]] Parameters& list) override {
    if constexpr (requires { layer_.collect(prefix, list); }) layer_.collect(prefix, list);
    if constexpr (std::same_as<State, Gradient> && Invertible<L>)
      list.add(
          joined(prefix, "anchored"), [this] { return std::int64_t{anchored_}; },
          [this](std::int64_t anchored) { anchored_ = anchored != 0; });
  }

 private:
  static constexpr bool chooses = Invertible<L> || requires(L layer, Mode mode) {
    layer.set_mode(mode);
  };
  std::string no_stage() const { return "layer '" + this->name + "' is no stage"; }

  /// Backward gives the input back by arithmetic in this State.
  bool reconstructs() const {
    return std::same_as<State, Gradient> && Invertible<L> && reads_output() && !stores_input_;
  }
  bool watched() const { return watch_ && reconstructs() && !anchored_; }
  void tell_given(const State& x) {
    if constexpr (std::same_as<State, Gradient>) watch_->given(watched_layer_, x);
  }
  void tell_restored(const State& x) {
    if constexpr (std::same_as<State, Gradient>) {
      const auto [decibels, anchor] = watch_->restored(watched_layer_, x);
      decibels_ = decibels;
      anchored_ = anchor;
    }
  }

  void compute_output_again(State& y) {
    const State& x = input_.peek("Chain::backward");
    y = State::none(x.device());
    y = clone(x);
    layer_.forward(y, replay(run_));
  }

  L layer_;
  Kept<State> input_;
  Mode mode_ = Mode::reversible;
  bool stores_input_ = false, anchored_ = false;
  std::optional<double> decibels_;
  Run run_ = training;
  InputWatch<Gradient>* watch_ = nullptr;
  WatchedLayer watched_layer_;
};

}  // namespace retrace::inline RETRACE_ISA
