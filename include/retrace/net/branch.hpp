// A residual branch: a chain used as a stage.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/sequence.hpp"
#include "retrace/layer/chunks.hpp"
#include "retrace/layer/kept.hpp"
#include "retrace/layer/store_by.hpp"
#include "retrace/net/chain.hpp"
#include "retrace/net/chunked_chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// H = the chain, out of place. A stage at its beginning reads the source where it is, and one at
/// its end adds straight into the target; a layer at its beginning works on a copy of the source.
///
/// Stores    between an apply() that keeps and its gradient(): what the layers store. If nothing
/// was
///           kept, gradient() evaluates the chain again. In mode `inverted` layers reconstruct
///           their inputs; in the other modes they store them. In mode `chunked` all of this
///           exists for one chunk of images at a time.
///
/// A branch *by positions* treats every position as an image of its own, so that chunks of images
/// are chunks of positions. Each output of such a chain depends on one position only.
template <class T, Device D>
class Branch {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  using Target = View<T, D>;
  using Source = View<const T, D>;

  Branch() : Branch(Chain<T, D>()) {}
  explicit Branch(Chain<T, D> chain) : chain_(std::move(chain)) { set_mode(Mode::reversible); }
  Branch(Branch&&) noexcept = default;
  Branch& operator=(Branch&&) noexcept = default;
  Branch(const Branch& other)
      : chain_(other.chain_.clone()),
        by_positions_(other.by_positions_),
        mode_(other.mode_),
        chunk_(other.chunk_) {}

  /// Adds a stage or a layer, as Chain::add does.
  template <class N>
  Branch& add(std::string name, N node) {
    chain_.add(std::move(name), std::move(node));
    set_mode(mode_);
    return *this;
  }

  Branch&& by_positions() && {
    by_positions_ = true;
    return std::move(*this);
  }
  /// The same elements as the chain sees them.
  template <class V>
  V seen(V x) const {
    return by_positions_ ? positions(x) : x;
  }

  /// @throws ShapeError if the chain cannot take x, or changes its pixels and is one by positions.
  Shape output_shape(Shape x) const {
    const Shape y = chain_.output_shape(seen(x));
    if (!by_positions_) return y;
    require_same_shape("Branch", "its output", y, "one pixel for each position",
                       with_channels(positions(x), y.c));
    return with_channels(x, y.c);
  }

  /// target =, += or −= H(source).
  void apply(Target whole_target, Source whole_source, Run run, Store how) {
    const Target target = seen(whole_target);
    const Source source = seen(whole_source);
    run = seen(run, whole_source.shape());
    run_ = run;
    kept_.abandon();
    // The statistics of a batch need all of it; a branch of one pass has no normalisation.
    const bool needs_batch = run.statistics == Statistics::batch &&
                             !(by_positions_ && ends_of_passes(chain_).size() == 1);
    const bool by_chunks = run.chunk.count == 0 && !needs_batch && splits(source);
    if (!by_chunks) return evaluate_to(target, source, run, how);
    for_each_chunk(source.shape().n, chunks_.back(), [&](Chunk at) {
      Run some = preview(run);
      some.chunk = at;
      evaluate_to(images(target, at), images(source, at), some, how);
    });
  }

  /// Whether all of the source has been read before anything is added, so that a target may be the
  /// source.
  bool reads_source_first() const { return chain_.size() > 1 && mode_ != Mode::chunked; }

  /// dsource =, += or −= (∂H/∂source)ᵀ dtarget, of the last apply().
  void gradient(Source whole_source, Source whole_dtarget, Target whole_dsource, Store how) {
    const Source source = seen(whole_source), dtarget = seen(whole_dtarget);
    const Target dsource = seen(whole_dsource);
    if (kept_.holds()) return differentiate(0, source, dtarget, dsource, how);
    if (splits(source)) {
      if (how == Store::set) fill(dsource, T(0));
      if (how == Store::subtract) throw StateError("Branch: a gradient is set or added, in chunks");
      return backward_in_chunks(
          source.device(), source.shape(), 0, [&](Chunk at) { return images(source, at); },
          [](Chunk, auto) {}, dtarget, dsource, run_);
    }
    evaluate_insides(source, replay(run_), 0);
    keep_for_last(source, replay(run_));
    differentiate(0, source, dtarget, dsource, how);
  }

