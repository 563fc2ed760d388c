// A training step that skips batches with unusable gradients and restores the state.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/stream_format.hpp"
#include "retrace/train/buffer_snapshot.hpp"
#include "retrace/train/drift_guard.hpp"
#include "retrace/train/step.hpp"
#include "retrace/train/step_peers.hpp"

namespace retrace::inline RETRACE_ISA {

/// Thrown if a loss, a gradient or a running average is not finite and the step is not skipped.
struct Divergence : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The conditions under which a step is skipped.
struct GuardedStepOptions {
  /// Options of the drift guard. Without them, reconstructed inputs are not measured, and no layer
  /// becomes an anchor.
  std::optional<DriftOptions> drift = DriftOptions{};
  /// Skips batches that are not finite. This needs a copy of the running averages. If false, such
  /// batches throw Divergence, and a step that the drift guard skips still changes the averages.
  bool discards = true;
  /// The limit on such batches in a row. With invalid weights, every batch would be skipped.
  std::size_t most_in_a_row = 10;
  /// The other processes that take this step, such as a DataParallel, or null. All of them skip it
  /// or none.
  StepPeers* peers = nullptr;
};

/// The outcome of a guarded step.
struct StepOutcome {
  LossValue loss;
  std::optional<std::string> discarded{};  ///< why the step was skipped, if it was
  std::vector<Drift> drifts{};             ///< reports of the drift guard
  DriftVerdict drift{};                    ///< measurements of the drift guard
};

/// Returns "the input of level1.block0 was reconstructed with 31.4 dB of signal to noise".
inline std::string to_string(const Drift& drift) {
  std::string decibels = std::to_string(drift.decibels);
  if (const auto point = decibels.find('.'); point != std::string::npos) decibels.resize(point + 2);
  return "the input of " + drift.layer + " was reconstructed with " + decibels +
         " dB of signal to noise";
}

/// Runs forward, loss, backward and update. The step is skipped if
///
/// - the loss, a gradient, a running average or a reconstructed input is NaN or infinite;
/// - the drift guard finds that a reconstructed input is too noisy, and makes its layer an anchor;
/// - a fixed-point stream overflows, and uses one fraction bit less from then on.
///
/// A skipped step updates nothing. It zeroes gradients and restores running averages and, if the
/// batch was not finite, the layers' counters. An error restores all of these too.
///
///     GuardedStep step(net, optimizer);
///     for (auto& [x, labels] : batches) {
///       const StepOutcome outcome = step(x, cross_entropy(labels), rate);
///       if (outcome.discarded) std::cerr << *outcome.discarded << '\\n';
///     }
///
/// With peers, `images`, `micro` and `weight` are those of all processes together, and
/// load(first, count) returns this process's part of them. The outcome's loss is that of all.
///
/// A fused optimizer updates parameters before the last gradient is known, so a step cannot be
/// skipped: `discards` must be false, and `drift` must be empty or have the policy `refuse`.
template <class T, Device D, class Optimizer>
class GuardedStep {
 public:
  using Net = Chain<T, D>;

  /// Net and optimizer must outlive this object and not move.
  /// @throws std::invalid_argument if the optimizer is fused and the options allow skipping.
  GuardedStep(Chain<T, D>& net, Optimizer& optimizer, const GuardedStepOptions& options = {})
      : net_(net), optimizer_(optimizer), options_(options), list_(net.parameters()) {
    if (optimizer.fused() &&
        (options.discards || (options.drift && options.drift->policy == DriftPolicy::anchor)))
      throw std::invalid_argument(
          "GuardedStep: a fused optimizer has taken its steps before a batch can be discarded: set "
          "`discards` to false, and `drift` to refuse or none");
    if (options.discards) before_.emplace(list_);
    if (options.drift)
      guard_.emplace(net, *options.drift, [this](const Drift& drift) { drifts_.push_back(drift); });
  }
  GuardedStep(const GuardedStep&) = delete;
  GuardedStep& operator=(const GuardedStep&) = delete;

  /// Takes a step on a batch, which x holds again afterwards unless it was discarded.
  /// @throws Divergence if the batch is not finite and is not discarded, or too many batches before
  ///         it were.
  template <Loss<T, D> L>
  StepOutcome operator()(typename Net::State& x, const L& loss, double rate) {
    return step(
        rate, [&] { return accumulate_gradients(net_, x, shared(loss)); },
        [] { return std::string(); });
  }

  /// Takes a step on a batch of `images` in micro-batches, as accumulate_gradients takes them.
  /// @throws Divergence as above.
  template <class Load, class LossOf>
  StepOutcome operator()(Index images, Index micro, Load load, const LossOf& loss_of, double rate) {
    return (*this)(images, micro, load, loss_of, rate, [&] { return load(Index{0}, images); });
  }
  /// @param reload  returns the whole batch once more, to find the first layer whose output is not
  ///                finite; load(0, images) in the overload above
  /// @param weight  weight of the whole batch, as accumulate_gradients takes it
  template <class Load, class LossOf, class Reload>
  StepOutcome operator()(Index images, Index micro, Load load, const LossOf& loss_of, double rate,
                         Reload reload, double weight = 0) {
    const auto shared_loss_of = [&](const auto& batch) { return shared(loss_of(batch)); };
    return step(
        rate,
        [&] { return accumulate_gradients(net_, images, micro, load, shared_loss_of, weight); },
        [&] {
          auto batch = reload();
          return first_nonfinite_layer(net_, batch.x);
        });
  }

