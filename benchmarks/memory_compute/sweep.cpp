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

/// A network in training on noise.
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
    Random random(1, stream("noise"));
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

/// A plan of one mode for all layers, or of checkpoints every so many.
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

std::vector<Way> ways_by_hand(Net& net) {
  const auto root =
      static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(net.size()))));
  std::vector<Way> ways;
  for (Mode mode : {Mode::stored, Mode::reversible, Mode::inverted, Mode::streamed})
    ways.push_back({std::string(name(mode)), {}, uniform_plan(net, mode, 0)});
  ways.push_back({"checkpoint:1", {}, uniform_plan(net, Mode::stored, 1)});
  ways.push_back({"checkpoint", {}, uniform_plan(net, Mode::stored, root)});
  return ways;
}

bool same_modes(const Plan& a, const Plan& b) {
  return std::equal(a.layers.begin(), a.layers.end(), b.layers.begin(), b.layers.end(),
                    [](const PlannedLayer& x, const PlannedLayer& y) {
                      return x.mode == y.mode && x.recomputed == y.recomputed &&
                             x.begins_segment == y.begins_segment;
                    });
}

/// Leaves out the modes that a dry run cannot tell from one before.
void drop_alike(std::vector<Way>& ways, Training& training) {
  std::vector<std::pair<std::size_t, double>> seen;
  std::erase_if(ways, [&](Way& way) {
    way.plan.apply(training.net());
    const PeakMemory peak = peak_memory(training.net(), training.device(), training.shape());
    way.plan.peak_bytes = peak.bytes.total();
    Cpu::Rehearsal rehearsal(training.device());
    Tensor<float, Cpu> x(training.device(), training.shape());
    const std::vector<std::int32_t> labels(static_cast<std::size_t>(training.shape().n), 3);
    accumulate_gradients(training.net(), x, cross_entropy(labels));
    const std::pair mark(way.plan.peak_bytes, training.device().work().multiply_adds);
    if (std::find(seen.begin(), seen.end(), mark) != seen.end()) return true;
    seen.push_back(mark);
    return false;
  });
}

std::vector<Way> plans(Training& training, std::size_t most, const SweepOptions& options) {
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
  std::vector<Way> ways;
  for (int i = 0; i < options.budgets; ++i) {
    const std::size_t budget =
        least + (most - least) * static_cast<std::size_t>(i) /
                    static_cast<std::size_t>(std::max(options.budgets - 1, 1));
    ways.push_back({format_bytes(static_cast<double>(budget)), budget, plan_for(budget)});
  }
  std::filesystem::remove(cache);
  return ways;
}

/// All ways take turns, so that what else the machine does falls on all of them. A step before the
/// one that is timed has the memory ready, as it is in a training. Ways of the same modes are one.
void measure(std::vector<Way*> ways, Training& training, int steps) {
  std::vector<std::vector<double>> seconds(ways.size());
  const auto first_alike = [&](std::size_t i) {
    std::size_t k = 0;
    while (!same_modes(ways[k]->plan, ways[i]->plan)) ++k;
    return k;
  };
  for (int turn = 0; turn < steps; ++turn)
    for (std::size_t i = 0; i < ways.size(); ++i) {
      if (first_alike(i) != i) continue;
      ways[i]->plan.apply(training.net());
      training.step();
      const Training::Taken taken = training.step();
      ways[i]->peak_bytes = taken.peak;
      seconds[i].push_back(taken.seconds);
    }
  for (std::size_t i = 0; i < ways.size(); ++i) {
    const std::size_t alike = first_alike(i);
    ways[i]->seconds = benchmark::median(seconds[alike]);
    ways[i]->peak_bytes = ways[alike]->peak_bytes;
  }
}

/// Of three steps.
double seconds_now(const Way& way, Training& training) {
  way.plan.apply(training.net());
  training.step();
  return benchmark::median(
      {training.step().seconds, training.step().seconds, training.step().seconds});
}

double relative(double predicted, double measured) {
  return std::abs(predicted - measured) / measured;
}

}  // namespace

double Way::peak_error() const {
  return relative(static_cast<double>(plan.peak_bytes), static_cast<double>(peak_bytes));
}
double Way::time_error(double slowdown) const { return relative(slowdown * plan.seconds, seconds); }

const Way* Sweep::best_by_hand(std::size_t budget) const {
  const Way* best = nullptr;
  for (const Way& way : by_hand)
    if (way.peak_bytes <= budget && (!best || way.seconds < best->seconds)) best = &way;
  return best;
}

Sweep sweep(Architecture architecture, const SweepOptions& options) {
  Training training(architecture, options);
  Sweep result{architecture, options.batch, ways_by_hand(training.net()), {}};
  drop_alike(result.by_hand, training);
  std::cerr << name(architecture) << ": plans\n";
  const Way& stored = result.by_hand.front();
  const double before = seconds_now(stored, training);
  result.planned = plans(training, stored.plan.peak_bytes, options);
  const double when_planned = (before + seconds_now(stored, training)) / 2;
  std::vector<Way*> all;
  for (Way& way : result.by_hand) all.push_back(&way);
  for (Way& way : result.planned) all.push_back(&way);
  std::cerr << name(architecture) << ": " << options.steps << " steps a way\n";
  measure(all, training, options.steps);
  result.slowdown = stored.seconds / when_planned;
  return result;
}

}  // namespace memory_compute
