// A residual branch that is any chain of layers.
#pragma once

#include <string>
#include <utility>

#include "retrace/layer/kept.hpp"
#include "retrace/net/chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// H = the chain, run on a copy of the source. In mode `inverted` its layers reconstruct their
/// inputs in backward, so that two tensors are all a branch of invertible layers ever needs; in
/// the other modes they keep them while the branch is differentiated.
template <class P, Device D>
class ChainBranch {
 public:
  using State = typename Chain<P, D>::State;
  using Gradient = typename Chain<P, D>::Gradient;
  using Target = View<typename State::Element, D>;
  using Source = View<const typename State::Element, D>;
  using GradientTarget = View<typename Gradient::Element, D>;
  using GradientSource = View<const typename Gradient::Element, D>;

  explicit ChainBranch(Chain<P, D> chain) : chain_(std::move(chain)) { set_mode(Mode::reversible); }

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

  void set_mode(Mode mode) {
    chain_.set_mode(mode == Mode::inverted ? Mode::reversible : Mode::stored);
  }
  void watch(const std::string& prefix, InputWatch<Gradient>* watch) {
    chain_.watch(prefix, watch);
  }
  void abandon() {
    output_.abandon();
    chain_.abandon();
  }
  void collect(const std::string& prefix, typename Chain<P, D>::Parameters& list) {
    chain_.collect(prefix, list);
  }

  Chain<P, D>& chain() { return chain_; }

 private:
  Chain<P, D> chain_;
  Kept<State> output_;
};

}  // namespace retrace::inline RETRACE_ISA