  /// target −= H(source) and dsource += (∂H/∂source)ᵀ dtarget, with one evaluation of H.
  void undo(Target whole_target, Source whole_source, Source whole_dtarget, Target whole_dsource,
            Run run) {
    const Target target = seen(whole_target), dsource = seen(whole_dsource);
    const Source source = seen(whole_source), dtarget = seen(whole_dtarget);
    run = seen(run, whole_source.shape());
    run_ = run;
    if (splits(source))
      return backward_in_chunks(
          source.device(), source.shape(), 0, [&](Chunk at) { return images(source, at); },
          [&](Chunk at, auto evaluate) { evaluate(images(target, at), Store::subtract); }, dtarget,
          dsource, run);
    kept_.abandon();
    const bool as_chunk = mode_ == Mode::chunked && run.chunk.count == 0;
    evaluate_to(target, source, as_chunk ? replay(run, {0, source.shape().n}) : replay(run),
                Store::subtract);
    differentiate(0, source, dtarget, dsource, Store::add);
  }

  /// H(x), storing nothing; x is freed as soon as it has been read.
  State evaluate(State x, Run run) {
    run.restore = false;
    const Shape whole = x.shape();
    x.reshape(seen(whole));
    chain_.forward(x, preview(seen(run, whole)), 0, chain_.size());
    if (by_positions_) x.reshape(with_channels(whole, x.shape().c));
    return x;
  }

  /// Returns whether a batch of such sources is split into chunks: in mode `chunked`, if it is
  /// larger than one chunk. Each image takes `beside` bytes in addition to those of the branch.
  template <class Any>
  bool in_chunks(Any source, Index beside = 0) {
    return splits(seen(source), beside);
  }

  /// Computes dsource += (∂H/∂source)ᵀ dtarget chunk by chunk. load(chunk) returns the source as a
  /// view or a tensor. restore(chunk, evaluate) is called once per chunk; evaluate(view, how)
  /// computes H of the chunk. All shapes are those that the chain sees.
  ///
  /// Pass p ends with the sums of normalisation p − 1, whose input gradient, except for the means,
  /// is then s/σ·g. If the chain begins with that normalisation, s/σ·g is added to dsource at once,
  /// and the means are subtracted at the end, which saves a pass. Two stages thus cost 10
  /// convolutions and convolution gradients in total. One evaluation in backward costs 8, and an
  /// ordinary step 6.
  template <class Load, class Restore>
  void backward_in_chunks(D& device, Shape source, Index beside, Load load, Restore restore,
                          Source whole_dtarget, Target whole_dsource, Run run) {
    const Source dtarget = seen(whole_dtarget);
    const Target dsource = seen(whole_dsource);
    const std::vector<Index> sizes = chunks(device, source, beside);
    const std::vector<std::size_t> ends = ends_of_passes(chain_);
    GradientPasses passes(chain_.parameters());
    const bool takes_off_means =
        passes.first() > 0 && ends[1] == 0 && stage(0) && stage(0)->takes_off_means();
    for (std::size_t pass = passes.first() + 1; pass-- > (takes_off_means ? 1u : 0u);) {
      passes.begin(pass);
      for_each_chunk(source.n, sizes[pass], [&](Chunk at) {
        const auto some = load(at);
        const Run again = replay(run, at);
        evaluate_insides(view_of(some), again, ends[pass]);
        bool finished = false;
        if (pass == passes.first())
          restore(at, [&](Target target, Store how) {
            finish(target, view_of(some), again, how);
            finished = true;
          });
        if (!finished) keep_for_last(view_of(some), again);
        differentiate(ends[pass], view_of(some), images(dtarget, at), images(dsource, at),
                      Store::add);
      });
      passes.end(pass);
    }
    if (takes_off_means)
      for_each_chunk(source.n, sizes[1], [&](Chunk at) {
        const auto some = load(at);
        stage(0)->take_off_means(images(dsource, at), view_of(some));
      });
    passes.complete();
  }

