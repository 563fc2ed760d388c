// A residual branch made of stages, the last of which adds straight into the target.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"

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

  explicit StackBranch(std::vector<M> stages) : stages_(std::move(stages)) {}
  template <std::same_as<M>... Ms>
  explicit StackBranch(M first, Ms... rest) {
    stages_.push_back(std::move(first));
    (stages_.push_back(std::move(rest)), ...);
  }

  void add_to(Target target, Source source, Run run, Store how) {
    insides_.clear();
    const std::size_t last = stages_.size() - 1;
    require_same_shape("StackBranch::add_to", "target", target.shape(), "the branch's value",
                       output_shape(source.shape()));
    std::optional<State> inside;
    for (std::size_t i = 0; i < last; ++i) {
      const Source in = i == 0 ? source : Source(inside->view());
      State out(target.device(), stages_[i].output_shape(in.shape()),
                run.keep ? Use::stash : Use::activation);
      apply_for_next(i, out.view(), in, run);
      if (inside && run.keep) insides_.push_back(std::move(*inside));
      inside = std::move(out);
    }
    stages_[last].apply(target, last == 0 ? source : Source(inside->view()), run, how);
    if (inside && run.keep) insides_.push_back(std::move(*inside));
  }

  void differentiate(Source source, Source dtarget, Target dsource) {
    if (insides_.size() + 1 != stages_.size())
      throw StateError("StackBranch::differentiate: no evaluation was kept");
    std::optional<Gradient> dinside;
    while (!insides_.empty()) {
      const Source in = insides_.back().view();
      Gradient din(dsource.device(), in.shape(), Use::gradient);
      stages_[insides_.size()].gradient(in, dinside ? Source(dinside->view()) : dtarget, din.view(),
                                        Store::set);
      dinside = std::move(din);
      insides_.pop_back();
    }
    stages_[0].gradient(source, dinside ? Source(dinside->view()) : dtarget, dsource, Store::add);
  }

  Shape output_shape(Shape x) const {
    for (const M& stage : stages_) x = stage.output_shape(x);
    return x;
  }

  void abandon() { insides_.clear(); }
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

  std::vector<M> stages_;
  std::vector<State> insides_;
};

}  // namespace retrace::inline RETRACE_ISA
