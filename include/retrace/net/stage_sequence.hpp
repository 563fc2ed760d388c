// Stages one after another, evaluated many times with tapes that the caller holds.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/error.hpp"
#include "retrace/core/time.hpp"
#include "retrace/net/sequence_stage.hpp"

namespace retrace::inline RETRACE_ISA {

/// H = the stages in their order, out of place. Unlike a Branch, it stores nothing between calls:
/// evaluate() records what gradient() reads on a tape of the caller, so that one sequence can be
/// evaluated at many points before it is differentiated at each of them. The fields of differential
/// equations and the branches of invertible residual layers are such sequences.
///
///     StageSequence<float, Cpu> field;
///     field.add("linear0", make.linear(2, 32)).add("time", make_time_shift).add("tanh", Tanh…);
///
/// A stage whose gradient reads what its last apply recorded has no place in it: add() refuses
/// normalisations by batch statistics, and dropout.
template <class T, Device D>
class StageSequence {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  using Target = View<T, D>;
  using Source = View<const T, D>;

  /// The inputs of all stages but the first, and the time.
  struct Tape {
    std::vector<std::optional<State>> inputs;
    Time time;
  };

  StageSequence() = default;
  StageSequence(StageSequence&&) noexcept = default;
  StageSequence& operator=(StageSequence&&) noexcept = default;
  StageSequence(const StageSequence& other) {
    for (const auto& stage : other.stages_) stages_.push_back(stage->clone());
  }
  ~StageSequence() = default;

  /// @throws std::invalid_argument if there is a stage of that name, the name is empty, or the
  ///         stage records something of its input.
  template <class N>
  requires(Stage<N>&& std::same_as<typename N::State, State>) StageSequence& add(std::string name,
                                                                                 N stage) {
    if (name.empty()) throw std::invalid_argument("StageSequence::add: a stage must have a name");
    for (const auto& other : stages_)
      if (other->name() == name)
        throw std::invalid_argument("StageSequence::add: there is a stage '" + name + "' already");
    auto added = std::make_unique<SequenceStageOf<N, T, D>>(std::move(name), std::move(stage));
    require_stateless(*added);
    stages_.push_back(std::move(added));
    return *this;
  }

  std::size_t size() const { return stages_.size(); }
  const SequenceStage<T, D>& stage(std::size_t index) const { return *stages_.at(index); }
  SequenceStage<T, D>& stage(std::size_t index) { return *stages_.at(index); }

  /// @throws ShapeError naming the first stage that cannot take what it is given.
  Shape output_shape(Shape x) const {
    for (const auto& stage : stages_)
      x = named(stage->name(), [&] { return stage->output_shape(x); });
    return x;
  }

  /// y = H(x) at a time. Records a tape unless it is null.
  void evaluate(Target y, Source x, const Time& time = {}, Tape* tape = nullptr) {
    if (tape) {
      tape->inputs.clear();
      tape->time = time;
    }
    if (stages_.empty()) return copy(y, x);
    set_time(time);
    std::optional<State> input;
    for (std::size_t i = 0; i < stages_.size(); ++i)
      at(i, y.device(), [&] { advance(i, y, x, input, tape); });
  }

  /// dx =, += or −= (∂H/∂x)ᵀ dy of the evaluation that the tape has recorded. If `consumes` is set,
  /// its tensors are freed on the way. dx may be dy.
  void gradient(Source x, Source dy, Target dx, Tape& tape, Store how = Store::set,
                bool consumes = true) {
    if (stages_.empty()) return store_value(how, dx, dy);
    set_time(tape.time);
    std::optional<Gradient> g;
    for (std::size_t i = stages_.size(); i-- > 0;)
      at(i, dx.device(), [&] {
        const Source from = i == 0 ? x : input(tape, i, x);
        const Source dout = g ? std::as_const(*g).view() : dy;
        if (i == 0) return stages_[0]->gradient(from, dout, dx, how);
        if (stages_[i]->in_place() && g) {
          stages_[i]->gradient(from, dout, g->view(), Store::set);
        } else {
          Gradient next(dx.device(), from.shape(), Use::gradient);
          stages_[i]->gradient(from, dout, next.view(), Store::set);
          g = std::move(next);
        }
        if (consumes) tape.inputs[i - 1].reset();
      });
  }

