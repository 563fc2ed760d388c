// A stage of any type as a sequence holds it.
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "retrace/core/error.hpp"
#include "retrace/core/time.hpp"
#include "retrace/layer/inside.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// A stage that has a tangent:
///
///   tangent(w, x, u)                    w = (∂f/∂x)·u
///   tangent_gradient(x, u, dw, dx, du)  du = (∂w/∂u)ᵀ dw,  dx += (∂w/∂x)ᵀ dw, and adds ∂(w·dw)/∂θ
template <class M>
concept HasTangent = Stage<M> && requires(M stage, typename M::State& x, typename M::Gradient& w) {
  stage.tangent(w.view(), std::as_const(x).view(), std::as_const(w).view());
  stage.tangent_gradient(std::as_const(x).view(), std::as_const(w).view(), std::as_const(w).view(),
                         w.view(), w.view());
};

/// A stage of a StageSequence, by name.
template <class T, Device D>
class SequenceStage {
 public:
  using Target = View<T, D>;
  using Source = View<const T, D>;

  explicit SequenceStage(std::string name) : name_(std::move(name)) {}
  virtual ~SequenceStage() = default;
  SequenceStage(const SequenceStage&) = delete;
  SequenceStage& operator=(const SequenceStage&) = delete;

  const std::string& name() const { return name_; }

  virtual Shape output_shape(Shape x) const = 0;
  virtual void on_time(const Time& time) = 0;
  virtual void apply(Target y, Source x, Run run, Store how) = 0;
  virtual void gradient(Source x, Source dy, Target dx, Store how) = 0;
  virtual bool in_place() const = 0;
  virtual bool reads_input() const = 0;
  /// Whether it has buffers of its own that evaluations do not move.
  virtual bool owns_buffers() const = 0;
  virtual bool has_tangent() const = 0;
  /// @throws StateError unless it has a tangent.
  virtual void tangent(Target w, Source x, Source u) = 0;
  virtual void tangent_gradient(Source x, Source u, Source dw, Target dx, Target du) = 0;
  /// The bound of its Lipschitz constant, if one is known.
  virtual std::optional<double> lipschitz() const = 0;
  /// Computes what its evaluations share from its parameters, and improves its buffers before that
  /// if `improve` is set.
  virtual void prepare(bool improve) = 0;
  virtual void abandon() = 0;
  virtual void collect(const std::string& prefix, ParameterList<T, D>& list) = 0;
  /// @throws StateError if the stage cannot be copied.
  virtual std::unique_ptr<SequenceStage> clone() const = 0;

 private:
  std::string name_;
};

/// A stage of type N.
template <Stage N, class T, Device D>
class SequenceStageOf final : public SequenceStage<T, D> {
 public:
  using Base = SequenceStage<T, D>;
  using typename Base::Source, typename Base::Target;

  SequenceStageOf(std::string name, N node) : Base(std::move(name)), node_(std::move(node)) {}

  Shape output_shape(Shape x) const override { return node_.output_shape(x); }
  void on_time(const Time& time) override { inside::set_time(node_, time); }
  void apply(Target y, Source x, Run run, Store how) override { node_.apply(y, x, run, how); }
  void gradient(Source x, Source dy, Target dx, Store how) override {
    node_.gradient(x, dy, dx, how);
  }
  bool in_place() const override {
    return requires { requires N::in_place; };
  }
  bool reads_input() const override {
    return !requires { requires !N::reads_input; };
  }
  bool owns_buffers() const override {
    return requires { requires N::owns_buffers; };
  }
  bool has_tangent() const override { return HasTangent<N>; }
  void tangent([[maybe_unused]] Target w, [[maybe_unused]] Source x,
               [[maybe_unused]] Source u) override {
    if constexpr (HasTangent<N>)
      node_.tangent(w, x, u);
    else
      refuse();
  }
  void tangent_gradient([[maybe_unused]] Source x, [[maybe_unused]] Source u,
                        [[maybe_unused]] Source dw, [[maybe_unused]] Target dx,
                        [[maybe_unused]] Target du) override {
    if constexpr (HasTangent<N>)
      node_.tangent_gradient(x, u, dw, dx, du);
    else
      refuse();
  }
  std::optional<double> lipschitz() const override {
    if constexpr (requires { node_.lipschitz(); })
      return node_.lipschitz();
    else
      return {};
  }
  void prepare([[maybe_unused]] bool improve) override {
    if constexpr (requires { node_.prepare(improve); }) node_.prepare(improve);
  }
  void abandon() override { inside::abandon(node_); }
  void collect(const std::string& prefix, ParameterList<T, D>& list) override {
    inside::collect(node_, prefix, list);
  }
  std::unique_ptr<Base> clone() const override {
    if constexpr (std::copy_constructible<N>)
      return std::make_unique<SequenceStageOf>(this->name(), N(node_));
    else
      throw StateError("the stage cannot be copied");
  }

 private:
  [[noreturn]] static void refuse() {
    throw StateError(
        "the stage has no tangent, but a log-determinant needs one: use stages such as Linear, "
        "Conv2d, Tanh, Elu, LipSwish or TimeShift");
  }

  N node_;
};

}  // namespace retrace::inline RETRACE_ISA
