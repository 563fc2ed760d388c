// Dropout whose mask is a function of a counter, so that a replay draws the same one.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "retrace/layer/layer.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = x·m/(1 − rate) with m = 0 for a share `rate` of the elements and 1 for the others
/// (Srivastava et al. 2014, §10, scaled in training); y = x when the running averages are in use.
///
/// Shapes    any [N,H,W,C].
/// Inverse   none.
/// Backward  dx = dy·m/(1 − rate).
/// Stores    the seed and the number of the step, 16 bytes, from which m is drawn by Philox.
template <class T, Device D>
class Dropout {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool in_place = true, reads_input = false;

  /// @param seed  another one for each layer.
  /// @throws std::invalid_argument unless 0 <= rate < 1.
  Dropout(double rate, std::uint64_t seed) : rate_(rate), seed_(seed) {
    if (!(rate >= 0 && rate < 1))
      throw std::invalid_argument("Dropout: rate must be in [0, 1), got " + std::to_string(rate));
  }

  Shape output_shape(Shape x) const { return x; }

  /// @throws StateError for a second batch in one pass, whose replay would draw the first one's
  ///         mask.
  void apply(View<T, D> y, View<const T, D> x, Run run, Store how) {
    require_same_shape("Dropout", "y", y.shape(), "x", x.shape());
    // An image of a chunk has the mask that it has in its batch.
    const Chunk chunk = run.chunk;
    if (run.statistics == Statistics::batch && chunk.first == 0) begin_step(x.device(), run.pass);
    drops_ = run.statistics != Statistics::running;
    first_ = chunk.count > 0 ? chunk.first * (x.shape().size() / chunk.count) : 0;
    drop(y, x, how, Use::activation);
  }
  void gradient(View<const T, D>, View<const T, D> dy, View<T, D> dx, Store how) const {
    drop(dx, dy, how, Use::gradient);
  }

  template <class V>
  void inside(V visit) {
    visit("step", step_);
  }

 private:
  /// A rehearsal draws nothing, so it uses no step up.
  void begin_step(const D& device, std::uint64_t pass) {
    if (pass != 0 && pass == pass_)
      throw StateError("Dropout: it is used twice in one pass, but draws one mask a pass");
    pass_ = pass;
    if (!device.dry()) ++step_;
  }

  void drop(View<T, D> y, View<const T, D> x, Store how, Use use) const {
    store_by(how, y, use, [&](View<T, D> value) {
      copy_unless_same(value, x);
      if (drops_) drop_elements(value, rate_, seed_, step_, first_);
    });
  }

  double rate_;
  std::uint64_t seed_, step_ = 0, pass_ = 0;
  Index first_ = 0;  ///< element of the batch
  bool drops_ = false;
};

}  // namespace retrace::inline RETRACE_ISA