  void set_mode(Mode mode) {
    mode_ = mode;
    chain_.set_mode(mode == Mode::inverted ? Mode::reversible : Mode::stored);
    measured_ = {};
  }
  /// Images in a chunk; 0 takes what suits the cache.
  void set_chunk(Index images) {
    chunk_ = images;
    measured_ = {};
  }
  void set_time(const Time& time) { chain_.set_time(time); }
  void fuse() {
    chain_.fuse();
    measured_ = {};
  }
  void watch(const std::string& prefix, InputWatch<Gradient>* watch) {
    chain_.watch(prefix, watch);
  }
  void abandon() {
    kept_.abandon();
    chain_.abandon();
  }
  void collect(const std::string& prefix, ParameterList<T, D>& list) {
    chain_.collect(prefix, list);
  }

  Chain<T, D>& chain() { return chain_; }
  const Chain<T, D>& chain() const { return chain_; }

 private:
  Shape seen(Shape x) const { return by_positions_ ? positions(x) : x; }
  /// The chunk of a run counts positions too.
  Run seen(Run run, Shape x) const {
    if (!by_positions_ || run.chunk.count == 0) return run;
    run.chunk = {run.chunk.first * x.h * x.w, run.chunk.count * x.h * x.w};
    return run;
  }
  static Source view_of(Source some) { return some; }
  static Source view_of(const State& some) { return some.view(); }
  template <class V>
  static V images(V view, Chunk at) {
    return view.images(at.first, at.count);
  }

  StageAccess<T, D, T>* stage(std::size_t index) { return chain_.link(index).stage(); }
  /// Layers [begin(), end()) work in place, between a first and a last stage.
  std::size_t begin() { return stage(0) ? 1 : 0; }
  std::size_t end() { return chain_.size() - (stage(chain_.size() - 1) ? 1 : 0); }
  bool is_one_stage() { return chain_.size() == 1 && stage(0); }

  void evaluate_to(Target target, Source source, Run run, Store how) {
    require_same_shape("Branch", "y", target.shape(), "the branch's output",
                       output_shape(source.shape()));
    if (chain_.size() == 0) return store_value(how, target, source);
    evaluate_insides(source, run, run.keep ? 0 : chain_.size());
    finish(target, source, run, how);
    if (!run.keep) kept_.abandon();
  }

  /// Computes the input of the last stage, or H(source) if the last one is a layer. Layers from
  /// `keep_from` on store what backward needs.
  void evaluate_insides(Source source, Run run, std::size_t keep_from) {
    if (is_one_stage()) return;
    run.restore = false;
    of_last_.reset();
    D& device = source.device();
    State x = stage(0) ? State(device, chain_.link(0).output_shape(source.shape()))
                       : clone(source, run.chunk.count > 0 ? Use::workspace : Use::activation);
    std::optional<Moments<D>> of_x;
    if (stage(0)) {
      Moments<D>* measured = chain_.moments_after(0, device, source.shape(), run, of_x);
      at(0, device, [&] { stage(0)->apply(x.view(), source, run, Store::set, nullptr, measured); });
    }
    const std::size_t middle = std::clamp(keep_from, begin(), end());
    const auto measure_for_last = [&](std::size_t first) {
      return end() < chain_.size() && end() > first
                 ? chain_.moments_after(end() - 1, device, x.shape(), run, of_last_)
                 : nullptr;
    };
    const Moments<D>* given = of_x ? &*of_x : nullptr;
    if (middle > begin())
      chain_.forward(x, preview(run), begin(), middle, given,
                     middle == end() ? measure_for_last(begin()) : nullptr);
    if (middle < end())
      chain_.forward(x, run, middle, end(), middle == begin() ? given : nullptr,
                     measure_for_last(middle));
    if (begin() == end()) of_last_ = std::move(of_x);
    run.keep = true;
    kept_.take_over(std::move(x), run);
  }

  /// target =, += or −= H(source), of the insides that have been computed.
  void finish(Target target, Source source, Run run, Store how) {
    const std::size_t last = chain_.size() - 1;
    const Source x = is_one_stage() ? source : kept_.peek("Branch").view();
    if (!stage(last)) {
      store_value(how, target, x);
      if (!chain_.reads_output()) kept_.shrink();
      return;
    }
    at(last, target.device(),
       [&] { stage(last)->apply(target, x, run, how, of_last_ ? &*of_last_ : nullptr, nullptr); });
    of_last_.reset();
  }

