// Backpropagation without a tape.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "retrace/core/error.hpp"
#include "retrace/layer/freeze.hpp"
#include "retrace/net/chain_scopes.hpp"
#include "retrace/net/image_sizes.hpp"
#include "retrace/net/link_sequence.hpp"
#include "retrace/net/modes.hpp"
#include "retrace/net/open_pass.hpp"
#include "retrace/net/segments.hpp"

namespace retrace::inline RETRACE_ISA {

/// Layers and stages one after another. One tensor flows forward through all of them; backward
/// walks them in reverse, and each gives back the input that the one before it needs. A chain is
/// itself a layer: a network is a chain, and so may be what a layer consists of.
///
/// The state has elements S, parameters and gradients T: a fixed-point state has floating-point
/// gradients.
///
/// A forward pass with `run.keep` opens a pass and backward closes it. Any other pass in between
/// closes it too, and its backward is then refused before anything is added. If a pass throws,
/// everything that passes have stored is dropped, and the next one starts clean.
template <class T, Device D, class S = T>
class Chain : public LinkSequence<T, D, S> {
 public:
  using Sequence = LinkSequence<T, D, S>;
  using State = Tensor<S, D>;
  using Gradient = Tensor<T, D>;
  using Parameters = ParameterList<T, D>;
  using Sequence::output_shape, Sequence::require_log_det, Sequence::forward, Sequence::inverse,
      Sequence::backward;
  using typename Sequence::Observer;

  Chain() = default;
  /// Watches and observers move along.
  Chain(Chain&& other) noexcept { take(other); }
  Chain& operator=(Chain&& other) noexcept {
    if (this != &other) take(other);
    return *this;
  }
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;
  ~Chain() {
    if (self_) *self_ = nullptr;
  }

  /// Returns a network of the same layers and values, with gradients of its own, that nothing
  /// watches or observes.
  /// @throws StateError naming a layer that cannot be copied.
  Chain clone() const {
    Chain copy;
    for (const auto& link : links_)
      copy.links_.push_back(named(link->name, [&] { return link->clone(); }));
    copy.segments_ = segments_;
    copy.output_ = output_;
    return copy;
  }

  /// @throws ShapeError if the channels of the layer do not match those of the previous layer. The
  ///         message names the layer.
  /// @throws std::invalid_argument if there is a layer of that name, or the name is empty.
  /// @throws StateError while an optimizer or another list holds the parameters: it would never
  ///         learn of the new ones.
  template <class N>
  requires((Stage<N> || Layer<N>)&&std::same_as<typename N::State, State>&&
               std::same_as<typename N::Gradient, Gradient>) Chain& add(std::string name, N node) {
    require_addable(name);
    auto link = make_link<T, D, S>(std::move(name), std::move(node));
    named(link->name, [&] { output_ = output_of(*link); });
    links_.push_back(std::move(link));
    return *this;
  }

  /// Adds the layers of another chain behind the last, in the same modes.
  /// @throws as the other `add` does.
  Chain& add(Chain other) {
    for (const auto& link : other.links_) require_addable(link->name);
    for (auto& link : other.links_) {
      named(link->name, [&] { output_ = output_of(*link); });
      links_.push_back(std::move(link));
    }
    return *this;
  }

  /// x becomes the output of the last layer.
  /// @throws ShapeError before any layer has run, if one of them cannot take what it would be
  ///         given: the message says which height and width would do.
  /// @throws StateError before any layer has run, if a log-determinant is given but a layer
  ///         has none.
  void forward(State& x, Run run, LogDet<D>* log_det = nullptr) {
    guarded([&] {
      const bool outermost = run.pass == 0;
      if (outermost) {
        if (log_det) require_flow(*log_det, x.shape());
        if (open_.is_open()) abandon();
        run.pass = open_.begin(run, x, checked_output_shape(*this, x.shape()));
      } else {
        open_.nest();
      }
      run_ = run;
      checkpoints_.clear();
      for (const Segments::Part& part : segments_.parts(links_.size())) {
        if (part.recomputed && run.keep) checkpoints_.push_back(retrace::clone(x, Use::stash));
        forward(x, part.recomputed ? preview(run) : restoring(run, part), part.first, part.end,
                nullptr, nullptr, log_det);
      }
      if (outermost) x.set_pass(run.pass);
    });
  }

