#include "sweep.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <utility>

#include "../support/statistics.hpp"

namespace memory_compute {

using namespace retrace;

namespace {

using Net = Chain<float, Cpu>;

/// Trains a network on noise.
class Training {
 public:
  Training(Architecture architecture, const SweepOptions& options)
      : device_(options.threads),
        net_(build<float>(device_, architecture, paper_options(architecture))),
        sgd_(net_.parameters(), {}),
        shape_{options.batch, 32, 32, 3} {}

  Net& net() { return net_; }
  Cpu& device() { return device_; }
  Shape shape() const { return shape_; }

  struct Taken {
    std::size_t peak;
    double seconds;
  };
  Taken step() {
    device_.memory().restart_peak();
    Tensor<float, Cpu> x(device_, shape_);
    Random random(1, substream("noise"));
    for (Index i = 0; i < shape_.size(); ++i) x.data()[i] = static_cast<float>(random.normal());
    const std::vector<std::int32_t> labels(static_cast<std::size_t>(shape_.n), 3);
    const auto start = std::chrono::steady_clock::now();
    accumulate_gradients(net_, x, cross_entropy(labels));
    sgd_.step(1e-4);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    return {device_.memory().peak().total(), seconds.count()};
  }

 private:
  Cpu device_;
  Net net_;
  Sgd<float, Cpu> sgd_;
  Shape shape_;
};

/// Returns a plan of one mode for all layers, with checkpoints every `interval` layers.
Plan uniform_plan(Net& net, Mode mode, std::size_t interval) {
  Plan plan;
  for (std::size_t i = 0; i < net.size(); ++i) {
    PlannedLayer layer{.name = net.name(i), .mode = mode};
    layer.recomputed = interval > 0 && i / interval < (net.size() - 1) / interval;
    layer.begins_segment = layer.recomputed && i % interval == 0;
    plan.layers.push_back(std::move(layer));
  }
  return plan;
}

std::vector<Variant> variants_by_hand(Net& net) {
  const auto root =
      static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(net.size()))));
  std::vector<Variant> variants;
  for (Mode mode : {Mode::stored, Mode::reversible, Mode::inverted, Mode::chunked})
    variants.push_back({std::string(name(mode)), {}, uniform_plan(net, mode, 0)});
  variants.push_back({"checkpoint:1", {}, uniform_plan(net, Mode::stored, 1)});
  variants.push_back({"checkpoint", {}, uniform_plan(net, Mode::stored, root)});
  return variants;
}

bool same_modes(const Plan& a, const Plan& b) {
  return std::equal(a.layers.begin(), a.layers.end(), b.layers.begin(), b.layers.end(),
                    [](const PlannedLayer& x, const PlannedLayer& y) {
                      return x.mode == y.mode && x.recomputed == y.recomputed &&
                             x.begins_segment == y.begins_segment;
                    });
}

/// Removes variants that a dry run cannot distinguish from an earlier one.
void drop_alike(std::vector<Variant>& variants, Training& training) {
  std::vector<std::pair<std::size_t, double>> seen;
  std::erase_if(variants, [&](Variant& variant) {
    variant.plan.apply(training.net());
    const PeakMemory peak = peak_memory(training.net(), training.device(), training.shape());
    variant.plan.peak_bytes = peak.bytes.total();
    Cpu::Rehearsal rehearsal(training.device());
    Tensor<float, Cpu> x(training.device(), training.shape());
    const std::vector<std::int32_t> labels(static_cast<std::size_t>(training.shape().n), 3);
    accumulate_gradients(training.net(), x, cross_entropy(labels));
    const std::pair mark(variant.plan.peak_bytes, training.device().work().multiply_adds);
    if (std::find(seen.begin(), seen.end(), mark) != seen.end()) return true;
    seen.push_back(mark);
    return false;
  });
}

std::vector<Variant> plans(Training& training, std::size_t most, const SweepOptions& options) {
  const std::filesystem::path cache =
      std::filesystem::temp_directory_path() / "retrace-memory-compute.tsv";
  std::filesystem::remove(cache);
  PlanOptions chosen{.may_fuse = false, .may_cut = false, .cache = cache};
  const auto plan_for = [&](std::size_t budget) {
    return plan(training.net(), training.device(), training.shape(), budget, chosen);
  };
  std::size_t least = 0;
  try {
    plan_for(1);
  } catch (const NoPlan& none) {
    least = none.smallest;
  }
  std::vector<Variant> variants;
  for (int i = 0; i < options.budgets; ++i) {
    const std::size_t budget =
        least + (most - least) * static_cast<std::size_t>(i) /
                    static_cast<std::size_t>(std::max(options.budgets - 1, 1));
    variants.push_back({format_bytes(static_cast<double>(budget)), budget, plan_for(budget)});
  }
  std::filesystem::remove(cache);
  return variants;
}

/// Measures all variants, alternating, so that other load affects all equally. Each timed step
/// follows a step of the same variant, as in training. Variants with the same modes are measured
/// once.
void measure(std::vector<Variant*> variants, Training& training, int steps) {
  std::vector<std::vector<double>> seconds(variants.size());
  const auto first_alike = [&](std::size_t i) {
    std::size_t k = 0;
    while (!same_modes(variants[k]->plan, variants[i]->plan)) ++k;
    return k;
  };
  for (int turn = 0; turn < steps; ++turn)
    for (std::size_t i = 0; i < variants.size(); ++i) {
      if (first_alike(i) != i) continue;
      variants[i]->plan.apply(training.net());
      training.step();
      const Training::Taken taken = training.step();
      variants[i]->peak_bytes = taken.peak;
      seconds[i].push_back(taken.seconds);
    }
  for (std::size_t i = 0; i < variants.size(); ++i) {
    const std::size_t alike = first_alike(i);
    variants[i]->seconds = benchmark::median(seconds[alike]);
    variants[i]->peak_bytes = variants[alike]->peak_bytes;
  }
}

/// Returns the median time of three steps.
double seconds_now(const Variant& variant, Training& training) {
  variant.plan.apply(training.net());
  training.step();
  return benchmark::median(
      {training.step().seconds, training.step().seconds, training.step().seconds});
}

double relative(double predicted, double measured) {
  return std::abs(predicted - measured) / measured;
}

}  // namespace

double Variant::peak_error() const {
  return relative(static_cast<double>(plan.peak_bytes), static_cast<double>(peak_bytes));
}
double Variant::time_error(double slowdown) const {
  return relative(slowdown * plan.seconds, seconds);
}

const Variant* Sweep::best_by_hand(std::size_t budget) const {
  const Variant* best = nullptr;
  for (const Variant& variant : by_hand)
    if (variant.peak_bytes <= budget && (!best || variant.seconds < best->seconds)) best = &variant;
  return best;
}

Sweep sweep(Architecture architecture, const SweepOptions& options) {
  Training training(architecture, options);
  Sweep result{architecture, options.batch, variants_by_hand(training.net()), {}};
  drop_alike(result.by_hand, training);
  std::cerr << name(architecture) << ": plans\n";
  const Variant& stored = result.by_hand.front();
  const double before = seconds_now(stored, training);
  result.planned = plans(training, stored.plan.peak_bytes, options);
  const double when_planned = (before + seconds_now(stored, training)) / 2;
  std::vector<Variant*> all;
  for (Variant& variant : result.by_hand) all.push_back(&variant);
  for (Variant& variant : result.planned) all.push_back(&variant);
  std::cerr << name(architecture) << ": " << options.steps << " steps per variant\n";
  measure(all, training, options.steps);
  result.slowdown = stored.seconds / when_planned;
  return result;
}

}  // namespace memory_compute
