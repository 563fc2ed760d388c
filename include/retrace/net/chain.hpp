// Backpropagation without a tape.
#pragma once

#include <cmath>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/error.hpp"
#include "retrace/core/precision.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/net/link.hpp"

namespace retrace::inline RETRACE_ISA {

/// Layers one after another. One tensor flows forward through all of them; backward walks the
/// same layers in reverse, and each gives back the input that the one before it needs. A chain
/// is itself a layer: a network is a chain, and so may be a residual branch.
///
/// If a pass throws, everything that passes have kept is dropped, and the next one starts clean.
template <class P, Device D>
class Chain {
 public:
  using State = Tensor<typename P::State, D>;
  using Gradient = Tensor<typename P::Gradient, D>;
  using Parameters = ParameterList<typename P::Branch, D>;

  enum class Pass { forward, inverse, backward };
  /// What an observer sees after each layer: in backward, x is that layer's restored input.
  struct Visit {
    const std::string& layer;
    Pass pass;
    const State& x;
    const Gradient* dx;  ///< in backward only
  };
  using Observer = std::function<void(const Visit&)>;

  template <Layer L>
  requires std::same_as<typename L::State, State> && std::same_as<typename L::Gradient, Gradient>
      Chain& add(std::string name, L layer) {
    links_.push_back(std::make_unique<LinkTo<L, Parameters>>(std::move(name), std::move(layer)));
    return *this;
  }

  /// x becomes the output of the last layer.
  void forward(State& x, Run run) {
    guarded([&] {
      run_ = run;
      checkpoints_.clear();
      if (interval_ == 0 || !run.keep) return forward(x, run, 0, links_.size());
      for (std::size_t first = 0; first < links_.size(); first += interval_) {
        const bool last = first + interval_ >= links_.size();
        if (!last) checkpoints_.push_back(clone(x, Use::stash));
        forward(x, last ? run : preview(run), first, end_of(first));
      }
    });
  }

  /// y becomes the input of the first layer.
  /// @throws StateError naming the first layer met that has no inverse.
  void inverse(State& y, Run run) {
    guarded([&] {
      for (std::size_t i = links_.size(); i-- > 0;) {
        MemoryMeter::Place place(y.device().memory(), links_[i]->name);
        links_[i]->inverse(y, run);
        visit(i, Pass::inverse, y);
      }
    });
  }

  /// y becomes the input of the first layer again, dy the gradient with respect to it.
  void backward(State& y, Gradient& dy) {
    guarded([&] {
      if (interval_ == 0 || links_.empty()) return backward(y, dy, 0, links_.size());
      std::size_t first = (links_.size() - 1) / interval_ * interval_;
      backward(y, dy, first, links_.size());
      while (!checkpoints_.empty()) {
        first -= interval_;
        y = std::move(checkpoints_.back()).as(Use::activation);
        checkpoints_.pop_back();
        forward(y, replay(run_), first, end_of(first));
        backward(y, dy, first, end_of(first));
      }
    });
  }

  /// What every layer keeps; ends checkpointing.
  void set_mode(Mode mode) {
    interval_ = 0;
    for (auto& link : links_) link->set_mode(mode);
  }
  void set_mode(std::size_t index, Mode mode) { links_.at(index)->set_mode(mode); }

  /// Keeps the input of every `interval`-th layer alone, and runs the layers in between once
  /// more, stored, in backward (Chen et al. 2016). The last segment is stored at once.
  void checkpoint_every(std::size_t interval) {
    if (interval == 0) throw std::invalid_argument("Chain::checkpoint_every: interval must be > 0");
    set_mode(Mode::stored);
    interval_ = interval;
  }
  /// checkpoint_every(√L) for L layers, which makes memory grow with √L.
  void checkpoint_sqrt() {
    checkpoint_every(static_cast<std::size_t>(
        std::lround(std::sqrt(static_cast<double>(std::max<std::size_t>(links_.size(), 1))))));
  }

  bool reads_output() const {
    return interval_ == 0 && !links_.empty() && links_.back()->reads_output();
  }

  /// Drops whatever a pass has kept, after an error or a signal.
  void abandon() {
    checkpoints_.clear();
    for (auto& link : links_) link->abandon();
  }

  void collect(const std::string& prefix, Parameters& list) {
    for (auto& link : links_) link->collect(joined(prefix, link->name), list);
  }
  Parameters parameters() {
    Parameters list;
    collect("", list);
    return list;
  }

  std::size_t size() const { return links_.size(); }
  const std::string& name(std::size_t index) const { return links_.at(index)->name; }

  /// Lets every layer be watched that computes its input again, those within branches too, and the
  /// watch decide which become anchors, in place of any other watch.
  void watch(InputWatch<Gradient>* watch) { this->watch("", watch); }
  void end_watch(const InputWatch<Gradient>* watch) {
    if (watch_ == watch) this->watch("", nullptr);
  }
  void watch(const std::string& prefix, InputWatch<Gradient>* watch) {
    watch_ = watch;
    for (auto& link : links_) link->watch(prefix, watch);
  }

  /// Calls the observer after every layer of every pass from now on; an empty one ends that.
  void observe(Observer observer) { observer_ = std::move(observer); }

 private:
  std::size_t end_of(std::size_t first) const { return std::min(first + interval_, links_.size()); }

  void forward(State& x, Run run, std::size_t first, std::size_t end) {
    for (std::size_t i = first; i < end; ++i) {
      // A layer's input is the output of the one before it, which may not want it back; that of a
      // later segment is computed again.
      if (i > 0) run.restore = i > first && links_[i - 1]->reads_output();
      MemoryMeter::Place place(x.device().memory(), links_[i]->name);
      links_[i]->forward(x, run);
      visit(i, Pass::forward, x);
    }
  }

  void backward(State& y, Gradient& dy, std::size_t first, std::size_t end) {
    for (std::size_t i = end; i-- > first;) {
      MemoryMeter::Place place(dy.device().memory(), links_[i]->name);
      links_[i]->backward(y, dy);
      visit(i, Pass::backward, y, &dy);
    }
  }

  void visit(std::size_t index, Pass pass, const State& x, const Gradient* dx = nullptr) const {
    if (observer_) observer_({links_[index]->name, pass, x, dx});
  }

  template <class Body>
  void guarded(Body body) {
    try {
      body();
    } catch (...) {
      abandon();
      throw;
    }
  }

  std::vector<std::unique_ptr<Link<State, Gradient, Parameters>>> links_;
  std::vector<State> checkpoints_;
  std::size_t interval_ = 0;
  Run run_ = training;
  Observer observer_;
  InputWatch<Gradient>* watch_ = nullptr;
};

}  // namespace retrace::inline RETRACE_ISA