 private:
  /// Returns the loss of this process with the gradient's share of the loss of all.
  template <class L>
  auto shared(L loss) const {
    return [ peers = options_.peers, loss = std::move(loss) ]<class Y, class DY, class... LogDets>(
        const Y& y, DY& dy, LogDets&... log_dets)  //
        requires std::invocable<const L&, const Y&, DY&, LogDets&...> {
      const LossValue own = loss(y, dy, log_dets...);
      if (!peers) return own;
      return peers->share(own, [&](double factor) {
        scale(dy.view(), factor);
        ((log_dets.gradient *= factor), ...);
      });
    };
  }

  template <class Accumulate, class FindLayer>
  StepOutcome step(double rate, Accumulate accumulate, FindLayer find_layer) {
    if (before_) before_->take();
    StepOutcome outcome;
    StepVerdict verdict;
    try {
      if (optimizer_.fused()) optimizer_.arm(rate);
      verdict = judge(outcome, accumulate, find_layer);
      if (options_.peers) verdict = options_.peers->agree(verdict);
    } catch (...) {
      undo();
      throw;
    }
    if (verdict.reason != SkipReason::none) return skip(std::move(outcome), verdict);
    if (!optimizer_.fused()) optimizer_.step(rate);
    in_a_row_ = 0;
    return outcome;
  }

  /// Runs the pass. Returns this process's verdict on it.
  template <class Accumulate, class FindLayer>
  StepVerdict judge(StepOutcome& outcome, Accumulate accumulate, FindLayer find_layer) try {
    outcome.loss = accumulate();
    bool certain = false;
    std::string fault = fault_of_loss(outcome.loss, find_layer, certain);
    if (fault.empty()) fault = fault_of_averages();
    // Only behind a forward pass that was right does noise say something of a layer.
    if (fault.empty() && drifted(outcome)) return {SkipReason::noise, *outcome.discarded};
    if (fault.empty()) fault = fault_of_gradients();
    return {fault.empty() ? SkipReason::none : SkipReason::fault, std::move(fault), 0, certain};
  } catch (const StreamOverflow& overflow) {
    if (!overflow.lowered) throw;
    leave_pass();
    return {SkipReason::overflow, overflow.what()};
  } catch (const std::domain_error& error) {  // a state or a stream met what is not finite
    leave_pass();
    return {SkipReason::fault, error.what(), 0, true};
  }
  void leave_pass() {
    net_.abandon();
    if (options_.peers) options_.peers->leave_pass();
  }

  StepOutcome skip(StepOutcome outcome, const StepVerdict& verdict) {
    const bool faulty = verdict.reason == SkipReason::fault;
    undo(/*numbers=*/faulty);  // an anchor or fewer fraction bits stay
    outcome.discarded = verdict.text;
    if (faulty)
      count_fault(verdict.text);
    else if (options_.peers)
      options_.peers->take_numbers(verdict.from);
    return outcome;
  }

  /// @param numbers  those that layers count or choose, too: steps, anchors, fraction bits
  void undo(bool numbers = true) {
    net_.abandon();
    if (!before_)
      list_.zero_gradients();
    else if (numbers)
      before_->give_back();
    else
      before_->give_back_buffers();
    if (guard_) guard_->verdict();
    drifts_.clear();
  }

  /// @throws Divergence unless the batch may be skipped.
  void count_fault(const std::string& fault) {
    if (!options_.discards) throw Divergence(fault);
    if (++in_a_row_ > options_.most_in_a_row)
      throw Divergence(fault + "; " + std::to_string(options_.most_in_a_row) +
                       " batches before it were discarded already");
  }

  /// Whether the guard has found gradients to be wrong.
  bool drifted(StepOutcome& outcome) {
    if (!guard_) return false;
    outcome.drift = guard_->verdict();
    outcome.drifts = std::exchange(drifts_, {});
    if (!outcome.drift.discard) return false;
    if (!outcome.drift.nonfinite.empty())
      throw std::domain_error(outcome.drift.nonfinite +
                              ": its reconstructed input holds a NaN or an infinity");
    const auto anchor = std::find_if(outcome.drifts.begin(), outcome.drifts.end(),
                                     [](const Drift& drift) { return drift.anchored; });
    outcome.discarded = to_string(*anchor);
    return true;
  }

  template <class FindLayer>
  std::string fault_of_loss(const LossValue& loss, FindLayer find_layer, bool& certain) const {
    if (std::isfinite(loss.mean()) && std::isfinite(loss.sum)) return {};
    std::string layer;
    if (options_.peers)
      options_.peers->alone([&] { layer = find_layer(); });
    else
      layer = find_layer();
    certain = !layer.empty();
    return std::string("the loss is ") + (std::isnan(loss.sum) ? "NaN" : "infinite") +
           (layer.empty() ? "" : ": the first layer whose output is not finite is " + layer);
  }

  /// Of what forward has moved.
  std::string fault_of_averages() {
    for (const auto& named : list_.buffers)
      if (!all_finite(named.tensor->view())) return named.name + " is not finite";
    return {};
  }
  std::string fault_of_gradients() {
    const std::string parameter = first_nonfinite_gradient(list_);
    if (parameter.empty()) return {};
    return "the gradient of " + parameter + " is not finite, and it is the first on the way back";
  }

  Net& net_;
  Optimizer& optimizer_;
  GuardedStepOptions options_;
  typename Net::Parameters list_;
  std::optional<BufferSnapshot<T, D>> before_;
  std::vector<Drift> drifts_;
  std::optional<DriftGuard<T, D>> guard_;
  std::size_t in_a_row_ = 0;
};

}  // namespace retrace::inline RETRACE_ISA