  /// y becomes the input of the first layer.
  /// @throws StateError naming the first layer met that has no inverse.
  void inverse(State& y, Run run, LogDet<D>* log_det = nullptr) {
    guarded([&] {
      if (log_det) require_log_det();
      if (run.pass == 0) open_.close();
      inverse(y, run, 0, links_.size(), log_det);
    });
  }

  /// y becomes the input of the first layer again, dy the gradient with respect to it.
  /// @throws StateError unless y is the output of the last pass of forward, and has had no
  /// backward.
  /// @throws ShapeError unless dy has the shape of that output.
  void backward(State& y, Gradient& dy, const LogDet<D>* log_det = nullptr) {
    guarded([&] {
      open_.require(y, dy.shape());
      if (log_det) require_log_det();
      const std::vector<Segments::Part> all = segments_.parts(links_.size());
      for (std::size_t i = all.size(); i-- > 0;) {
        const Segments::Part& part = all[i];
        if (part.recomputed) {
          if (checkpoints_.empty())
            throw StateError("Chain::backward: no forward pass has stored a checkpoint");
          y = std::move(checkpoints_.back()).as(Use::activation);
          checkpoints_.pop_back();
          forward(y, restoring(replay(run_), part), part.first, part.end);
        }
        backward(y, dy, part.first, part.end, log_det);
      }
      open_.end(y);
    });
  }

  /// Sets what every layer stores; ends checkpointing.
  void set_mode(Mode mode) {
    segments_.clear();
    for (auto& link : links_) link->set_mode(mode);
  }
  void set_mode(std::size_t index, Mode mode) { links_.at(index)->set_mode(mode); }

  /// The mode of every layer, those inside chains within this one too, and what is recomputed.
  Modes modes() const {
    Modes modes;
    for (const auto& link : links_) modes.inside.push_back(link->modes());
    modes.recomputed = segments_.recomputed();
    return modes;
  }
  /// Sets the mode of every layer. Like any mode, this ends anchors.
  /// @throws std::invalid_argument if they are those of a chain of another length.
  void set_modes(const Modes& modes) {
    if (modes.inside.size() != links_.size())
      throw std::invalid_argument("Chain::set_modes: there are modes of " +
                                  std::to_string(modes.inside.size()) + " layers for " +
                                  std::to_string(links_.size()));
    segments_.clear();
    for (std::size_t i = 0; i < links_.size(); ++i) links_[i]->set_modes(modes.inside[i]);
    for (const auto& [first, end] : modes.recomputed) recompute(first, end);
  }
  /// Sets the images in a chunk in mode `chunked`; 0 takes what suits the cache.
  void set_chunk(Index images) {
    for (auto& link : links_) link->set_chunk(images);
  }

  /// Sets the time of every stage that reads it.
  void set_time(const Time& time) {
    for (auto& link : links_) link->set_time(time);
  }

  /// Stores the input of layer `first` alone, and runs layers [first, end) once more in backward,
  /// in modes of their own. Behind segments that were given before, until a mode is set for all.
  /// @throws std::invalid_argument if there are no such layers, or they overlap such a segment.
  void recompute(std::size_t first, std::size_t end) { segments_.add(first, end, links_.size()); }
  /// Stores the input of every `interval`-th layer alone, and runs the layers in between once
  /// more, stored, in backward (Chen et al. 2016). The last segment is stored at once.
  /// @throws std::invalid_argument if the interval is 0.
  void checkpoint_every(std::size_t interval) {
    if (interval == 0) throw std::invalid_argument("Chain::checkpoint_every: interval must be > 0");
    set_mode(Mode::stored);
    for (std::size_t first = 0; first + interval < links_.size(); first += interval)
      recompute(first, first + interval);
  }
  /// checkpoint_every(√L) for L layers, which makes memory grow with √L.
  void checkpoint_sqrt() { checkpoint_every(square_root_interval(links_.size())); }

  /// Makes one stage of every normalisation and the convolution that follows it, here and within
  /// layers; ends checkpointing. The network computes the same, but stores other tensors.
  void fuse() {
    abandon();
    segments_.clear();
    for (auto& link : links_) link->fuse();
    for (std::size_t i = 1; i < links_.size(); ++i)
      if (auto* norm = links_[i - 1]->normalisation())
        if (auto fused = links_[i]->behind(*norm)) {
          links_[i] = std::move(fused);
          links_.erase(links_.begin() + static_cast<std::ptrdiff_t>(i) - 1);
        }
  }

