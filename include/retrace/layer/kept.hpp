// The input a layer took over in forward and gives back in backward.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "retrace/core/error.hpp"
#include "retrace/core/run.hpp"
#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// The input of a layer that gives it back in backward, if a run has it kept.
template <class State>
class Kept {
 public:
  /// x is over: it is kept if the run keeps, freed otherwise, as is what an earlier run kept.
  void take_over(State&& x, Run run) {
    state_.reset();
    if (run.keep)
      state_.emplace(std::move(std::move(x).as(Use::stash)));
    else
      State gone(std::move(x));
  }

  /// What was taken over.
  /// @throws StateError "Conv2d::backward: no forward pass has kept an input" if nothing was.
  const State& peek(const char* where) const {
    if (!state_)
      throw StateError(std::string(where) +
                       ": no forward pass has kept an input; run forward "
                       "with `training` first");
    return *state_;
  }
  State give_back(const char* where) {
    peek(where);
    State state = std::move(*state_).as(Use::activation);
    state_.reset();
    return state;
  }

  bool holds() const { return state_.has_value(); }
  void abandon() { state_.reset(); }

 private:
  std::optional<State> state_;
};

}  // namespace retrace::inline RETRACE_ISA
