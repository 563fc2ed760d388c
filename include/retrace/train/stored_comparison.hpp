// Compares the gradients of a step in the current modes with those of stored activations.
#pragma once

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "retrace/math/signal_noise.hpp"
#include "retrace/train/buffer_snapshot.hpp"
#include "retrace/train/step.hpp"

namespace retrace::inline RETRACE_ISA {

/// The differences between a step and the same step with stored activations.
struct StoredComparison {
  /// The difference in the gradient of one parameter.
  struct Difference {
    std::string parameter;
    double relative;  ///< |g − g_stored| / |g_stored|, Euclidean norms over all elements
  };

  double loss = 0;                    ///< relative difference of the loss
  std::vector<Difference> gradients;  ///< sorted, largest first

  double worst() const { return gradients.empty() ? 0 : gradients.front().relative; }

  /// Prints the loss first, then one parameter per line.
  friend std::ostream& operator<<(std::ostream& out, const StoredComparison& comparison) {
    out << comparison.loss << "  loss\n";
    for (const Difference& each : comparison.gradients)
      out << each.relative << "  " << each.parameter << '\n';
    return out;
  }
};

/// Scope guard that restores everything a step changes in a net. Within its scope no optimizer
/// updates parameters.
template <class T, Device D>
class StepTrial {
 public:
  using Net = Chain<T, D>;
  using Gradients = std::vector<Tensor<T, D>>;

  explicit StepTrial(Net& net)
      : net_(net),
        list_(net.parameters()),
        modes_(net.modes()),
        buffers_(list_),
        gradients_(gradients()),
        adds_(list_) {
    adds_.set_all(Adds::part);
  }
  ~StepTrial() {
    give_back();
    for (std::size_t i = 0; i < gradients_.size(); ++i)
      list_.parameters[i].parameter->gradient =
          std::move(gradients_[i]).as(Use::parameter_gradient);
  }
  StepTrial(const StepTrial&) = delete;
  StepTrial& operator=(const StepTrial&) = delete;

  /// Restores modes, anchors and buffers, and zeroes gradients. Abandons an unfinished pass.
  void give_back() {
    net_.abandon();
    net_.set_modes(modes_);
    buffers_.give_back();
  }
  Gradients gradients() const {
    Gradients copies;
    for (const auto& named : list_.parameters)
      copies.push_back(clone(named.parameter->gradient, Use::stash));
    return copies;
  }
  const typename Net::Parameters& list() const { return list_; }

 private:
  Net& net_;
  typename Net::Parameters list_;
  Modes modes_;
  BufferSnapshot<T, D> buffers_;
  Gradients gradients_;
  AddsGuard<T, D> adds_;
};

/// Runs accumulate_gradients on a copy of the batch x with every layer stored, and again in the
/// net's current modes, with the same weights, running averages and random draws. The remaining
/// difference is reconstruction noise or an error in a layer. Afterwards modes, gradients, buffers
/// and anchors are restored. A watch and an observer see both steps.
///
/// Needs the memory of a stored step and of two more sets of gradients.
template <class T, Device D, Loss<T, D> L>
StoredComparison compare_with_stored(Chain<T, D>& net, const typename Chain<T, D>::State& x,
                                     const L& loss) {
  StepTrial<T, D> trial(net);
  const auto step = [&] {
    auto batch = clone(x);
    return accumulate_gradients(net, batch, loss).mean();
  };
  trial.give_back();
  net.set_mode(Mode::stored);
  const double stored_loss = step();
  auto stored = trial.gradients();
  trial.give_back();

  StoredComparison result;
  result.loss = std::abs(step() - stored_loss) / std::abs(stored_loss);
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const auto& [name, parameter] = trial.list().parameters[i];
    const auto sums = signal_noise(stored[i].view(), std::as_const(parameter->gradient).view());
    result.gradients.push_back({name, sums.relative_error()});
  }
  std::stable_sort(result.gradients.begin(), result.gradients.end(),
                   [](const auto& a, const auto& b) { return a.relative > b.relative; });
  return result;
}

}  // namespace retrace::inline RETRACE_ISA
