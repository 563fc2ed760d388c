// A classifier of positions and its loss, whose logits exist for some positions at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "retrace/core/operations.hpp"
#include "retrace/layer/inside.hpp"
#include "retrace/layer/linear.hpp"
#include "retrace/layer/targets.hpp"

namespace retrace::inline RETRACE_ISA {

/// The last stage of a language model: y = −log softmax(x·w + b)[label] at every position.
///
/// Shapes    x [N,H,W,C], w [C,K], b [K], y [N,H,W,1]. Labels are those of Targets, one per
/// position
///           of the batch.
/// Inverse   none.
/// Backward  g = dy·(softmax(x·w + b) − e_label),  dx = g·wᵀ,  dw += xᵀ·g,  db += Σ g. Logits are
///           computed again.
/// Stores    nothing; the chain stores x. The logits, K elements per position, exist for `chunk`
///           positions at a time.
/// Throws    DataError if a label is not a class, before anything is computed.
///
/// The mean of y is the loss of the network: `accumulate_gradients(net, x, mean_of(targets))`.
template <class T, Device D>
class ChunkedHead {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @param chunk  positions at a time; 0 takes a million logits
  /// @throws std::invalid_argument if the chunk is negative.
  ChunkedHead(Linear<T, D> linear, std::shared_ptr<Targets<D>> targets, Index chunk = 0)
      : linear_(std::move(linear)), targets_(std::move(targets)), chunk_(chunk) {
    if (chunk < 0)
      throw std::invalid_argument("ChunkedHead: the chunk is " + std::to_string(chunk) +
                                  " positions, but must not be negative");
  }

  Index input_channels() const { return linear_.input_channels(); }
  Index classes() const { return linear_.output_shape({1, 1, 1, input_channels()}).c; }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const {
    require_channels("ChunkedHead", "x", x, input_channels());
    return with_channels(x, 1);
  }

  /// @throws StateError if the labels are those of another batch.
  void apply(View<T, D> y, View<const T, D> x, Run run, Store how) {
    require_same_shape("ChunkedHead", "y", y.shape(), "the losses of x", output_shape(x.shape()));
    remember(x.shape(), run);
    if (!x.device().dry()) targets_->require_classes("ChunkedHead", classes());
    store_by(how, y, Use::activation, [&](View<T, D> losses) {
      for_each_chunk(x.shape(), [&](Index first, Index count) {
        const State logits = logits_of(positions(x, first, count));
        token_losses(positions(losses, first, count), logits.view(), labels(first, count),
                     targets_->ignore());
      });
    });
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    ParameterList<T, D> list;
    inside::collect(linear_, "", list);
    AddsGuard<T, D> adds(list);
    const Index pixels = x.shape().pixels();
    for_each_chunk(x.shape(), [&](Index first, Index count) {
      // All chunks but the last add a part.
      if (first == 0 && count < pixels) adds.set_all(Adds::part);
      if (first > 0 && first + count == pixels) adds.restore();
      State g = logits_of(positions(x, first, count));
      token_loss_gradient(g.view(), labels(first, count), positions(dy, first, count),
                          targets_->ignore());
      linear_.gradient(positions(x, first, count), std::as_const(g).view(),
                       positions(dx, first, count), how);
    });
  }

  /// Computes all logits of x, [N,H,W,K], for generation.
  void logits(View<T, D> y, View<const T, D> x, Run run) { linear_.apply(y, x, run, Store::set); }

  template <class V>
  void inside(V visit) {
    visit("", linear_);
  }

 private:
  void remember(Shape x, Run run) {
    const Index per_image = x.h * x.w;
    first_ = run.chunk.count > 0 ? run.chunk.first * per_image : 0;
    if (run.chunk.count == 0) batch_ = x.pixels();
  }

  template <class Body>
  void for_each_chunk(Shape x, Body body) const {
    const Index most = chunk_ > 0 ? chunk_ : std::max<Index>(64, (Index{1} << 20) / classes());
    // An empty batch completes the gradients too.
    for (Index first = 0; first == 0 || first < x.pixels(); first += most)
      body(first, std::min(most, x.pixels() - first));
  }

  template <class U>
  static View<U, D> positions(View<U, D> x, Index first, Index count) {
    return {x.device(),
            x.device().dry() ? x.data() : x.pixel(first),
            {count, 1, 1, x.shape().c},
            x.pitch()};
  }
  View<const std::int32_t, D> labels(Index first, Index count) const {
    return targets_->view(batch_, first_ + first, count);
  }
  State logits_of(View<const T, D> x) {
    State y(x.device(), linear_.output_shape(x.shape()), Use::workspace);
    linear_.apply(y.view(), x, inference, Store::set);
    return y;
  }

  Linear<T, D> linear_;
  std::shared_ptr<Targets<D>> targets_;
  Index chunk_;
  Index first_ = 0, batch_ = 0;  ///< positions before those of x, and of the whole batch
};

}  // namespace retrace::inline RETRACE_ISA
