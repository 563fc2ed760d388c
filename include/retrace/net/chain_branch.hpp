// A residual branch that is any chain of layers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/kept.hpp"
#include "retrace/net/chain.hpp"
#include "retrace/net/stream_chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// H = the chain, run on a copy of the source. In mode `inverted` its layers reconstruct their
/// inputs in backward, so that two tensors are all a branch of invertible layers ever needs; in
/// the other modes they keep them while the branch is differentiated. In mode `streamed` both copy
/// and inputs are those of one chunk of the batch.
template <class T, Device D>
class ChainBranch {
 public:
  using State = typename Chain<T, D>::State;
  using Gradient = typename Chain<T, D>::Gradient;
  using Target = View<typename State::Element, D>;
  using Source = View<const typename State::Element, D>;
  using GradientTarget = View<typename Gradient::Element, D>;
  using GradientSource = View<const typename Gradient::Element, D>;

  explicit ChainBranch(Chain<T, D> chain) : chain_(std::move(chain)) { set_mode(Mode::reversible); }

  void add_to(Target target, Source source, Run run, Store how) {
    State value = clone(source);
    run.restore = false;
    chain_.forward(value, run);
    require_same_shape("ChainBranch::add_to", "target", target.shape(), "the branch's value",
                       value.shape());
    add(target, value.view(), how);
    if (!chain_.reads_output()) value = State::none(target.device());
    output_.take_over(std::move(value), run);
  }

  void differentiate(Source, GradientSource dtarget, GradientTarget dsource) {
    State value = output_.give_back("ChainBranch::differentiate");
    Gradient gradient = clone(dtarget, Use::gradient);
    chain_.backward(value, gradient);
    add(dsource, gradient.view());
  }

  /// H(x), in the memory of x.
  State evaluate(State x, Run run) {
    run.restore = false;
    chain_.forward(x, preview(run));
    return x;
  }

  /// Whether a batch of such sources is cut into chunks: in mode `streamed`, where it is more than
  /// one. An image takes so many bytes `beside` what the branch needs for it.
  template <class Any>
  bool streams(const Any& source, Index beside = 0) {
    return streamed_ && chunks(source.device(), source.shape(), beside).front() < source.shape().n;
  }

  /// target −= H(source), dsource += (∂H/∂source)ᵀ dtarget, chunk by chunk.
  void undo(Target target, Source source, GradientSource dtarget, GradientTarget dsource, Run run) {
    stream(
        source.device(), source.shape(), 0,
        [&](Chunk at) { return clone(source.images(at.first, at.count), Use::workspace); },
        [&](Chunk at, auto evaluate_to) {
          evaluate_to(target.images(at.first, at.count), Store::subtract);
        },
        dtarget, dsource, run);
  }

  /// The same of a source that load(chunk) makes, a tensor, and a target that
  /// restore(chunk, evaluate_to) takes H from: evaluate_to(view, how).
  template <class Load, class Restore>
  void stream(D& device, Shape source, Index beside, Load load, Restore restore,
              GradientSource dtarget, GradientTarget dsource, Run run) {
    const auto images = [](auto view, Chunk at) { return view.images(at.first, at.count); };
    stream_backward(
        chain_, source.n, chunks(device, source, beside), run, load,
        [&](Chunk at, Source value) {
          restore(at, [&](Target target, Store how) { add(target, value, how); });
        },
        [&](Chunk at) { return clone(images(dtarget, at), Use::gradient); },
        [&](Chunk at, GradientSource dx) { add(images(dsource, at), dx); });
  }

  void set_mode(Mode mode) {
    streamed_ = mode == Mode::streamed;
    chain_.set_mode(mode == Mode::inverted ? Mode::reversible : Mode::stored);
  }
  /// Images in a chunk; 0 takes what suits the cache.
  void set_chunk(Index images) {
    chunk_ = images;
    source_ = none;
  }
  void fuse() {
    chain_.fuse();
    source_ = none;
  }
  void watch(const std::string& prefix, InputWatch<Gradient>* watch) {
    chain_.watch(prefix, watch);
  }
  void abandon() {
    output_.abandon();
    chain_.abandon();
  }
  void collect(const std::string& prefix, typename Chain<T, D>::Parameters& list) {
    chain_.collect(prefix, list);
  }

  Chain<T, D>& chain() { return chain_; }

 private:
  /// By pass; the first of them, which goes back furthest, has the fewest images.
  const std::vector<Index>& chunks(D& device, Shape source, Index beside) {
    if (source != source_) {
      chunks_ =
          chunks_of_passes(chain_, device, {1, source.h, source.w, source.c}, source.n, beside);
      if (chunk_ > 0) chunks_.assign(chunks_.size(), chunk_);
      source_ = source;
    }
    return chunks_;
  }

  static constexpr Shape none{0, 0, 0, 0};

  Chain<T, D> chain_;
  Kept<State> output_;
  bool streamed_ = false;
  Index chunk_ = 0;
  std::vector<Index> chunks_;
  Shape source_ = none;  ///< which the chunks are of
};

}  // namespace retrace::inline RETRACE_ISA
