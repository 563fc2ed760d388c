// A differential equation as a layer.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/layer.hpp"
#include "retrace/net/stage_sequence.hpp"
#include "retrace/ode/make_solver.hpp"
#include "retrace/ode/round_trip.hpp"
#include "retrace/ode/step_control.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = x(end) for dx/dt = f(t, x) and x(begin) = x, by a reversible method with fixed or adaptive
/// steps (Chen et al. 2018). With `outputs`, y has the states at those times one behind another.
///
/// Shapes    x [N,H,W,C]; y the same, or [K·N,H,W,C] with K outputs: the images of the first time,
///           then those of the next. f leaves the shape unchanged; with noise the field doubles
///           the channels: drift and diffusion.
/// Inverse   in backward alone: y is only a part of the solver's state.
/// Backward  takes the recorded steps in reverse. The gradient is that of the discrete solution; an
///           adaptive solve holds its steps constant.
/// Stores    the other parts of the final state, one tensor of the size of x (two with
///           reversible_heun), for any number of steps; adaptive steps, 8 bytes each. In mode
///           `stored`: x and what all evaluations of f need, or x and the state at every
///           checkpoint_every-th step.
/// @throws   SolveError if the state is not finite or the step becomes too small; RoundTripError if
///           going back does not reach x.
template <class T, Device D>
class OdeBlock {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  using Field = StageSequence<T, D>;

  /// @throws std::invalid_argument unless the options make sense.
  explicit OdeBlock(Field field, OdeOptions options = {})
      : field_(std::move(field)), options_(std::move(options)) {
    require_ode_options(options_);
  }
  OdeBlock(OdeBlock&&) noexcept = default;
  OdeBlock& operator=(OdeBlock&&) noexcept = default;
  /// Copies the field and the options.
  OdeBlock(const OdeBlock& other)
      : field_(other.field_),
        options_(other.options_),
        image_times_(other.image_times_),
        mode_(other.mode_) {}

  /// Gives every image of the following batches times of its own, in place of those of the options:
  /// the begin, the outputs if there are several, and the end. Steps are then common to all images,
  /// as shares of the intervals between these times: `steps` counts those of one interval. An empty
  /// list ends that.
  /// @throws std::invalid_argument if times do not increase, images have different numbers of them,
  ///         the options have outputs, or the method is not a Runge-Kutta method and there are more
  ///         than two times.
  void set_times(std::vector<ImageTimes> times) {
    require_times(times);
    if (!times.empty() && !options_.outputs.empty())
      throw std::invalid_argument(
          "OdeBlock::set_times: images with times of their own have no common outputs");
    if (!times.empty() && options_.noise)
      throw std::invalid_argument(
          "OdeBlock::set_times: an equation with noise has the same times for all images");
    if (!times.empty() && times[0].size() > 2 && options_.method >= OdeMethod::leapfrog)
      throw std::invalid_argument("OdeBlock::set_times: " + std::string(name(options_.method)) +
                                  " holds a velocity from step to step and takes two times per "
                                  "image only: use a Runge-Kutta method");
    abandon();
    image_times_ = std::move(times);
  }
  /// @throws std::invalid_argument unless the options make sense.
  void set_options(OdeOptions options) {
    require_ode_options(options);
    abandon();
    options_ = std::move(options);
  }
  const OdeOptions& options() const { return options_; }
  Field& field() { return field_; }
  /// The steps of the last forward pass.
  const StepTimes& steps() const { return times_; }
  /// How exactly the last backward pass has reconstructed x, if it did.
  std::optional<double> decibels() const { return trip_.decibels(); }

  /// @throws ShapeError if f changes the shape.
  Shape output_shape(Shape x) const {
    const Shape k = options_.noise ? with_channels(x, 2 * x.c) : x;
    require_same_shape("OdeBlock", options_.noise ? "(x, x)" : "x", k,
                       options_.noise ? "(f, g)" : "f(t, x)", field_.output_shape(x));
    const auto outputs = static_cast<Index>(this->outputs().size());
    return {outputs > 0 ? outputs * x.n : x.n, x.h, x.w, x.c};
  }

  /// @throws ShapeError if there are times of another number of images.
  void forward(State& x, Run run) {
    abandon();
    if (!image_times_.empty() && static_cast<Index>(image_times_.size()) != x.shape().n)
      throw ShapeError("OdeBlock: there are times of " + std::to_string(image_times_.size()) +
                       " images, but x is " + to_string(x.shape()));
    const Shape out = output_shape(x.shape());
    restores_ = run.restore;
    ++draws_;
    shape_ = x.shape();
    if (run.keep && reconstructs() && options_.least_decibels > 0) trip_.begin(x);
    if (run.keep && !reconstructs()) stored_x_.emplace(clone(x, Use::stash));
    std::optional<State> outputs;
    if (!this->outputs().empty()) outputs.emplace(x.device(), out);
    Parts state;
    state.push_back(std::move(x));
    const auto solver = make();
    solve(*solver, state, run.keep, outputs ? &*outputs : nullptr);
    if (outputs) {
      if (run.keep && reconstructs() && !ends_with_output())
        for (State& part : state) final_.push_back(std::move(part).as(Use::stash));
      x = std::move(*outputs);
    } else {
      x = std::move(state[0]);
    }
    if (run.keep && reconstructs() && final_.empty())
      for (std::size_t i = 1; i < state.size(); ++i)
        final_.push_back(std::move(state[i]).as(Use::stash));
    open_ = run.keep;
  }