  /// Lets the last stage keep what finish() would have kept.
  void keep_for_last(Source source, Run run) {
    const std::size_t last = chain_.size() - 1;
    if (!stage(last)) return;
    const Source x = is_one_stage() ? source : kept_.peek("Branch").view();
    at(last, source.device(), [&] { stage(last)->keep(x, run); });
  }

  /// Consumes the insides. Backward stops at layer `lowest`; dsource is written only if that is 0.
  void differentiate(std::size_t lowest, Source source, Source dtarget, Target dsource, Store how) {
    const std::size_t last = chain_.size() - 1;
    D& device = dsource.device();
    if (is_one_stage())
      return at(0, device, [&] { stage(0)->gradient(source, dtarget, dsource, how); });
    State y = kept_.give_back("Branch");
    Gradient g =
        stage(last) ? Gradient(device, y.shape(), Use::gradient) : clone(dtarget, Use::gradient);
    if (stage(last)) {
      at(last, device,
         [&] { stage(last)->gradient(std::as_const(y).view(), dtarget, g.view(), Store::set); });
      if (begin() == end() || !chain_.reads_output(end() - 1)) y = State::none(device);
    }
    chain_.backward(y, g, std::max(lowest, begin()), end());
    y = State::none(device);
    if (lowest > 0) return;
    const Source dx = std::as_const(g).view();
    if (stage(0))
      at(0, device, [&] { stage(0)->gradient(source, dx, dsource, how); });
    else
      store_value(how, dsource, dx);
  }

  template <class Body>
  void at(std::size_t index, D& device, Body body) {
    at_place(device.memory(), chain_.name(index), body);
  }

  /// in_chunks() of a source as the chain sees it.
  template <class Any>
  bool splits(Any source, Index beside = 0) {
    if (mode_ != Mode::chunked || chain_.size() == 0) return false;
    return chunks(source.device(), source.shape(), beside).front() < source.shape().n;
  }

  /// By pass; the first of them, which goes back furthest, has the fewest images.
  const std::vector<Index>& chunks(D& device, Shape source, Index beside) {
    if (source == measured_ && beside == beside_) return chunks_;
    if (chunk_ > 0)
      chunks_.assign(ends_of_passes(chain_).size(), chunk_);
    else
      chunks_ = chunks_of_passes(chain_, source.n, beside, [&](std::size_t lowest, Index images) {
        return workspace(device, {images, source.h, source.w, source.c}, lowest);
      });
    measured_ = source;
    beside_ = beside;
    return chunks_;
  }

  /// Bytes that backward in one chunk of that shape takes down to layer `lowest`.
  Index workspace(D& device, Shape shape, std::size_t lowest) {
    typename D::Rehearsal rehearsal(device);
    const AbsentGradients<T, D> absent(chain_.parameters());
    const State source(device, shape), dtarget(device, output_shape(shape), Use::gradient);
    Gradient dsource(device, shape, Use::gradient);
    const std::size_t before = device.memory().live().total();
    device.memory().restart_peak();
    const Run run = replay(training, {0, shape.n});
    evaluate_insides(source.view(), run, lowest);
    keep_for_last(source.view(), run);
    differentiate(lowest, source.view(), dtarget.view(), dsource.view(), Store::add);
    return static_cast<Index>(device.memory().peak().total() - before);
  }

  static constexpr Shape none{0, 0, 0, 0};

  Chain<T, D> chain_;
  bool by_positions_ = false;
  Mode mode_ = Mode::reversible;
  Run run_ = training;
  Kept<State> kept_;                   ///< the input of the last stage, or the output
  std::optional<Moments<D>> of_last_;  ///< its moments, for the last stage
  Index chunk_ = 0;
  std::vector<Index> chunks_;
  Shape measured_ = none;  ///< the source that the chunks are for
  Index beside_ = 0;
};

}  // namespace retrace::inline RETRACE_ISA
