// A floating-point branch between the halves of a state that is stored in fewer bits.
#pragma once

#include <string>
#include <utility>

#include "retrace/layer/input_watch.hpp"
#include "retrace/layer/inside.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/stream_format.hpp"
#include "retrace/layer/streaming.hpp"

namespace retrace::inline RETRACE_ISA {

/// target ±= round(H(source)), with the state in elements E and H, parameters and gradients in
/// the floating point of H.
///
/// With E in fixed point the sum is of integers, so what is added is taken back bit for bit, as
/// long as H gives the same bits when it is evaluated again, as every branch here does: a coupling
/// of such branches reconstructs its input exactly at any depth (MacKay et al. 2018, §4.1, use
/// fixed point for the same end). With E = bfloat16 the sum is rounded, and it is not exact.
///
/// Backward  passes straight through the rounding: dsource += (∂H/∂source)ᵀ dtarget. These are
///           the gradients of H at the rounded source, the same as with stored activations; the
///           staircase itself has none.
/// Stores    what H keeps. While H is evaluated: its source and its value in floating point, in
/// mode
///           `streamed` those of a chunk on the way back.
template <Branch H, class E, Device D>
class RoundedBranch {
 public:
  using State = Tensor<E, D>;
  using Gradient = typename H::Gradient;
  using T = typename Gradient::Element;

  /// @param format  is shared by all branches of a stream.
  RoundedBranch(H branch, SharedStreamFormat format)
      : branch_(std::move(branch)), format_(std::move(format)) {}

  /// @throws StreamOverflow, std::domain_error as StreamFormat::settle.
  void add_to(View<E, D> target, View<const E, D> source, Run run, Store how) {
    const Tensor<T, D> value = this->value(target.shape(), source, run);
    require_same_shape("RoundedBranch::add_to", "target", target.shape(), "the branch's value",
                       value.shape());
    const auto counts = store_rounded(target, value.view(), format_->step(), how);
    // Taking back undoes whatever adding did, so it has nothing to report.
    if (how != Store::subtract) format_->settle(target.device().memory().place(), counts);
  }

  void differentiate(View<const E, D> source, View<const T, D> dtarget, View<T, D> dsource) {
    branch_.differentiate(widened(source).view(), dtarget, dsource);
  }

  template <class Any>
  bool streams(const Any& source) requires requires(H& h) {
    h.streams(source, Index{});
  }
  { return branch_.streams(source, bytes_beside(source.shape())); }
  void undo(View<E, D> target, View<const E, D> source, View<const T, D> dtarget,
            View<T, D> dsource, Run run) {
    branch_.stream(
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

  Shape output_shape(Shape x) const { return branch_.output_shape(x); }

  void set_mode(Mode mode) { set_mode_of(branch_, mode); }
  void set_chunk(Index images) { set_chunk_of(branch_, images); }
  void fuse() { fuse_of(branch_); }
  void watch(const std::string& prefix, InputWatch<Gradient>* watch) {
    watch_inside(branch_, prefix, watch);
  }
  void abandon() { abandon_of(branch_); }
  template <class List>
  void collect(const std::string& prefix, List& list) {
    collect_of(branch_, prefix, list);
  }

  H& branch() { return branch_; }

 private:
  /// H(source).
  Tensor<T, D> value(Shape shape, View<const E, D> source, Run run) {
    if constexpr (requires { branch_.evaluate(widened(source), run); })
      if (!run.keep) return branch_.evaluate(widened(source), run);
    Tensor<T, D> value(source.device(), shape, Use::activation);
    branch_.add_to(value.view(), widened(source).view(), run, Store::set);
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