  void backward(State& y, Gradient& dy) {
    if (!open_)
      throw StateError(
          "OdeBlock: no forward pass has stored its steps; run forward with "
          "`training` first");
    require_same_shape("OdeBlock", "y", output_shape(shape_), "dy", dy.shape());
    const auto solver = make();
    ParameterList<T, D> list;
    field_.collect("", list);
    {
      AddsGuard<T, D> adds(list);
      adds.set_all(Adds::part);
      Gradient dx = differentiate(*solver, y, dy);
      dy = std::move(dx);
    }
    for (auto& named : list.parameters) named.parameter->complete();
    release();
  }

  bool reads_output() const { return reconstructs(); }
  void on_mode(Mode mode) {
    mode_ = mode;
    anchored_ = false;
  }
  void watch(const std::string& path, InputWatch<Gradient>* watch) {
    trip_.watch(path, watch, reconstructs());
  }
  void on_abandon() {
    release();
    trip_.abandon();
  }
  template <class V>
  void inside(V visit) {
    visit("", field_);
    if (options_.noise) visit("draws", draws_);
  }

 private:
  using Solver = OdeSolver<T, D>;
  using Parts = typename Solver::Parts;
  using Tape = typename Solver::Tape;

  bool reconstructs() const { return mode_ != Mode::stored && !anchored_; }
  bool ends_with_output() const {
    const OdeOptions options = timed();
    return !options.outputs.empty() && options.outputs.back() == options.end;
  }
  /// Steps between checkpoints; 0 stores all tapes.
  Index interval() const {
    if (options_.checkpoint_every > 0 || !anchored_) return options_.checkpoint_every;
    const auto root = std::sqrt(static_cast<double>(times_.size()));
    return std::max<Index>(1, static_cast<Index>(root));
  }

  std::unique_ptr<Solver> make() {
    return make_solver<T, D>(timed(), FieldRate<T, D>(field_, image_times_), draws_);
  }
  /// The options as times s of the solve: from 0 on if images have times of their own.
  OdeOptions timed() const {
    OdeOptions options = options_;
    if (image_times_.empty()) return options;
    const std::size_t parts = image_times_[0].size() - 1;
    options.begin = 0;
    options.end = static_cast<double>(parts);
    options.steps *= static_cast<Index>(parts);
    options.outputs = outputs();
    return options;
  }
  /// Times s of the outputs; empty for the end alone.
  std::vector<double> outputs() const {
    if (image_times_.empty()) return options_.outputs;
    std::vector<double> all;
    if (image_times_[0].size() > 2)
      for (std::size_t k = 1; k < image_times_[0].size(); ++k)
        all.push_back(static_cast<double>(k));
    return all;
  }

  void abandon() { on_abandon(); }
  void release() {
    tapes_.clear();
    checkpoints_.clear();
    final_.clear();
    stored_x_.reset();
    open_ = false;
  }

  void solve(Solver& solver, Parts& state, bool keep, State* outputs) {
    const OdeOptions options = timed();
    solver.begin(state, options.begin);
    output_steps_.clear();
    const auto ended = [&](const OdeStep& step) {
      if (options_.checks_finite && !all_finite(std::as_const(state[0]).view())) explode(step);
      const std::size_t next = output_steps_.size();
      if (next >= options.outputs.size() || step.end < options.outputs[next]) return;
      output_steps_.push_back(number_ + 1);
      copy(slice(*outputs, next), std::as_const(state[0]).view());
    };
    number_ = 0;
    if (!options.adaptive) {
      times_ = StepTimes::equal(options);
      for (; number_ < times_.size(); ++number_) {
        const OdeStep step = times_.step(number_);
        note_state(state, keep);
        solver.advance(state, step, tape_of_step(keep), nullptr);
        ended(step);
      }
    } else {
      solve_adaptively(solver, state, keep, options, ended);
    }
  }

  template <class Ended>
  void solve_adaptively(Solver& solver, Parts& state, bool keep, const OdeOptions& options,
                        Ended ended) {
    times_ = StepTimes::recorded(options);
    StepControl control(options, solver.error_order());
    double time = options.begin;
    for (double limit : StepTimes::ends(options))
      while (time < limit) {
        const double end = control.propose(time, limit);
        const OdeStep step{time, end - time, end};
        note_state(state, keep);
        Tape* tape = tape_of_step(keep);
        const double ratio = solver.advance(state, step, tape, &*options.adaptive);
        control.note(step.size, ratio);
        if (!(ratio <= 1)) {
          if (tape) tapes_.pop_back();
          continue;
        }
        times_.add(end);
        ended(step);
        ++number_;
        time = end;
      }
  }

