// A residual branch made of stages, the last of which adds straight into the target.
#pragma once

#include <algorithm>
#include <concepts>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "retrace/layer/layer.hpp"
#include "retrace/layer/streaming.hpp"

namespace retrace::inline RETRACE_ISA {

/// H = f_k ∘ … ∘ f_1. Between its two calls it holds what lies between the stages: k − 1 tensors,
/// and none for a single stage. The value of H itself is never stored.
template <Stage M>
class StackBranch {
 public:
  using State = typename M::State;
  using Gradient = typename M::Gradient;
  using Source = decltype(std::as_const(std::declval<State&>()).view());
  using Target = decltype(std::declval<State&>().view());
  using Parameters =
      ParameterList<typename State::Element,
                    std::remove_reference_t<decltype(std::declval<const State&>().device())>>;

  explicit StackBranch(std::vector<M> stages) : stages_(std::move(stages)) {}
  template <std::same_as<M>... Ms>
  explicit StackBranch(M first, Ms... rest) {
    stages_.push_back(std::move(first));
    (stages_.push_back(std::move(rest)), ...);
  }

  void add_to(Target target, Source source, Run run, Store how) {
    require_same_shape("StackBranch::add_to", "target", target.shape(), "the branch's value",
                       output_shape(source.shape()));
    evaluate_insides(source, run);
    stages_.back().apply(target, input(stages_.size() - 1, source), run, how);
    if (!run.keep) insides_.clear();
  }

  void differentiate(Source source, Source dtarget, Target dsource) {
    if (insides_.size() + 1 != stages_.size())
      throw StateError("StackBranch::differentiate: no evaluation was kept");
    differentiate_down_to(0, source, dtarget, dsource);
  }

  /// H(x), keeping nothing; x is let go as soon as it has been read.
  State evaluate(State x, Run run) {
    run = preview(run);
    evaluate_insides(std::as_const(x).view(), run);
    if (!insides_.empty()) {
      x = std::move(insides_.back());
      insides_.clear();
    }
    State value(x.device(), stages_.back().output_shape(x.shape()));
    stages_.back().apply(value.view(), std::as_const(x).view(), run, Store::set);
    return value;
  }

  /// Whether a batch of such sources is cut into chunks: in mode `streamed`, where it is more than
  /// one. An image takes so many bytes `beside` what the branch needs for it.
  template <class Any>
  bool streams(const Any& source, Index beside = 0) const {
    return mode_ == Mode::streamed && chunk(source.shape(), beside) < source.shape().n;
  }

  /// target −= H(source), dsource += (∂H/∂source)ᵀ dtarget, chunk by chunk.
  void undo(Target target, Source source, Source dtarget, Target dsource, Run run) {
    stream(
        source.device(), source.shape(), 0,
        [&](Chunk at) { return source.images(at.first, at.count); },
        [&](Chunk at, auto evaluate_to) {
          evaluate_to(target.images(at.first, at.count), Store::subtract);
        },
        dtarget, dsource, run);
  }

  /// The same of a source that load(chunk) makes, a view or a tensor, and a target that
  /// restore(chunk, evaluate_to) takes H from: evaluate_to(view, how).
  ///
  /// Pass p ends with the sums of stage p − 1, whose input gradient but for the means is then
  /// s/σ·g. For the first stage that is added to dsource, and the means are taken off in the end,
  /// so that no pass is needed to use its sums. Two stages thus cost 10 convolutions and their
  /// gradients in all, where one evaluation in backward makes 8, and an ordinary step 6.
  template <class On, class Load, class Restore>
  void stream(On&, Shape source, Index beside, Load load, Restore restore, Source dtarget,
              Target dsource, Run run) {
    Parameters list;
    collect("", list);
    GradientPasses passes(std::move(list));
    if (passes.first() != (normalises ? stages_.size() : 0))
      throw StateError("StackBranch::stream: a stage that normalises has to do so before all else");
    const auto images = [](auto view, Chunk at) { return view.images(at.first, at.count); };
    const Index size = chunk(source, beside);
    std::size_t pass = passes.first();
    do {
      passes.begin(pass);
      for_each_chunk(source.n, size, [&](Chunk at) {
        const auto some = load(at);
        evaluate_insides(view_of(some), replay(run, at));
        if (pass == passes.first())
          restore(at, [&](Target target, Store how) {
            stages_.back().apply(target, input(stages_.size() - 1, view_of(some)), replay(run, at),
                                 how);
          });
        differentiate_down_to(std::max<std::size_t>(pass, 1) - 1, view_of(some),
                              images(dtarget, at), images(dsource, at));
      });
      passes.end(pass);
    } while (pass-- > 1);
    if constexpr (normalises)
      for_each_chunk(source.n, size, [&](Chunk at) {
        stages_[0].take_off_means(images(dsource, at), view_of(load(at)));
      });
    passes.complete();
  }

