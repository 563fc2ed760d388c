// Backpropagation without a tape.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/error.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/net/link.hpp"
#include "retrace/net/modes.hpp"

namespace retrace::inline RETRACE_ISA {

/// Layers one after another. One tensor flows forward through all of them; backward walks the
/// same layers in reverse, and each gives back the input that the one before it needs. A chain
/// is itself a layer: a network is a chain, and so may be a residual branch.
///
/// The state has elements S, parameters and gradients T: a fixed-point state has floating-point
/// gradients.
///
/// If a pass throws, everything that passes have kept is dropped, and the next one starts clean.
template <class T, Device D, class S = T>
class Chain {
 public:
  using State = Tensor<S, D>;
  using Gradient = Tensor<T, D>;
  using Parameters = ParameterList<T, D>;
  using Target = View<S, D>;
  using Source = View<const S, D>;

  enum class Pass { forward, inverse, backward };
  /// What an observer sees after each layer: in backward, x is that layer's restored input.
  struct Visit {
    const std::string& layer;
    Pass pass;
    const State& x;
    const Gradient* dx;              ///< in backward only
    MemoryMeter& memory;             ///< whose peak, restarted at every visit, is that of one layer
    std::optional<double> decibels;  ///< in backward, of x beside the truth, if a watch measures it
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
      for (const Part& part : parts()) {
        if (part.recomputed && run.keep) checkpoints_.push_back(clone(x, Use::stash));
        forward(x, part.recomputed ? preview(run) : restoring(run, part), part.first, part.end);
      }
    });
  }

  /// y becomes the input of the first layer.
  /// @throws StateError naming the first layer met that has no inverse.
  void inverse(State& y, Run run) {
    guarded([&] { inverse(y, run, 0, links_.size()); });
  }

  /// y becomes the input of the first layer again, dy the gradient with respect to it.
  void backward(State& y, Gradient& dy) {
    guarded([&] {
      const std::vector<Part> all = parts();
      for (auto part = all.rbegin(); part != all.rend(); ++part) {
        if (part->recomputed) {
          if (checkpoints_.empty())
            throw StateError(
                "Chain::backward: no forward pass has kept a checkpoint; run forward "
                "with `training` first");
          y = std::move(checkpoints_.back()).as(Use::activation);
          checkpoints_.pop_back();
          forward(y, restoring(replay(run_), *part), part->first, part->end);
        }
        backward(y, dy, part->first, part->end);
      }
    });
  }

  /// What every layer keeps; ends checkpointing.
  void set_mode(Mode mode) {
    recomputed_.clear();
    for (auto& link : links_) link->set_mode(mode);
  }
  void set_mode(std::size_t index, Mode mode) { links_.at(index)->set_mode(mode); }

  /// What every layer was told, those inside chains within this one too, and what is recomputed.
  Modes modes() const {
    Modes modes;
    for (const auto& link : links_) modes.inside.push_back(link->modes());
    for (const Part& part : recomputed_) modes.recomputed.push_back({part.first, part.end});
    return modes;
  }
  /// Tells every layer again. Like any mode, this ends anchors.
  /// @throws std::invalid_argument if they are those of a chain of another length.
  void set_modes(const Modes& modes) {
    if (modes.inside.size() != links_.size())
      throw std::invalid_argument("Chain::set_modes: there are modes of " +
                                  std::to_string(modes.inside.size()) + " layers for " +
                                  std::to_string(links_.size()));
    recomputed_.clear();
    for (std::size_t i = 0; i < links_.size(); ++i) links_[i]->set_modes(modes.inside[i]);
    for (const auto& [first, end] : modes.recomputed) recompute(first, end);
  }
  /// Images in a chunk in mode `streamed`; 0 takes what suits the cache.
  void set_chunk(Index images) {
    for (auto& link : links_) link->set_chunk(images);
  }

  /// Keeps the input of layer `first` alone, and runs layers [first, end) once more in backward, in
  /// modes of their own. Behind segments that were given before, until a mode is set for all.
  /// @throws std::invalid_argument if there are no such layers, or they overlap such a segment.
  void recompute(std::size_t first, std::size_t end) {
    const std::size_t least = recomputed_.empty() ? 0 : recomputed_.back().end;
    if (first < least || first >= end || end > links_.size())
      throw std::invalid_argument("Chain::recompute: layers " + std::to_string(first) + " to " +
                                  std::to_string(end) + " are not a segment behind layer " +
                                  std::to_string(least) + " of " + std::to_string(links_.size()));
    recomputed_.push_back({first, end, true});
  }

  /// Keeps the input of every `interval`-th layer alone, and runs the layers in between once
  /// more, stored, in backward (Chen et al. 2016). The last segment is stored at once.
  void checkpoint_every(std::size_t interval) {
    if (interval == 0) throw std::invalid_argument("Chain::checkpoint_every: interval must be > 0");
    set_mode(Mode::stored);
    for (std::size_t first = 0; first + interval < links_.size(); first += interval)
      recompute(first, first + interval);
  }
  /// checkpoint_every(√L) for L layers, which makes memory grow with √L.
  void checkpoint_sqrt() {
    checkpoint_every(static_cast<std::size_t>(
        std::lround(std::sqrt(static_cast<double>(std::max<std::size_t>(links_.size(), 1))))));
  }

  /// Makes one layer of every normalisation and the convolution that follows it, here and within
  /// layers; ends checkpointing. The network computes the same, but keeps other tensors.
  void fuse() {
    abandon();
    recomputed_.clear();
    for (auto& link : links_) link->fuse();
    for (std::size_t i = 1; i < links_.size(); ++i)
      if (auto* norm = links_[i - 1]->normalisation())
        if (auto fused = links_[i]->behind(*norm)) {
          links_[i] = std::move(fused);
          links_.erase(links_.begin() + static_cast<std::ptrdiff_t>(i) - 1);
        }
  }

  bool reads_output() const { return !links_.empty() && reads_output(links_.size() - 1); }
  /// Of one layer: whether the next one has to restore its input.
  bool reads_output(std::size_t index) const {
    const bool again = std::any_of(recomputed_.begin(), recomputed_.end(),
                                   [=](const Part& part) { return part.end == index + 1; });
    return !again && links_.at(index)->reads_output();
  }

  /// Drops whatever a pass has kept, after an error or a signal.
  void abandon() {
    checkpoints_.clear();
    for (auto& link : links_) link->abandon();
  }

  void collect(const std::string& prefix, Parameters& list) {
    for (std::size_t i = 0; i < links_.size(); ++i) collect(i, prefix, list);
  }
  /// Of one layer.
  void collect(std::size_t index, const std::string& prefix, Parameters& list) {
    links_.at(index)->collect(joined(prefix, links_[index]->name), list);
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

  /// Whether all layers are stages, and there is one before the last, so that add_to() works.
  bool staged() const {
    return links_.size() > 1 && std::all_of(links_.begin(), links_.end(),
                                            [](const auto& link) { return link->is_stage(); });
  }
  /// target += the chain's value, the last layer adding straight into it; keeps nothing. target may
  /// be source.
  /// @throws ShapeError unless target has the shape of the value.
  void add_to(Target target, Source source, Run run) {
    std::optional<State> inside;
    for (const auto& link : links_) {
      MemoryMeter::Place place(target.device().memory(), link->name);
      const auto x = inside ? std::as_const(*inside).view() : source;
      const Shape shape = link->output_shape(x.shape());
      if (link == links_.back()) {
        require_same_shape("Chain::add_to", "target", target.shape(), "the chain's value", shape);
        return link->apply(target, x, run, Store::add);
      }
      State y(target.device(), shape);
      link->apply(y.view(), x, run, Store::set);
      inside = std::move(y);
    }
  }

  /// Calls the observer after every layer of every pass from now on; an empty one ends that.
  /// @return the one before
  Observer observe(Observer observer) { return std::exchange(observer_, std::move(observer)); }

  /// The same for as long as this lives; then the one before is called again.
  class Observed {
   public:
    Observed(Chain& chain, Observer observer)
        : chain_(chain), before_(chain.observe(std::move(observer))) {}
    ~Observed() { chain_.observe(std::move(before_)); }
    Observed(const Observed&) = delete;
    Observed& operator=(const Observed&) = delete;

   private:
    Chain& chain_;
    Observer before_;
  };

  /// Layers [first, end) alone; `run.restore` is for the first of them.
  void forward(State& x, Run run, std::size_t first, std::size_t end) {
    for (std::size_t i = first; i < end; ++i) {
      // A layer's input is the output of the one before it, which may not want it back.
      if (i > first) run.restore = links_[i - 1]->reads_output();
      MemoryMeter::Place place(x.device().memory(), links_[i]->name);
      links_[i]->forward(x, run);
      visit(i, Pass::forward, x);
    }
  }
  void inverse(State& y, Run run, std::size_t first, std::size_t end) {
    for (std::size_t i = end; i-- > first;) {
      MemoryMeter::Place place(y.device().memory(), links_[i]->name);
      links_[i]->inverse(y, run);
      visit(i, Pass::inverse, y);
    }
  }
  void backward(State& y, Gradient& dy, std::size_t first, std::size_t end) {
    for (std::size_t i = end; i-- > first;) {
      MemoryMeter::Place place(dy.device().memory(), links_[i]->name);
      links_[i]->backward(y, dy);
      visit(i, Pass::backward, y, &dy);
    }
  }

 private:
  /// Layers [first, end), recomputed in backward or not.
  struct Part {
    std::size_t first, end;
    bool recomputed;
  };

  /// The recomputed segments and what lies between them.
  std::vector<Part> parts() const {
    std::vector<Part> all;
    std::size_t at = 0;
    for (const Part& part : recomputed_) {
      if (at < part.first) all.push_back({at, part.first, false});
      all.push_back(part);
      at = part.end;
    }
    if (at < links_.size()) all.push_back({at, links_.size(), false});
    return all;
  }
  /// The run of a part whose first layer restores its input where the layer before needs that.
  Run restoring(Run run, const Part& part) const {
    if (part.first > 0) run.restore = reads_output(part.first - 1);
    return run;
  }

  void visit(std::size_t index, Pass pass, const State& x, const Gradient* dx = nullptr) const {
    if (!observer_) return;
    const auto decibels = pass == Pass::backward ? links_[index]->decibels() : std::nullopt;
    observer_({links_[index]->name, pass, x, dx, x.device().memory(), decibels});
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
  std::vector<Part> recomputed_;
  Run run_ = training;
  Observer observer_;
  InputWatch<Gradient>* watch_ = nullptr;
};

}  // namespace retrace::inline RETRACE_ISA