  bool reads_output() const { return !links_.empty() && reads_output(links_.size() - 1); }
  /// Whether the layer after layer `index` must restore its input.
  bool reads_output(std::size_t index) const {
    return !segments_.recomputed_up_to(index + 1) && links_.at(index)->reads_output();
  }

  /// Drops whatever a pass has stored.
  void abandon() {
    open_.close();
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
  /// As long as the list lives, the chain takes no more layers.
  Parameters parameters() {
    Parameters list;
    collect("", list);
    list.holds = held_;
    return list;
  }

  /// Freezes the parameters that a pattern names, such as "stem" or "level1.*": no gradient, no
  /// memory for one, no update. See matches().
  /// @throws std::invalid_argument if it names none.
  void freeze(std::string_view pattern, Averages averages = Averages::held) {
    auto list = parameters();
    set_frozen(list, pattern, true, averages);
  }
  void unfreeze(std::string_view pattern) {
    auto list = parameters();
    set_frozen(list, pattern, false, Averages::moving);
  }

  /// Lets a watch see the input of every layer that reconstructs its input, those within branches
  /// too, and decide which become anchors, in place of any other watch.
  void watch(InputWatch<Gradient>* watch) { this->watch("", watch); }
  void end_watch(const InputWatch<Gradient>* watch) {
    if (watch_ == watch) this->watch("", nullptr);
  }
  void watch(const std::string& prefix, InputWatch<Gradient>* watch) {
    watch_ = watch;
    for (auto& link : links_) link->watch(prefix, watch);
  }

  /// Where the chain is, however often it is moved; null once it is gone.
  std::shared_ptr<Chain*> self() {
    if (!self_) self_ = std::make_shared<Chain*>(this);
    return self_;
  }

  using Observed = ObservedChain<Chain>;
  using Watched = WatchedChain<Chain>;

 private:
  using Sequence::links_, Sequence::observer_;

  void take(Chain& other) noexcept {
    if (self_) *self_ = nullptr;
    links_ = std::move(other.links_);
    checkpoints_ = std::move(other.checkpoints_);
    segments_ = std::exchange(other.segments_, {});
    open_ = std::exchange(other.open_, {});
    output_ = std::exchange(other.output_, {});
    held_ = std::exchange(other.held_, nullptr);
    run_ = other.run_;
    observer_ = std::exchange(other.observer_, {});
    watch_ = std::exchange(other.watch_, nullptr);
    self_ = std::exchange(other.self_, nullptr);
    if (self_) *self_ = this;
  }

  void require_flow(const LogDet<D>& log_det, Shape x) const {
    require_images(log_det, x);
    require_log_det();
  }

  void require_addable(const std::string& name) const {
    if (held_.use_count() > 1)
      throw StateError(
          "Chain::add: an optimizer or another list holds the parameters of the chain "
          "and would not learn of '" +
          name + "': add all layers before it is made");
    if (name.empty()) throw std::invalid_argument("Chain::add: a layer must have a name");
    for (const auto& link : links_)
      if (link->name == name)
        throw std::invalid_argument("Chain::add: there is a layer '" + name + "' already");
  }

  /// The shape that a link makes of the output so far, of unknown extents.
  std::optional<Shape> output_of(const Link<T, D, S>& link) const {
    if (output_) return link.output_shape(*output_);
    if (link.input_channels() == 0) return {};
    return link.output_shape({any_extent, any_extent, any_extent, link.input_channels()});
  }

  /// The run of a part whose first layer restores its input if the layer before needs that.
  Run restoring(Run run, const Segments::Part& part) const {
    if (part.first > 0) run.restore = reads_output(part.first - 1);
    return run;
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

  std::vector<State> checkpoints_;
  Segments segments_;
  OpenPass open_;
  std::optional<Shape> output_;  ///< of any input, if its channels are known
  std::shared_ptr<void> held_ = std::make_shared<char>();
  Run run_ = training;
  InputWatch<Gradient>* watch_ = nullptr;
  std::shared_ptr<Chain*> self_;
};

}  // namespace retrace::inline RETRACE_ISA
