// Which backward pass may follow which forward pass.
#pragma once

#include <cstdint>
#include <string>

#include "retrace/core/error.hpp"
#include "retrace/core/run.hpp"
#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// The pass that a chain has begun in forward and may end in backward. Its output carries its
/// number (Tensor::pass). A chain inside another one leaves the matter to the outermost.
class OpenPass {
 public:
  /// @return the number of the new pass, which is open if `run` keeps
  template <class State>
  std::uint64_t begin(Run run, const State& x, Shape y) {
    nested_ = false;
    number_ = next_pass();
    open_ = run.keep;
    input_ = x.pass();
    output_ = y;
    return number_;
  }
  void nest() { nested_ = true; }
  bool is_open() const { return open_; }
  void close() { open_ = false; }

  /// @throws StateError unless the pass that y is the output of is open.
  /// @throws ShapeError unless dy has the shape of its output.
  template <class State>
  void require(const State& y, Shape dy) const {
    if (nested_) return;
    if (!open_)
      throw StateError(
          "Chain::backward: no pass is open. Run forward with `training` first; a pass ends with "
          "its backward, or when another forward pass, an evaluation or an error follows");
    if (y.pass() != 0 && y.pass() != number_)
      throw StateError("Chain::backward: y is the output of pass " + std::to_string(y.pass()) +
                       " but pass " + std::to_string(number_) +
                       " is open: run backward before the next forward");
    require_same_shape("Chain::backward", "y", output_, "dy", dy);
  }
  /// y has become the input again.
  template <class State>
  void end(State& y) {
    open_ = false;
    if (!nested_) y.set_pass(input_);
  }

 private:
  std::uint64_t number_ = 0, input_ = 0;  ///< of this pass, and of that whose output is its input
  Shape output_;
  bool open_ = false, nested_ = false;
};

}  // namespace retrace::inline RETRACE_ISA