  /// Whether every stage has a tangent.
  bool has_tangent() const {
    for (const auto& stage : stages_)
      if (!stage->has_tangent()) return false;
    return true;
  }
  /// w = (∂H/∂x)·u of the evaluation that the tape has recorded; `tangents` receives those of all
  /// inputs but the first, which tangent_gradient() reads, unless it is null.
  /// @throws StateError naming a stage without a tangent.
  void tangent(Target w, Source x, Source u, const Tape& tape, Tape* tangents = nullptr) {
    if (tangents) tangents->inputs.clear();
    if (stages_.empty()) return copy(w, u);
    set_time(tape.time);
    std::optional<State> held;
    for (std::size_t i = 0; i < stages_.size(); ++i)
      at(i, w.device(), [&] {
        const Source from = i == 0 ? x : input(tape, i, x);
        const Source with = held ? std::as_const(*held).view() : u;
        const bool last = i + 1 == stages_.size();
        std::optional<State> next;
        if (!last) next.emplace(w.device(), stages_[i]->output_shape(from.shape()));
        stages_[i]->tangent(last ? w : next->view(), from, with);
        if (tangents && held) tangents->inputs.push_back(std::move(held));
        held = std::move(next);
      });
  }
  /// For w = (∂H/∂x)·u and a gradient dw: du = (∂w/∂u)ᵀ dw, dx += (∂w/∂x)ᵀ dw, and adds the
  /// gradient of every parameter. `tape` and `tangents` are those of evaluate() and tangent().
  void tangent_gradient(Source x, Source u, Source dw, Target dx, Target du, Tape& tape,
                        Tape& tangents) {
    if (stages_.empty()) return copy(du, dw);
    set_time(tape.time);
    // `of_w` and `of_y` are the gradients with respect to the tangent and the value behind stage i.
    std::optional<Gradient> of_w, of_y;
    for (std::size_t i = stages_.size(); i-- > 0;)
      at(i, dx.device(), [&] {
        const Source from = i == 0 ? x : input(tape, i, x);
        const Source with = i == 0 ? u : input(tangents, i, u);
        const Source dout = of_w ? std::as_const(*of_w).view() : dw;
        Gradient value(dx.device(), from.shape(), Use::gradient);
        if (of_y)
          stages_[i]->gradient(from, std::as_const(*of_y).view(), value.view(), Store::set);
        else
          fill(value.view(), T(0));
        Gradient with_respect_to_u(dx.device(), from.shape(), Use::gradient);
        stages_[i]->tangent_gradient(from, with, dout, value.view(), with_respect_to_u.view());
        of_y = std::move(value);
        of_w = std::move(with_respect_to_u);
      });
    store_value<T, D>(Store::add, dx, std::as_const(*of_y).view());
    copy(du, std::as_const(*of_w).view());
  }

  /// The product of the Lipschitz constants of the stages, a bound of that of H.
  /// @throws std::invalid_argument naming a stage that has none.
  double lipschitz() const {
    double product = 1;
    for (const auto& stage : stages_) {
      const auto factor = stage->lipschitz();
      if (!factor)
        throw std::invalid_argument(
            "StageSequence::lipschitz: no Lipschitz constant of '" + stage->name() +
            "' is known: use SpectralConv2d, SpectralLinear, Tanh, Elu, LipSwish or Relu");
      product *= *factor;
    }
    return product;
  }
  /// Lets every stage compute what its evaluations share, such as normalised weights, and improve
  /// its estimates before that if `improve` is set.
  void prepare(bool improve) {
    for (auto& stage : stages_) stage->prepare(improve);
  }

  void abandon() {
    for (auto& stage : stages_) stage->abandon();
  }
  void collect(const std::string& prefix, ParameterList<T, D>& list) {
    for (auto& stage : stages_) stage->collect(joined(prefix, stage->name()), list);
  }

 private:
  static void require_stateless(SequenceStage<T, D>& stage) {
    if (stage.owns_buffers()) return;
    ParameterList<T, D> list;
    stage.collect("", list);
    if (records(list))
      throw std::invalid_argument(
          "StageSequence::add: '" + stage.name() +
          "' records or counts something as it runs, but a sequence is evaluated several times "
          "before it is differentiated: use a normalisation of each image, and no dropout");
  }

  void set_time(const Time& time) {
    for (auto& stage : stages_) stage->on_time(time);
  }
  template <class Body>
  void at(std::size_t index, D& device, Body body) {
    at_place(device.memory(), stages_[index]->name(), body);
  }

  /// Stage i from `held`, or from x if that is empty, which it replaces by its output.
  void advance(std::size_t i, Target y, Source x, std::optional<State>& held, Tape* tape) {
    SequenceStage<T, D>& stage = *stages_[i];
    const Source from = held ? std::as_const(*held).view() : x;
    const bool last = i + 1 == stages_.size();
    const bool stored = tape && held && stage.reads_input();
    if (last) {
      stage.apply(y, from, run, Store::set);
    } else if (held && stage.in_place() && !stored) {
      stage.apply(held->view(), from, run, Store::set);
      if (tape) tape->inputs.emplace_back();
      return;
    }
    std::optional<State> next;
    if (!last) {
      next.emplace(y.device(), stage.output_shape(from.shape()),
                   tape ? Use::stash : Use::activation);
      stage.apply(next->view(), from, run, Store::set);
    }
    if (tape && i > 0) {
      tape->inputs.emplace_back();
      if (stored) tape->inputs.back() = std::move(held);
    }
    held = std::move(next);
  }

  /// The input of stage i > 0; without elements if its gradient reads the shape alone.
  Source input(const Tape& tape, std::size_t i, Source x) const {
    const auto& held = tape.inputs.at(i - 1);
    if (held) return std::as_const(*held).view();
    Shape shape = x.shape();
    for (std::size_t k = 0; k < i; ++k) shape = stages_[k]->output_shape(shape);
    return {x.device(), nullptr, shape, shape.c};
  }

  static constexpr Run run{.statistics = Statistics::running};

  std::vector<std::unique_ptr<SequenceStage<T, D>>> stages_;
};

}  // namespace retrace::inline RETRACE_ISA
