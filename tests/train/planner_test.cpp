// Plans: within budget by the meter, no slower than one mode for all, and refused with a figure.
#include "retrace/train/planner.hpp"

#include <fstream>
#include <sstream>

#include "retrace/cpu/machine.hpp"
#include "retrace/math/philox.hpp"
#include "retrace/train/rules/sgd.hpp"
#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Shape batch{16, 8, 8, 3};

struct Times {
  std::filesystem::path file = std::filesystem::temp_directory_path() /
                               ("retrace_plan_" + std::to_string(getpid()) + ".tsv");
  ~Times() { std::filesystem::remove(file); }

  /// Puts others in the place of those measured, as of a machine that was disturbed all the time.
  void scramble(std::uint64_t seed) const {
    Random random(seed, 0);
    std::ifstream before(file);
    std::ostringstream after;
    for (std::string line; std::getline(before, line);) {
      const std::size_t last = line.rfind('\t');
      const bool cost = last != std::string::npos && line.find('\t') < line.rfind('\t', last - 1);
      if (cost) line = line.substr(0, last) + '\t' + std::to_string(1e-4 + 1e-3 * random.uniform());
      after << line << '\n';
    }
    before.close();
    std::ofstream(file) << after.str();
  }
};

PlanOptions options(const Times& times) {
  PlanOptions chosen;
  chosen.cache = times.file;
  chosen.probed_images = 4;
  return chosen;
}

/// The peak of a step taken by the plan, measured.
std::size_t measured_peak(Net& net, Cpu& device, const Plan& planned) {
  planned.apply(net);
  std::optional<Sgd<double, Cpu>> sgd;
  sgd.emplace(net.parameters(), SgdOptions{.fused = planned.fused_optimizer});
  if (planned.fused_optimizer) sgd->arm(0);
  device.memory().restart_peak();
  accumulate_gradients(net, batch.n, planned.micro_batch, [&](Index, Index count) {
    struct Part {
      Tensor<double, Cpu> x;
      std::vector<std::int32_t> labels;
    };
    return Part{images(device, {count, batch.h, batch.w, batch.c}), labels(count)};
  });
  return device.memory().peak().total();
}

Mode mode_of(const std::string& way) {
  for (Mode mode : all_modes)
    if (way == name(mode)) return mode;
  throw std::invalid_argument(way);
}

std::size_t velocities(Net& net) {
  return static_cast<std::size_t>(net.parameters().count()) * sizeof(double);
}

}  // namespace

TEST_CASE("plans keep their budgets to the byte, and more bytes never take longer") {
  const auto seed = GENERATE(range<std::uint64_t>(0, 4));
  const Times times;
  for (Architecture architecture : all_architectures) {
    Cpu device(2);
    Net net = small_net(device, architecture);
    PlanOptions chosen = options(times);
    chosen.other_bytes = velocities(net);
    chosen.may_fuse = false;
    plan(net, device, batch, 100'000'000, chosen);
    if (seed > 0) times.scramble(seed);
    net.set_mode(Mode::stored);
    const std::size_t held = device.memory().live().total() + chosen.other_bytes;
    const std::size_t most = peak_memory(net, device, batch).bytes.total() + chosen.other_bytes;
    double slower = std::numeric_limits<double>::infinity();
    int plans = 0;
    for (int part = 2; part <= 10; ++part) {
      CAPTURE(name(architecture), part, seed);
      const std::size_t budget = held + (most - held) * static_cast<std::size_t>(part) / 10;
      try {
        const Plan planned = plan(net, device, batch, budget, chosen);
        ++plans;
        CHECK(planned.peak_bytes <= budget);
        CHECK(measured_peak(net, device, planned) == planned.peak_bytes);
        CHECK(planned.layers.size() == net.size());
        if (planned.micro_batch == batch.n) {
          CHECK(planned.seconds <= slower * 1.0001);
          slower = planned.seconds;
        }
      } catch (const NoPlan& none) {
        CHECK(none.smallest > budget);
      }
    }
    CHECK(plans >= 3);
    CHECK(plan(net, device, batch, most, chosen).micro_batch == batch.n);
    chosen.may_cut = false;
    try {
      plan(net, device, batch, 1, chosen);
      FAIL("one byte is enough");
    } catch (const NoPlan& none) {
      CHECK(plan(net, device, batch, none.smallest, chosen).peak_bytes <= none.smallest);
    }
  }
}

