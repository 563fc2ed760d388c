// A training step that a batch which cannot be learnt from leaves no trace of.
#pragma once

#include <algorithm>
#include <cmath>
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

namespace retrace::inline RETRACE_ISA {

/// A loss, a gradient or a running average is not a finite number, and the step was not discarded.
struct Divergence : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct GuardedStepOptions {
  /// Measures reconstructed inputs; none: nothing is measured, and nobody becomes an anchor.
  std::optional<DriftOptions> drift = DriftOptions{};
  /// Batches that are not finite are discarded, for which running averages are kept twice; if not,
  /// they throw Divergence, and a step that the drift guard stops has moved the averages.
  bool discards = true;
  /// Of these, one after the other: spoilt weights would discard them all.
  std::size_t most_in_a_row = 10;
};

/// What a guarded step has done.
struct StepOutcome {
  LossValue loss;
  std::optional<std::string> discarded{};  ///< why the network was not updated, if it was not
  std::vector<Drift> drifts{};             ///< what the drift guard had to say
  DriftVerdict drift{};                    ///< and what it has measured
};

/// "the input of level1.block0 was reconstructed with 31.4 dB of signal to noise".
inline std::string to_string(const Drift& drift) {
  std::string decibels = std::to_string(drift.decibels);
  if (const auto point = decibels.find('.'); point != std::string::npos) decibels.resize(point + 2);
  return "the input of " + drift.layer + " was reconstructed with " + decibels +
         " dB of signal to noise";
}

/// Forward, loss, backward and update, unless the batch is not to be learnt from:
///
/// - the loss, a gradient or a running average is NaN or infinite;
/// - the drift guard finds a reconstructed input too noisy, and makes its layer an anchor;
/// - a fixed-point stream overflows, and has one fraction bit less from then on.
///
/// Then nothing is updated, and gradients and running averages are as they were; so is what layers
/// count, if the batch was not finite. An error leaves all as it was, too.
///
///     GuardedStep step(net, optimizer);
///     for (auto& [x, labels] : batches) {
///       const StepOutcome outcome = step(x, cross_entropy(labels), rate);
///       if (outcome.discarded) std::cerr << *outcome.discarded << '\\n';
///     }
///
/// An optimizer that steps inside backward has moved parameters before the last gradient is known,
/// so that nothing can be discarded: `discards` must be false, and `drift` refuse or none.
template <class T, Device D, class Optimizer>
class GuardedStep {
 public:
  using Net = Chain<T, D>;

  /// Net and optimizer must stay where they are.
  /// @throws std::invalid_argument if a fused optimizer is to discard.
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

  /// On a batch, which x holds again afterwards if nothing was discarded.
  /// @throws Divergence if the batch is not finite and is not discarded, or too many before it
  /// were.
  template <Loss<T, D> L>
  StepOutcome operator()(typename Net::State& x, const L& loss, double rate) {
    return step(
        rate, [&] { return accumulate_gradients(net_, x, loss); }, [] { return std::string(); });
  }

  /// On a batch of `images` in micro-batches, as accumulate_gradients takes them; load(first,
  /// count) is called again to find the layer where a loss ceases to be finite.
  /// @throws Divergence as above.
  template <class Load, class LossOf = CrossEntropyOfLabels>
  StepOutcome operator()(Index images, Index micro, Load load, const LossOf& loss_of, double rate) {
    return step(
        rate, [&] { return accumulate_gradients(net_, images, micro, load, loss_of); },
        [&] {
          auto batch = load(Index{0}, images);
          return first_nonfinite_layer(net_, batch.x);
        });
  }

 private:
  template <class Accumulate, class FindLayer>
  StepOutcome step(double rate, Accumulate accumulate, FindLayer find_layer) {
    if (before_) before_->take();
    StepOutcome outcome;
    std::string fault;
    try {
      if (optimizer_.fused()) optimizer_.arm(rate);
      outcome.loss = accumulate();
      fault = fault_of_loss(outcome.loss, find_layer);
      if (fault.empty()) fault = fault_of_averages();
      // Only behind a forward pass that was right does noise say something of a layer.
      if (fault.empty() && drifted(outcome)) {
        if (outcome.drift.nonfinite.empty()) {
          undo(/*numbers=*/false);  // the anchor stays
          return outcome;
        }
        fault = outcome.drift.nonfinite + ": its reconstructed input is not finite";
      }
      if (fault.empty()) fault = fault_of_gradients();
    } catch (const StreamOverflow& overflow) {
      undo(/*numbers=*/!overflow.lowered);
      if (!overflow.lowered) throw;
      outcome.discarded = overflow.what();
      return outcome;
    } catch (const std::domain_error& error) {  // a fixed-point stream met what is not finite
      fault = error.what();
    } catch (...) {
      undo();
      throw;
    }
    if (!fault.empty()) return discard(std::move(outcome), fault);
    if (!optimizer_.fused()) optimizer_.step(rate);
    in_a_row_ = 0;
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

  StepOutcome discard(StepOutcome outcome, const std::string& fault) {
    undo();
    if (!options_.discards) throw Divergence(fault);
    if (++in_a_row_ > options_.most_in_a_row)
      throw Divergence(fault + "; " + std::to_string(options_.most_in_a_row) +
                       " batches before it were discarded already");
    outcome.discarded = fault;
    return outcome;
  }

  /// Whether the guard has found gradients to be wrong.
  bool drifted(StepOutcome& outcome) {
    if (!guard_) return false;
    outcome.drift = guard_->verdict();
    outcome.drifts = std::exchange(drifts_, {});
    if (!outcome.drift.discard) return false;
    if (!outcome.drift.nonfinite.empty()) return true;
    const auto anchor = std::find_if(outcome.drifts.begin(), outcome.drifts.end(),
                                     [](const Drift& drift) { return drift.anchored; });
    outcome.discarded = to_string(*anchor);
    return true;
  }

  template <class FindLayer>
  static std::string fault_of_loss(const LossValue& loss, FindLayer find_layer) {
    if (std::isfinite(loss.mean()) && std::isfinite(loss.sum)) return {};
    const std::string layer = find_layer();
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
