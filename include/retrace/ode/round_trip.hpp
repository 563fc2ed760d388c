// The error of the way back through a solve.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "retrace/core/tensor.hpp"
#include "retrace/layer/input_watch.hpp"
#include "retrace/math/signal_noise.hpp"
#include "retrace/ode/ode_options.hpp"

namespace retrace::inline RETRACE_ISA {

/// Compares a sample of the initial state of a solve with what the way back has reconstructed. A
/// watch, such as the drift guard, decides in its place if there is one.
template <class T, Device D>
class RoundTrip {
 public:
  using State = Tensor<T, D>;

  void watch(const std::string& path, InputWatch<State>* watch, bool reconstructs) {
    watch_ = watch;
    const auto dot = path.rfind('.');
    place_ = {dot == std::string::npos ? "" : path.substr(0, dot), path};
    if (watch) watch->attached(place_, reconstructs);
  }

  /// Takes the sample.
  void begin(const State& x) {
    if (watch_) return watch_->given(place_, x);
    sample_.emplace(x.device(), per_channel(std::min<Index>(256, x.shape().size())), Use::stash);
    take_sample(sample_->view(), x.view());
  }

  /// Returns whether the watch makes the block store states from now on.
  /// @throws RoundTripError if there is no watch and x is less exact than the options allow.
  bool end(const State& x, const OdeOptions& options, Index steps) {
    if (watch_) {
      const Judgement judgement = watch_->restored(place_, x);
      decibels_ = judgement.decibels;
      return judgement.anchor;
    }
    if (!sample_ || x.device().dry()) return false;
    const auto noise = sample_noise(std::as_const(*sample_).view(), x.view());
    sample_.reset();
    decibels_ = noise.decibels();
    if (options.least_decibels > 0 && !(*decibels_ >= options.least_decibels))
      throw RoundTripError(message(noise, options, steps));
    return false;
  }

  void abandon() {
    sample_.reset();
    if (watch_) watch_->abandoned();
  }
  /// Of the last way back.
  std::optional<double> decibels() const { return decibels_; }

 private:
  static std::string message(const math::SignalNoise& noise, const OdeOptions& options,
                             Index steps) {
    const double size =
        (options.end - options.begin) / static_cast<double>(std::max<Index>(steps, 1));
    std::string text = "the way back through " + std::to_string(steps) + " steps of " +
                       std::string(name(options.method)) + " (mean size " + short_text(size) +
                       ") has reached the initial state with a relative error of " +
                       short_text(noise.relative_error()) + ", but at most " +
                       short_text(std::pow(10, -options.least_decibels / 20)) +
                       " is allowed: the gradients would be wrong. ";
    if (options.method < OdeMethod::leapfrog) {
      const double growth = std::pow(coupling(options), -static_cast<double>(steps));
      text += "The coupling " + short_text(coupling(options)) + " alone multiplies errors by " +
              short_text(growth) +
              (growth > 100 ? ": raise it, or take fewer steps. "
                            : "; the field is too stiff for this step: take smaller ones. ");
    } else {
      text += "The field is too stiff for this step: take smaller ones. ";
    }
    return text + "Or use mode stored, or compute in double";
  }

  InputWatch<State>* watch_ = nullptr;
  WatchedLayer place_;
  std::optional<State> sample_;
  std::optional<double> decibels_;
};

}  // namespace retrace::inline RETRACE_ISA
