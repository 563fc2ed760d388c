// Chooses the mode of every layer of a network for a byte budget.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "retrace/core/update.hpp"
#include "retrace/core/update_term.hpp"
#include "retrace/net/chain.hpp"
#include "retrace/train/assignment.hpp"
#include "retrace/train/candidate_assignments.hpp"
#include "retrace/train/cost_cache.hpp"
#include "retrace/train/gradient_trial.hpp"
#include "retrace/train/layer_probe.hpp"
#include "retrace/train/plan.hpp"
#include "retrace/train/step.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of plan().
struct PlanOptions {
  /// Bytes that will be held in addition to what the device already holds, such as the velocities
  /// of an optimizer that is created later.
  std::size_t other_bytes = 0;
  bool may_fuse = true;      ///< allows an optimizer that steps inside backward
  bool may_cut = true;       ///< allows micro-batches if the whole batch does not fit in any way
  Index probed_images = 64;  ///< batch size of timed steps, independent of the budget
  std::filesystem::path cache = CostCache::usual_path();  ///< measured times; empty: none
  std::function<void(std::size_t done, std::size_t all)> progress{};  ///< called during timing
};

/// Thrown if no plan fits.
struct NoPlan : std::runtime_error {
  NoPlan(std::size_t budget, std::size_t least, const std::string& how)
      : std::runtime_error("no plan fits " + format_bytes(static_cast<double>(budget)) +
                           ": the smallest that does takes " +
                           format_bytes(static_cast<double>(least)) + ", " + how),
        smallest(least) {}

  std::size_t smallest;  ///< bytes
};

namespace detail {

template <class T, Device D>
class Planner {
 public:
  using Net = Chain<T, D>;

  Planner(Net& net, D& device, Shape batch, std::size_t budget, const PlanOptions& options)
      : net_(net),
        device_(device),
        probe_(net, device),
        batch_(batch),
        budget_(budget),
        options_(options),
        cache_(options.cache, machine_name(device)) {
    net.set_mode(Mode::stored);  // ends checkpointing
  }

  Plan plan() {
    for (Index micro = batch_.n; micro >= 1; micro = micro > 1 ? (micro + 1) / 2 : 0) {
      std::optional<Plan> best = faster(plan(micro, false), plan(micro, true));
      if (best) {
        best->apply(net_);
        return std::move(*best);
      }
      if (!options_.may_cut) break;
    }
    throw NoPlan(budget_, smallest_.peak_bytes, describe(smallest_));
  }

 private:
  /// Prefers the fused plan only if it is at least 2 % faster, because a fused optimizer can
  /// neither clip by the norm of all gradients nor skip a step.
  static std::optional<Plan> faster(std::optional<Plan> apart, std::optional<Plan> fused) {
    if (!apart) return fused;
    return fused && fused->seconds < 0.98 * apart->seconds ? std::move(fused) : std::move(apart);
  }

  /// Returns the fastest plan that fits with micro-batches of `micro` images. The candidates do not
  /// depend on the budget, which only selects one of them. So a larger budget never gives a slower
  /// plan.
  std::optional<Plan> plan(Index micro, bool fused) {
    if (fused && (!options_.may_fuse || micro < batch_.n)) return {};
    const GradientTrial trial(net_.parameters(), fused);
    const Shape shape{micro, batch_.h, batch_.w, batch_.c};
    std::vector<LayerOptions> layers = probe_.bytes(shape);
    const auto plans_of = [&](const std::vector<std::vector<Segment>>& assignments) {
      std::vector<Plan> plans;
      for (const auto& segments : assignments) {
        plans.push_back(make(layers, segments, micro, fused));
        measure_peak(plans.back());
      }
      return plans;
    };

    const std::int64_t least = least_room(layers);
    std::vector<std::vector<Segment>> assignments = uniform(layers);
    assignments.push_back(*Assignment::fastest(layers, least));
    bool fits = false;
    for (const Plan& plan : plans_of(assignments)) {
      if (smallest_.peak_bytes == 0 || plan.peak_bytes < smallest_.peak_bytes) smallest_ = plan;
      fits = fits || plan.peak_bytes <= budget_;
    }
    if (!fits) return {};
    add_seconds(layers, shape);
    for (std::int64_t room : rooms(layers, least))
      if (auto segments = Assignment::fastest(layers, room))
        assignments.push_back(std::move(*segments));
    return refine(pareto_front(plans_of(assignments)), layers);
  }

  /// Improves each plan of the front until the next plan's bytes are reached. Returns the fastest
  /// plan that was tried and fits.
  std::optional<Plan> refine(const std::vector<Plan>& front,
                             const std::vector<LayerOptions>& layers) {
    std::optional<Plan> best, current;
    for (std::size_t i = 0; i < front.size() && front[i].peak_bytes <= budget_; ++i) {
      if (!current || front[i].seconds < current->seconds) current = front[i];
      keep_faster(best, *current);
      const std::size_t next =
          i + 1 < front.size() ? front[i + 1].peak_bytes : std::numeric_limits<std::size_t>::max();
      search_nearby(*current, best, next, layers);
    }
    return best;
  }

  static void keep_faster(std::optional<Plan>& best, const Plan& plan) {
    if (!best || plan.seconds < best->seconds) best = plan;
  }

  /// Tries faster modes, one layer after another, as long as one helps. A plan below `limit` bytes
  /// becomes the current one; a plan that fits the budget may become the best.
  void search_nearby(Plan& current, std::optional<Plan>& best, std::size_t limit,
                     const std::vector<LayerOptions>& layers) {
    for (double before = current.seconds + 1; current.seconds < before;) {
      before = current.seconds;
      for (std::size_t layer = 0; layer < layers.size(); ++layer)
        for (const LayerOption& option : layers[layer].options) {
          std::optional<Plan> changed = replace_mode(current, layer, option);
          if (!changed) continue;
          if (changed->peak_bytes <= budget_) keep_faster(best, *changed);
          if (changed->peak_bytes < limit) current = std::move(*changed);
        }
    }
  }

