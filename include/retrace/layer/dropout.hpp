// Dropout whose mask is a function of a counter, so that a replay draws the same one.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "retrace/layer/kept.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = x·m/(1 − rate) with m = 0 for a share `rate` of the elements and 1 for the others
/// (Srivastava et al. 2014, §10, scaled in training); y = x when the running averages are in use.
///
/// Shapes    any [N,H,W,C].
/// Inverse   none.
/// Backward  dx = dy·m/(1 − rate).
/// Stores    the seed and the number of the step, 16 bytes, from which m is drawn by Philox; and
///           x, where it has to be restored.
template <class T, Device D>
class Dropout {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @param seed  another one for each layer.
  /// @throws std::invalid_argument unless 0 <= rate < 1.
  Dropout(double rate, std::uint64_t seed) : rate_(rate), seed_(seed) {
    if (!(rate >= 0 && rate < 1))
      throw std::invalid_argument("Dropout: rate must be in [0, 1), got " + std::to_string(rate));
  }

  void forward(State& x, Run run) {
    // A rehearsal draws nothing, so it must not use a step up.
    if (run.statistics == Statistics::batch && !x.device().dry()) ++step_;
    trains_ = run.statistics != Statistics::running;
    if (!trains_) return;
    if (run.keep && run.restore) kept_.take_over(clone(x), run);
    // An image of a chunk has the mask that it has in its batch.
    const Chunk chunk = run.chunk;
    first_ = chunk.count > 0 ? chunk.first * (x.shape().size() / chunk.count) : 0;
    drop_elements(x.view(), rate_, seed_, step_, first_);
  }

  void backward(State& y, Gradient& dy) {
    constexpr const char* where = "Dropout::backward";
    require_same_shape(where, "y", y.shape(), "dy", dy.shape());
    if (!trains_)
      throw StateError(std::string(where) +
                       ": the last forward pass dropped nothing; run forward "
                       "with `training` first");
    drop_elements(dy.view(), rate_, seed_, step_, first_);
    if (kept_.holds()) y = kept_.give_back(where);
  }

  void abandon() { kept_.abandon(); }
  void collect(const std::string& prefix, ParameterList<T, D>& list) {
    list.add(
        joined(prefix, "step"), [this] { return static_cast<std::int64_t>(step_); },
        [this](std::int64_t step) { step_ = static_cast<std::uint64_t>(step); });
  }

 private:
  double rate_;
  std::uint64_t seed_, step_ = 0;
  Index first_ = 0;  ///< element of the batch
  bool trains_ = false;
  Kept<State> kept_;
};

}  // namespace retrace::inline RETRACE_ISA
