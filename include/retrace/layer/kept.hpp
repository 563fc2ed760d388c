// The input that forward stores and backward gives back.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "retrace/core/error.hpp"
#include "retrace/core/run.hpp"
#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// The input of a layer, if a run has stored it.
template <class State>
class Kept {
 public:
  /// Stores x if the run keeps, frees it otherwise; frees what an earlier run stored.
  void take_over(State&& x, Run run) {
    state_.emplace(std::move(x).as(run.chunk.count > 0 ? Use::workspace : Use::stash));
    if (!run.keep) state_.reset();
  }

  /// The stored input.
  /// @throws StateError "Conv2d: no forward pass has stored an input" if there is none.
  const State& peek(const char* where) const {
    if (!state_)
      throw StateError(std::string(where) +
                       ": no forward pass has stored an input; run forward "
                       "with `training` first");
    return *state_;
  }
  State give_back(const char* where) {
    peek(where);
    State state = std::move(*state_).as(Use::activation);
    state_.reset();
    return state;
  }

  /// Frees the elements of what is stored, which still holds.
  void shrink() {
    if (state_) *state_ = State::none(state_->device());
  }
  bool holds() const { return state_.has_value(); }
  void abandon() { state_.reset(); }

 private:
  std::optional<State> state_;
};

}  // namespace retrace::inline RETRACE_ISA