  /// Stores a checkpoint if it is due before the next step.
  void note_state(const Parts& state, bool keep) {
    if (!keep || reconstructs() || interval() == 0 || number_ % interval() != 0) return;
    if (static_cast<Index>(checkpoints_.size()) > number_ / interval()) return;  // a repeated step
    Parts copy;
    for (const State& part : state) copy.push_back(clone(part, Use::stash));
    checkpoints_.push_back(std::move(copy));
  }
  Tape* tape_of_step(bool keep) {
    return keep && !reconstructs() && interval() == 0 ? &tapes_.emplace_back() : nullptr;
  }

  [[noreturn]] void explode(const OdeStep& step) const {
    throw SolveError("OdeBlock: the state is not finite after step " + std::to_string(number_ + 1) +
                         ", from time " + short_text(step.time) + " with size " +
                         short_text(step.size) +
                         ": take smaller steps, or make the field smaller (weight decay, a bounded "
                         "activation behind the last product)",
                     step.end, step.size);
  }

  View<T, D> slice(State& outputs, std::size_t index) const {
    return outputs.view().images(static_cast<Index>(index) * shape_.n, shape_.n);
  }

  /// Returns dx, and x in y if it must be restored.
  Gradient differentiate(Solver& solver, State& y, Gradient& dy) {
    D& device = dy.device();
    Parts state = final_state(y, device), gradient = final_gradient(dy);
    std::size_t outputs = output_steps_.size();
    if (ends_with_output()) --outputs;  // its gradient is the first
    for (number_ = times_.size(); number_-- > 0;) {
      if (outputs > 0 && output_steps_[outputs - 1] == number_ + 1) {
        --outputs;
        add(gradient[0].view(),
            std::as_const(dy).view().images(static_cast<Index>(outputs) * shape_.n, shape_.n));
      }
      Tape tape = tape_of(solver, state);
      solver.adjoint(gradient, times_.step(number_), tape);
    }
    const bool back = reconstructs();
    solver.begin_adjoint(gradient, back ? state[0] : *stored_x_, timed().begin);
    if (back) anchored_ = trip_.end(state[0], timed(), times_.size()) || anchored_;
    if (!restores_)
      y = State::none(device);
    else
      y = back ? std::move(state[0]) : std::move(*stored_x_).as(Use::activation);
    return std::move(gradient[0]);
  }

  Parts final_state(State& y, D& device) {
    Parts state;
    if (!reconstructs()) {
      y = State::none(device);
      return state;
    }
    if (outputs().empty())
      state.push_back(std::move(y));
    else if (ends_with_output())
      state.push_back(clone(slice(y, outputs().size() - 1)));
    y = State::none(device);
    for (State& part : final_) state.push_back(std::move(part).as(Use::activation));
    final_.clear();
    return state;
  }
  Parts final_gradient(Gradient& dy) {
    Parts gradient;
    const auto zeros = [&, &device = dy.device()](Index channels) {
      Gradient none(device, with_channels(shape_, channels), Use::gradient);
      fill(none.view(), T(0));
      return none;
    };
    if (outputs().empty())
      gradient.push_back(std::move(dy));
    else if (ends_with_output())
      gradient.push_back(clone(slice(dy, outputs().size() - 1), Use::gradient));
    else
      gradient.push_back(zeros(shape_.c));
    const std::size_t parts = options_.method == OdeMethod::reversible_heun ? 3 : 2;
    while (gradient.size() < parts)
      gradient.push_back(zeros(gradient.size() == 2 && options_.noise ? 2 * shape_.c : shape_.c));
    return gradient;
  }

  /// The tape of step number_: stored, or of the way back, or of a repeated segment.
  Tape tape_of(Solver& solver, Parts& state) {
    Tape tape;
    if (reconstructs()) {
      solver.retreat(state, times_.step(number_), &tape);
      return tape;
    }
    if (tapes_.empty()) {
      Parts from = std::move(checkpoints_.back());
      checkpoints_.pop_back();
      const Index every = interval(), first = number_ / every * every;
      for (Index i = first; i <= number_; ++i)
        solver.advance(from, times_.step(i), &tapes_.emplace_back(), nullptr);
    }
    tape = std::move(tapes_.back());
    tapes_.pop_back();
    return tape;
  }

  Field field_;
  OdeOptions options_;
  std::vector<ImageTimes> image_times_;
  Mode mode_ = Mode::reversible;
  bool anchored_ = false, restores_ = true, open_ = false;
  Shape shape_;
  StepTimes times_;
  std::uint64_t draws_ = 0;          ///< passes, each of which has noise of its own
  Index number_ = 0;                 ///< of the step
  std::vector<Index> output_steps_;  ///< steps taken when an output was due
  Parts final_;                      ///< the parts of the final state that y does not have
  std::vector<Tape> tapes_;
  std::vector<Parts> checkpoints_;
  std::optional<State> stored_x_;
  RoundTrip<T, D> trip_;
};

}  // namespace retrace::inline RETRACE_ISA