TEST_CASE("a plan is no slower than any one mode that fits") {
  const Times times;
  Cpu device(2);
  Net net = small_net(device, Architecture::hybrid);
  PlanOptions chosen = options(times);
  chosen.may_fuse = false;
  for (const Way& each : ways(Architecture::hybrid)) {
    each.choose(net);
    const std::size_t budget = peak_memory(net, device, batch).bytes.total();
    CAPTURE(each.name);
    const Plan planned = plan(net, device, batch, budget, chosen);
    CHECK(planned.peak_bytes <= budget);
    CHECK(planned.micro_batch == batch.n);
    if (each.name.starts_with("checkpoint"))
      continue;  // what modes take is the sum of their layers
    CostCache cache(times.file, machine_name(device));
    LayerProbe<double, Cpu> probe(net, device);
    auto layers = probe.bytes(batch);
    probe.add_seconds(layers, batch, chosen.probed_images, cache, {});
    double uniform = 0, of_plan = 0;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const LayerOption* like = nullptr;
      for (const LayerOption& option : layers[i].options)
        if (option.mode <= mode_of(each.name)) like = &option;
      uniform += like->forward_seconds + like->backward_seconds;
      of_plan += planned.layers[i].seconds;
    }
    CHECK(of_plan <= uniform * 1.000001);
  }
}

TEST_CASE("a plan gives the gradients of any other way") {
  const Times times;
  Cpu device(2);
  constexpr Shape many{40, 8, 12, 3};  // whose activations take more than workspace
  for (Architecture architecture : {Architecture::resnet, Architecture::revnet}) {
    Net net = small_net(device, architecture), stored = small_net(device, architecture);
    stored.set_mode(Mode::stored);
    const auto expected = step(stored, device, many);
    const std::size_t budget = peak_memory(stored, device, many).bytes.total() * 8 / 10;
    plan(net, device, many, budget, options(times)).apply(net);
    CHECK(relative_distance(step(net, device, many).gradients, expected.gradients) < 1e-9);
    CHECK(device.memory().place() == "");
  }
}

TEST_CASE("planning leaves weights, averages, gradients and hooks alone") {
  const Times times;
  Cpu device(2);
  Net net = small_net(device, Architecture::revnet), same = small_net(device, Architecture::revnet);
  int completed = 0;
  for (auto& named : net.parameters().parameters)
    named.parameter->on_complete = [&](Parameter<double, Cpu>&) { ++completed; };
  const std::size_t before = device.memory().live().total();
  plan(net, device, batch, before + 10'000'000, options(times));
  CHECK(completed == 0);
  CHECK(device.memory().live().total() == before);
  CHECK(same_bits(buffers(net), buffers(same)));
  for (const Values& gradient : gradients(net)) CHECK(largest(gradient) == 0);
  net.set_mode(Mode::reversible);
  CHECK(same_bits(step(net, device).gradients, step(same, device).gradients));
}

TEST_CASE("fused optimizers and micro-batches are planned where nothing else fits") {
  const Times times;
  Cpu device(2);
  Net net = small_net(device, Architecture::irevnet);
  PlanOptions chosen = options(times);
  chosen.other_bytes = velocities(net);
  chosen.may_fuse = chosen.may_cut = false;
  const auto smallest = [&] {
    try {
      plan(net, device, batch, 1, chosen);
    } catch (const NoPlan& none) {
      CHECK_THAT(none.what(), containing("no plan fits 1 B: the smallest that does takes"));
      return none.smallest;
    }
    return std::size_t{0};
  };
  const std::size_t whole = smallest();
  CHECK(plan(net, device, batch, whole, chosen).peak_bytes <= whole);
  CHECK_THROWS_AS(plan(net, device, batch, whole - 1, chosen), NoPlan);

  chosen.may_cut = true;
  CHECK(smallest() < whole);
  const Plan cut = plan(net, device, batch, whole - 1, chosen);
  CHECK(cut.micro_batch < batch.n);
  CHECK(measured_peak(net, device, cut) == cut.peak_bytes);

  chosen.may_fuse = true;
  const Plan fused = plan(net, device, batch, whole - 1, chosen);
  CHECK(fused.fused_optimizer);
  CHECK(fused.micro_batch == batch.n);
  CHECK(measured_peak(net, device, fused) == fused.peak_bytes);
}

TEST_CASE("a chain without layers has no plan") {
  const Times times;
  Cpu device(1);
  Net net;
  CHECK_THROWS_WITH(plan(net, device, batch, 1'000'000, options(times)),
                    "plan: the chain has no layers");
}

TEST_CASE("times are measured once") {
  const Times times;
  Cpu device(2);
  Net net = small_net(device, Architecture::hybrid);
  PlanOptions chosen = options(times);
  std::size_t measured = 0;
  chosen.progress = [&](std::size_t done, std::size_t all) {
    CHECK(done == ++measured);
    CHECK(done <= all);
  };
  const std::size_t budget = device.memory().live().total() + 10'000'000;
  const Plan first = plan(net, device, batch, budget, chosen);
  CHECK(measured == 3);  // in chunks of a batch as small as this nothing is different
  const std::size_t once = measured;
  const Plan again = plan(net, device, batch, budget, chosen);
  CHECK(measured == once);
  CHECK(again.seconds == Approx(first.seconds).epsilon(1e-6));
  CHECK(again.seconds > 0);
}

TEST_CASE("the machine has a name") {
  const std::string name = machine_name(Cpu(2));
  CHECK_THAT(name, containing(", 2 threads"));
  CHECK_THAT(name, containing(std::string(instruction_set)));
}
