// A layer in a chain, which reconstructs its input or owns it.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "retrace/layer/kept.hpp"
#include "retrace/net/link.hpp"
#include "retrace/net/stage_link.hpp"

namespace retrace::inline RETRACE_ISA {

/// An invertible layer whose backward always reads its output is `stored` by a copy of its input,
/// which then replaces the reconstructed one.
///
/// A watch may make the layer an *anchor*, until a mode is set: it stores its input too, and
/// computes its output from it again before it goes back, so that noise from above ends here.
template <Layer L, class T, Device D, class S>
class LayerLink final : public LinkTo<L, T, D, S> {
 public:
  using Base = LinkTo<L, T, D, S>;
  using Link = retrace::Link<T, D, S>;
  using Base::Base;
  using typename Link::Gradient, typename Link::Norm, typename Link::State;

  void forward(State& x, Run run, const Moments<D>*, Moments<D>*, LogDet<D>* log_det) override {
    if (log_det) this->require_log_det();
    input_.abandon();
    run_ = run;
    if (run.keep) {
      if (stores_input_ || anchored_) input_.take_over(retrace::clone(x), run);
      if (watched()) report_input(x);
    }
    if constexpr (HasLogDet<L>)
      this->node_.forward(x, run, log_det);
    else
      this->node_.forward(x, run);
  }
  void inverse(State& y, Run run, LogDet<D>* log_det) override {
    if (log_det) this->require_log_det();
    if constexpr (HasLogDet<L>)
      this->node_.inverse(y, run, log_det);
    else if constexpr (Invertible<L>)
      this->node_.inverse(y, run);
    else
      throw StateError("Chain::inverse: the layer has no inverse");
  }
  void backward(State& y, Gradient& dy, const LogDet<D>* log_det) override {
    if (log_det) this->require_log_det();
    decibels_.reset();
    if (anchored_ && input_.holds()) compute_output_again(y);
    if constexpr (HasLogDet<L>)
      this->node_.backward(y, dy, log_det);
    else
      this->node_.backward(y, dy);
    if (input_.holds())
      y = input_.give_back("Chain::backward");
    else if (watched() && run_.keep)
      judge_reconstruction(y);
  }
  bool reads_output() const override {
    if constexpr (requires { this->node_.reads_output(); })
      return this->node_.reads_output();
    else
      return true;
  }
  bool measures_moments() const override { return false; }
  bool uses_moments() const override { return false; }
  StageAccess<T, D, S>* stage() override { return nullptr; }

  void set_mode(Mode mode) override {
    mode_ = mode;
    anchored_ = false;
    Base::set_mode(mode);
    if constexpr (Invertible<L> && !requires { this->node_.reads_output(); })
      stores_input_ = mode == Mode::stored;
  }
  /// A layer that has no choice is stored, as it owns what it needs.
  Modes modes() const override {
    Modes modes = Base::modes();
    modes.mode = chooses ? mode_ : Mode::stored;
    return modes;
  }
  void watch(const std::string& chain, InputWatch<Gradient>* watch) override {
    watch_ = watch;
    watched_layer_ = {chain, joined(chain, this->name)};
    if (watch) watch->attached(watched_layer_, reconstructs());
    inside::watch(this->node_, watched_layer_.name, watch);
  }
  std::optional<double> decibels() const override { return decibels_; }
  std::unique_ptr<Link> behind(Norm&) override { return nullptr; }
  void abandon() override {
    input_.abandon();
    if (watch_) watch_->abandoned();
    inside::abandon(this->node_);
  }
  void collect(const std::string& prefix, typename Link::Parameters& list) override {
    Base::collect(prefix, list);
    if constexpr (std::same_as<State, Gradient> && Invertible<L>)
      list.add(
          joined(prefix, "anchored"), [this] { return std::int64_t{anchored_}; },
          [this](std::int64_t anchored) { anchored_ = anchored != 0; });
  }
  std::unique_ptr<Link> clone() const override {
    if constexpr (std::copy_constructible<L>) {
      auto copy = std::make_unique<LayerLink>(this->name, L(this->node_));
      copy->mode_ = mode_;
      copy->stores_input_ = stores_input_;
      return copy;
    } else {
      throw StateError("the layer cannot be copied");
    }
  }

 private:
  static constexpr bool chooses = Invertible<L> || requires(L layer, Mode mode) {
    layer.on_mode(mode);
  }
  || requires(L layer) { layer.modes(); };

  /// Backward reconstructs the input by arithmetic in this State.
  bool reconstructs() const {
    return std::same_as<State, Gradient> && Invertible<L> && reads_output() && !stores_input_;
  }
  bool watched() const { return watch_ && reconstructs() && !anchored_; }
  void report_input(const State& x) {
    if constexpr (std::same_as<State, Gradient>) watch_->given(watched_layer_, x);
  }
  void judge_reconstruction(const State& x) {
    if constexpr (std::same_as<State, Gradient>) {
      const auto [decibels, anchor] = watch_->restored(watched_layer_, x);
      decibels_ = decibels;
      anchored_ = anchor;
    }
  }

  void compute_output_again(State& y) {
    const State& x = input_.peek("Chain::backward");
    y = State::none(x.device());
    y = retrace::clone(x);
    this->node_.forward(y, replay(run_));
  }

  Kept<State> input_;
  Mode mode_ = Mode::reversible;
  bool stores_input_ = false, anchored_ = false;
  std::optional<double> decibels_;
  Run run_ = training;
  InputWatch<Gradient>* watch_ = nullptr;
  WatchedLayer watched_layer_;
};

/// Returns the link to a layer or a stage.
template <class T, Device D, class S, class N>
std::unique_ptr<Link<T, D, S>> make_link(std::string name, N node) {
  if constexpr (Stage<N>)
    return std::make_unique<StageLink<N, T, D, S>>(std::move(name), std::move(node));
  else
    return std::make_unique<LayerLink<N, T, D, S>>(std::move(name), std::move(node));
}

}  // namespace retrace::inline RETRACE_ISA
