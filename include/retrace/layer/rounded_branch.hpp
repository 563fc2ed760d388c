// A floating-point stage between the halves of a state that is stored in fewer bits.
#pragma once

#include <utility>

#include "retrace/layer/chunks.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/stream_format.hpp"

namespace retrace::inline RETRACE_ISA {

/// target ± round(H(source)), with the state in elements E and H, parameters and gradients in
/// the floating point of H.
///
/// With E in fixed point the sum is of integers, so what is added is taken back bit for bit, as
/// long as H gives the same bits when it is evaluated again, as every stage here does: a coupling
/// of such branches reconstructs its input exactly at any depth (MacKay et al. 2018, §4.1, use
/// fixed point for the same end). With E = bfloat16 the sum is rounded, and it is not exact.
///
/// Backward  passes straight through the rounding: dsource += (∂H/∂source)ᵀ dtarget. These are
///           the gradients of H at the rounded source, the same as with stored activations; the
///           staircase itself has none.
/// Stores    what H stores. While H is evaluated: its source and its value in floating point, in
///           mode `chunked` those of a chunk in backward.
template <Stage H, class E, Device D>
class RoundedBranch {
 public:
  using State = Tensor<E, D>;
  using Gradient = typename H::Gradient;
  using T = typename Gradient::Element;

  /// @param format  is shared by all branches of a stream.
  RoundedBranch(H branch, SharedStreamFormat format)
      : branch_(std::move(branch)), format_(std::move(format)) {}

  Shape output_shape(Shape x) const { return branch_.output_shape(x); }

  /// @throws StreamOverflow, std::domain_error as StreamFormat::settle.
  void apply(View<E, D> target, View<const E, D> source, Run run, Store how) {
    const Tensor<T, D> value = this->value(source, run);
    require_same_shape("RoundedBranch", "y", target.shape(), "the branch's output", value.shape());
    const auto counts = store_rounded(target, value.view(), format_->step(), how);
    // A subtraction undoes whatever the addition did, so it has nothing to report.
    if (how != Store::subtract) format_->settle(target.device().memory().place(), counts);
  }

  void gradient(View<const E, D> source, View<const T, D> dtarget, View<T, D> dsource, Store how) {
    const Tensor<T, D> x = widened(source);
    branch_.gradient(x.view(), dtarget, dsource, how);
  }

  /// By chunks, if H is cut into some.
  void undo(View<E, D> target, View<const E, D> source, View<const T, D> dtarget,
            View<T, D> dsource, Run run) {
    if constexpr (requires { branch_.in_chunks(source, Index{}); })
      if (branch_.in_chunks(source, bytes_beside(source.shape())))
        return undo_by_chunks(target, source, dtarget, dsource, run);
    apply(target, source, replay(run), Store::subtract);
    gradient(source, dtarget, dsource, Store::add);
  }

  template <class V>
  void inside(V visit) {
    visit("", branch_);
  }

  H& branch() { return branch_; }

 private:
  void undo_by_chunks(View<E, D> target, View<const E, D> source, View<const T, D> dtarget,
                      View<T, D> dsource, Run run) {
    branch_.backward_in_chunks(
        source.device(), source.shape(), bytes_beside(source.shape()),
        [&](Chunk at) { return widened(source.images(at.first, at.count), Use::workspace); },
        [&](Chunk at, auto evaluate_to) {
          const auto images = target.images(at.first, at.count);
          Tensor<T, D> value(target.device(), images.shape(), Use::workspace);
          evaluate_to(value.view(), Store::set);
          store_rounded(images, std::as_const(value).view(), format_->step(), Store::subtract);
        },
        dtarget, dsource, run);
  }

  /// H(source). A branch that lets its input go holds it no longer than it must.
  Tensor<T, D> value(View<const E, D> source, Run run) {
    if constexpr (requires { branch_.evaluate(widened(source), run); })
      if (!run.keep) return branch_.evaluate(widened(source), run);
    const Tensor<T, D> x = widened(source);
    Tensor<T, D> value(source.device(), branch_.output_shape(x.shape()));
    branch_.apply(value.view(), x.view(), run, Store::set);
    return value;
  }

  /// Of an image: its source in floating point.
  static Index bytes_beside(Shape source) {
    return source.h * source.w * source.c * static_cast<Index>(sizeof(T));
  }

  Tensor<T, D> widened(View<const E, D> source, Use use = Use::activation) const {
    Tensor<T, D> x(source.device(), source.shape(), use);
    widen(x.view(), source, format_->step());
    return x;
  }

  H branch_;
  SharedStreamFormat format_;
};

}  // namespace retrace::inline RETRACE_ISA