  void set_mode(Mode mode) { mode_ = mode; }
  /// Images in a chunk; 0 takes what suits the cache.
  void set_chunk(Index images) { chunk_ = images; }

  Shape output_shape(Shape x) const {
    for (const M& stage : stages_) x = stage.output_shape(x);
    return x;
  }

  void abandon() {
    insides_.clear();
    if constexpr (requires(M stage) { stage.abandon(); })
      for (M& stage : stages_) stage.abandon();
  }
  template <class List>
  void collect(const std::string& prefix, List& list) {
    for (std::size_t i = 0; i < stages_.size(); ++i)
      stages_[i].collect(joined(prefix, "conv" + std::to_string(i)), list);
  }

  M& stage(std::size_t index) { return stages_[index]; }

 private:
  /// A stage may gather what the next one needs to know of its input.
  void apply_for_next(std::size_t i, Target out, Source in, Run run) {
    if constexpr (requires { stages_[i].apply(out, in, run, Store::set, &stages_[i + 1]); })
      stages_[i].apply(out, in, run, Store::set, &stages_[i + 1]);
    else
      stages_[i].apply(out, in, run, Store::set);
  }

  static constexpr bool normalises = requires(M stage, Target dx, Source x) {
    stage.take_off_means(dx, x);
  };

  static Source view_of(Source some) { return some; }
  static Source view_of(const State& some) { return some.view(); }

  /// Of stage i.
  Source input(std::size_t i, Source source) const {
    return i == 0 ? source : Source(insides_.back().view());
  }

  /// What lies between the stages; the last of it alone where nothing is kept.
  void evaluate_insides(Source source, Run run) {
    const Use use = run.chunk.count > 0 ? Use::workspace : run.keep ? Use::stash : Use::activation;
    insides_.clear();
    for (std::size_t i = 0; i + 1 < stages_.size(); ++i) {
      const Source in = input(i, source);
      State out(source.device(), stages_[i].output_shape(in.shape()), use);
      apply_for_next(i, out.view(), in, run);
      if (!run.keep) insides_.clear();
      insides_.push_back(std::move(out));
    }
  }

  /// Takes the insides up. What stages above the lowest give goes no further than that.
  void differentiate_down_to(std::size_t lowest, Source source, Source dtarget, Target dsource) {
    std::optional<Gradient> dinside;
    for (std::size_t i = stages_.size(); i-- > std::max<std::size_t>(lowest, 1);) {
      const Source in = insides_.back().view();
      Gradient din(dsource.device(), in.shape(), Use::gradient);
      stages_[i].gradient(in, dinside ? Source(dinside->view()) : dtarget, din.view(), Store::set);
      dinside = std::move(din);
      insides_.pop_back();
    }
    if (lowest == 0)
      stages_[0].gradient(source, dinside ? Source(dinside->view()) : dtarget, dsource, Store::add);
    insides_.clear();
  }

  /// The scratch of an image: what lies between the stages, and one gradient more.
  Index chunk(Shape source, Index beside) const {
    if (chunk_ > 0) return chunk_;
    const Index batch = std::exchange(source.n, 1);
    Index insides = 0, largest = normalises ? source.size() : 0;
    for (std::size_t i = 0; i + 1 < stages_.size(); ++i) {
      source = stages_[i].output_shape(source);
      insides += source.size();
      largest = std::max(largest, source.size());
    }
    constexpr Index bytes = sizeof(typename State::Element);
    const Index own = (insides + largest) * bytes;
    return chunk_images(own > 0 ? own + beside : 0, batch);
  }

  std::vector<M> stages_;
  std::vector<State> insides_;
  Mode mode_ = Mode::reversible;
  Index chunk_ = 0;
};

}  // namespace retrace::inline RETRACE_ISA
