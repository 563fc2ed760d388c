// A stage in a chain, which stores its input.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "retrace/layer/kept.hpp"
#include "retrace/net/link.hpp"

namespace retrace::inline RETRACE_ISA {

/// Makes a stage work in place: forward stores x, backward gives it back. If gradient reads the
/// shape of x alone, x is stored only if it must be restored.
template <Stage M, class T, Device D, class S>
class StageLink final : public LinkTo<M, T, D, S>, private StageAccess<T, D, S> {
 public:
  using Base = LinkTo<M, T, D, S>;
  using Link = retrace::Link<T, D, S>;
  using typename Link::Gradient, typename Link::Norm, typename Link::State;
  using Access = StageAccess<T, D, S>;
  using Base::Base;
  using typename Access::Source, typename Access::Target;

  void forward(State& x, Run run, const Moments<D>* of_x, Moments<D>* of_y,
               LogDet<D>* log_det) override {
    if (log_det) this->require_log_det();
    input_.abandon();
    shape_.reset();
    const Shape shape = x.shape();
    const bool keeps = run.keep, stores = keeps && (reads_input || run.restore);
    if (in_place && !stores) {
      apply(x.view(), std::as_const(x).view(), run, Store::set, of_x, of_y);
    } else {
      State y(x.device(), this->node_.output_shape(shape));
      apply(y.view(), std::as_const(x).view(), run, Store::set, of_x, of_y);
      run.keep = stores;
      input_.take_over(std::move(x), run);
      x = std::move(y);
    }
    if (keeps) shape_ = shape;
  }
  void inverse(State&, Run, LogDet<D>*) override {
    throw StateError("Chain::inverse: the layer has no inverse");
  }
  void backward(State& y, Gradient& dy, const LogDet<D>* log_det) override {
    if (log_det) this->require_log_det();
    if (!shape_)
      throw StateError("no forward pass has stored an input; run forward with `training` first");
    const Shape shape = *shape_;
    require_same_shape("backward", "y", this->node_.output_shape(shape), "dy", dy.shape());
    y = input_.holds() ? input_.give_back("backward") : State::none(dy.device());
    shape_.reset();
    // Without elements, if gradient reads the shape alone.
    const Source x(dy.device(), std::as_const(y).data(), shape, shape.c);
    if (in_place) return gradient(x, std::as_const(dy).view(), dy.view(), Store::set);
    Gradient dx(dy.device(), shape, Use::gradient);
    gradient(x, std::as_const(dy).view(), dx.view(), Store::set);
    dy = std::move(dx);
  }
  bool reads_output() const override { return false; }

  bool measures_moments() const override { return has_moments; }
  bool uses_moments() const override { return has_moments; }
  Access* stage() override { return this; }

  /// A stage has no choice: its input is stored.
  Modes modes() const override {
    Modes modes = Base::modes();
    modes.mode = Mode::stored;
    return modes;
  }
  void watch(const std::string& chain, InputWatch<Gradient>* watch) override {
    const std::string path = joined(chain, this->name);
    watch_ = watch;
    if (watch) watch->attached({chain, path}, false);
    inside::watch(this->node_, path, watch);
  }
  std::optional<double> decibels() const override { return {}; }
  std::unique_ptr<Link> behind([[maybe_unused]] Norm& norm) override {
    if constexpr (requires { std::move(this->node_).behind(std::move(norm)); }) {
      auto both = std::move(this->node_).behind(std::move(norm));
      return std::make_unique<StageLink<decltype(both), T, D, S>>(this->name, std::move(both));
    } else {
      return nullptr;
    }
  }
  void abandon() override {
    input_.abandon();
    shape_.reset();
    if (watch_) watch_->abandoned();
    inside::abandon(this->node_);
  }
  std::unique_ptr<Link> clone() const override {
    if constexpr (std::copy_constructible<M>)
      return std::make_unique<StageLink>(this->name, M(this->node_));
    else
      throw StateError("the stage cannot be copied");
  }

 private:
  static constexpr bool in_place = requires { requires M::in_place; };
  static constexpr bool reads_input = !requires { requires !M::reads_input; };
  static constexpr bool has_moments =
      requires(M stage, Target y, Source x, Run run, Moments<D>* moments) {
    stage.apply(y, x, run, Store::set, moments, moments);
  };
  static constexpr bool begins_with_norm = requires(M stage, View<T, D> dx, Source x) {
    stage.take_off_means(dx, x);
  };

  void apply(Target y, Source x, Run run, Store how, [[maybe_unused]] const Moments<D>* of_x,
             [[maybe_unused]] Moments<D>* of_y) override {
    input_.abandon();
    shape_.reset();
    if constexpr (has_moments)
      this->node_.apply(y, x, run, how, of_x, of_y);
    else
      this->node_.apply(y, x, run, how);
  }
  void gradient(Source x, View<const T, D> dy, View<T, D> dx, Store how) override {
    this->node_.gradient(x, dy, dx, how);
  }
  void keep([[maybe_unused]] Source x, [[maybe_unused]] Run run) override {
    if constexpr (requires { this->node_.keep(x, run); }) this->node_.keep(x, run);
  }
  bool takes_off_means() const override { return begins_with_norm; }
  void take_off_means([[maybe_unused]] View<T, D> dx, [[maybe_unused]] Source x) override {
    if constexpr (begins_with_norm) this->node_.take_off_means(dx, x);
  }

  Kept<State> input_;
  std::optional<Shape> shape_;  ///< of the input, if a run has stored it
  InputWatch<Gradient>* watch_ = nullptr;
};

}  // namespace retrace::inline RETRACE_ISA
