// A floating-point stage between the halves of a state that is stored in fixed point or bfloat16.
#pragma once

#include <utility>

#include "retrace/layer/chunks.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/stream_format.hpp"

namespace retrace::inline RETRACE_ISA {

/// Computes target ± round(H(source)). The state has elements E; H, its parameters and gradients
/// are in floating point.
///
/// If E is fixed point, the sum is an integer sum, so a subtraction undoes an addition bit for bit.
/// This requires that H gives the same bits in every evaluation, as all stages of the library do. A
/// coupling of such branches therefore reconstructs its input exactly at any depth. (MacKay et al.
/// 2018, §4.1, use fixed point for the same purpose.) If E is bfloat16, the sum is rounded and the
/// reconstruction is not exact.
///
/// Backward  straight-through: dsource += (∂H/∂source)ᵀ dtarget. These are the gradients of H at
///           the rounded source, the same as with stored activations. The rounding itself is
///           treated as the identity.
/// Stores    what H stores. During an evaluation of H, its source and its value exist in floating
///           point; in mode `chunked`, backward needs only those of a chunk.
template <Stage H, class E, Device D>
class RoundedBranch {
 public:
  using State = Tensor<E, D>;
  using Gradient = typename H::Gradient;
  using T = typename Gradient::Element;

  /// @param format  the format that all branches of a stream share
  RoundedBranch(H branch, SharedStreamFormat format)
      : branch_(std::move(branch)), format_(std::move(format)) {}

  Shape output_shape(Shape x) const { return branch_.output_shape(x); }

  /// @throws StreamOverflow, std::domain_error as StreamFormat::settle does.
  void apply(View<E, D> target, View<const E, D> source, Run run, Store how) {
    const Tensor<T, D> value = this->value(source, run);
    require_same_shape("RoundedBranch", "y", target.shape(), "the branch's output", value.shape());
    const auto counts = store_rounded(target, value.view(), format_->step(), how);
    // A subtraction undoes the addition even if that overflowed, so overflows are not reported.
    if (how != Store::subtract) format_->settle(target.device().memory().place(), counts);
  }

  void gradient(View<const E, D> source, View<const T, D> dtarget, View<T, D> dsource, Store how) {
    const Tensor<T, D> x = widened(source);
    branch_.gradient(x.view(), dtarget, dsource, how);
  }

  /// Runs in chunks if H runs in chunks.
  void undo(View<E, D> target, View<const E, D> source, View<const T, D> dtarget,
            View<T, D> dsource, Run run) {
    if constexpr (requires { branch_.in_chunks(source, Index{}); })
      if (branch_.in_chunks(source, bytes_beside(branch_.seen(source).shape())))
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
    source = branch_.seen(source);
    target = branch_.seen(target);
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

  /// Returns H(source). A branch that can release its input early does so.
  Tensor<T, D> value(View<const E, D> source, Run run) {
    if constexpr (requires { branch_.evaluate(widened(source), run); })
      if (!run.keep) return branch_.evaluate(widened(source), run);
    const Tensor<T, D> x = widened(source);
    Tensor<T, D> value(source.device(), branch_.output_shape(x.shape()));
    branch_.apply(value.view(), x.view(), run, Store::set);
    return value;
  }

  /// Returns the bytes per image of the source in floating point.
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