  /// Returns the plan with another option in layer i. Returns std::nullopt if the layer is
  /// recomputed or does not get faster.
  std::optional<Plan> replace_mode(const Plan& plan, std::size_t i, const LayerOption& option) {
    const PlannedLayer& now = plan.layers[i];
    const double seconds = option.forward_seconds + option.backward_seconds;
    if (now.recomputed || seconds >= now.seconds) return {};
    std::optional<Plan> changed = plan;
    changed->seconds += seconds_of_step(plan.micro_batch) * (seconds - now.seconds);
    changed->layers[i].mode = option.mode;
    changed->layers[i].seconds = seconds;
    changed->layers[i].kept = option.bytes(true).kept;
    measure_peak(*changed);
    return changed;
  }

  Plan make(const std::vector<LayerOptions>& layers, const std::vector<Segment>& segments,
            Index micro, bool fused) const {
    Plan plan{.batch = batch_, .micro_batch = micro, .fused_optimizer = fused};
    double seconds = 0;
    for (const Segment& segment : segments)
      for (std::size_t i = segment.first; i < segment.end; ++i) {
        const LayerOption& option = layers[i].options[segment.option];
        PlannedLayer layer{.name = net_.name(i), .mode = option.mode};
        layer.seconds = option.forward_seconds + option.backward_seconds;
        if (segment.recomputed) {
          layer.recomputed = true;
          layer.begins_segment = i == segment.first;
          layer.seconds += option.forward_seconds;
          layer.kept = layer.begins_segment ? layers[i].input : 0;
        } else {
          layer.kept = option.bytes(true).kept;
        }
        seconds += layer.seconds;
        plan.layers.push_back(std::move(layer));
      }
    plan.seconds = seconds_of_step(micro) * seconds + update_seconds_;
    return plan;
  }

  /// The number of micro-batches per step; fractional if the last one is smaller.
  double seconds_of_step(Index micro) const {
    return static_cast<double>(batch_.n) / static_cast<double>(micro);
  }

  void measure_peak(Plan& plan) {
    plan.apply(net_);
    const PeakMemory peak =
        peak_memory(net_, device_, {plan.micro_batch, batch_.h, batch_.w, batch_.c});
    plan.peak_bytes = peak.bytes.total() + options_.other_bytes;
    plan.peak_place = peak.place;
  }

  void add_seconds(std::vector<LayerOptions>& layers, Shape shape) {
    probe_.add_seconds(layers, shape, options_.probed_images, cache_, options_.progress);
    auto list = net_.parameters();
    list.zero_gradients();
    if (update_seconds_ == 0) update_seconds_ = measure_update(list);
  }

  /// Measures the update of an optimizer with momentum: five passes over all parameters, and one
  /// that zeroes gradients.
  double measure_update(const typename Net::Parameters& list) {
    constexpr Index largest = 1 << 20;
    const std::string key = "sgd update of " + std::to_string(largest) + " parameters of " +
                            std::to_string(sizeof(T)) + " bytes";
    auto known = cache_.find(key);
    if (!known) {
      Tensor<T, D> value(device_, per_channel(largest), Use::workspace);
      fill(value.view(), 0);
      const auto update = [&] {
        const auto start = std::chrono::steady_clock::now();
        update_parameter(
            UpdateTerm<T, D>{value.view(), value.view(), value.view(), value.view(), 0}, 0,
            Momentum{});
        fill(value.view(), 0);
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      };
      update();
      known = Cost{std::min(update(), update()), 0};
      cache_.set(key, *known);
      cache_.save();
    }
    return known->fixed * static_cast<double>(list.count()) / static_cast<double>(largest);
  }

  static std::string describe(const Plan& plan) {
    return (plan.fused_optimizer ? "with the optimizer inside backward"
                                 : "with the optimizer after backward") +
           std::string(plan.micro_batch < plan.batch.n
                           ? " and " + std::to_string(plan.micro_batch) + " images at a time"
                           : " and all images at once");
  }

  Net& net_;
  D& device_;
  LayerProbe<T, D> probe_;
  Shape batch_;
  std::size_t budget_;
  const PlanOptions& options_;
  CostCache cache_;
  double update_seconds_ = 0;
  Plan smallest_;
};

}  // namespace detail

/// Finds the fastest way to train the net on batches of the given shape within `budget` bytes,
/// which include everything the device holds. A plan sets the mode of every layer, the checkpointed
/// segments, whether the optimizer steps inside backward, and, if nothing else fits, the size of
/// micro-batches.
///
/// Peaks come from dry runs of the net itself. Times are sums over its layers, which are measured
/// once per machine and kept in a file. The plan's predicted time is never above that of a single
/// mode for all layers, if that mode fits.
///
/// Call this function before training: it zeroes gradients, sets modes, and runs layers on noise.
/// @throws NoPlan if no plan fits, with the smallest budget that would.
/// @throws std::invalid_argument if the chain has no layers.
template <class T, Device D>
Plan plan(Chain<T, D>& net, std::type_identity_t<D>& device, Shape batch, std::size_t budget,
          const PlanOptions& options = {}) {
  if (net.size() == 0) throw std::invalid_argument("plan: the chain has no layers");
  return detail::Planner<T, D>(net, device, batch, budget, options).plan();
}

}  // namespace retrace::inline RETRACE_ISA
