// The solver against all there is, on small chains of random layers.
#include "retrace/train/assignment.hpp"

#include "retrace/math/philox.hpp"
#include "support/catch.hpp"

using namespace retrace;

namespace {

std::vector<LayerOptions> random_layers(Random& random, std::size_t count) {
  // Multiples of 4096 of a budget of 4096·1000, so that no byte is rounded.
  const auto bytes = [&](std::uint32_t below) {
    return 1000 * static_cast<std::int64_t>(random.below(below));
  };
  std::vector<LayerOptions> layers(count);
  for (std::size_t i = 0; i < count; ++i) {
    layers[i].input = i == 0 ? bytes(500) : layers[i - 1].output;
    layers[i].output = bytes(500);
    for (std::size_t k = 0; k < 3; ++k) {
      LayerOption option;
      option.mode = k == 0 ? Mode::stored : k == 1 ? Mode::reversible : Mode::chunked;
      option.reads_output = random.below(2) == 0;
      for (auto* each : {&option.restoring, &option.careless})
        *each = {bytes(1000), bytes(1500), bytes(2000)};
      option.forward_seconds = random.uniform();
      option.backward_seconds = random.uniform();
      layers[i].options.push_back(option);
    }
  }
  return layers;
}

/// Follows one assignment through a step: its time if it fits.
std::optional<double> time_of(const std::vector<LayerOptions>& layers,
                              const std::vector<Segment>& segments, std::int64_t budget) {
  std::int64_t kept = 0, most = 0;
  double seconds = 0;
  bool restore = false;
  for (const Segment& segment : segments) {
    if (!segment.recomputed) {
      const LayerOption& option = layers[segment.first].options[segment.option];
      const auto& bytes = option.bytes(restore);
      most = std::max({most, kept + bytes.forward, kept + bytes.backward});
      kept += bytes.kept;
      seconds += option.forward_seconds + option.backward_seconds;
      restore = option.reads_output;
      continue;
    }
    std::int64_t inside = 0;
    for (std::size_t i = segment.first; i < segment.end; ++i) {
      const LayerOption& stored = layers[i].options[0];
      const auto& bytes = stored.bytes(restore);
      most = std::max({most, kept + layers[segment.first].input + bytes.forward,
                       kept + inside + layers[i].output + bytes.forward,
                       kept + inside + bytes.backward});
      inside += bytes.kept;
      restore = stored.reads_output;
      seconds += 2 * stored.forward_seconds + stored.backward_seconds;
    }
    kept += layers[segment.first].input;
    restore = false;
  }
  return most <= budget ? std::optional(seconds) : std::nullopt;
}

/// The best of all assignments of the layers from `at` on.
void try_all(const std::vector<LayerOptions>& layers, std::int64_t budget, std::size_t at,
             std::vector<Segment>& segments, std::optional<double>& best) {
  if (at == layers.size()) {
    const auto time = time_of(layers, segments, budget);
    if (time && (!best || *time < *best)) best = time;
    return;
  }
  const auto with = [&](Segment segment) {
    segments.push_back(segment);
    try_all(layers, budget, segment.end, segments, best);
    segments.pop_back();
  };
  for (std::size_t k = 0; k < layers[at].options.size(); ++k) with({at, at + 1, false, k});
  for (std::size_t end = at + 1; end <= layers.size(); ++end) with({at, end, true});
}

}  // namespace

TEST_CASE("the assignment found is the fastest of all that fit") {
  constexpr std::int64_t budget = 4096 * 1000;
  Random random(3);
  int fitting = 0;
  for (int trial = 0; trial < 60; ++trial) {
    const auto layers = random_layers(random, 1 + static_cast<std::size_t>(trial) % 5);
    std::optional<double> best;
    std::vector<Segment> segments;
    try_all(layers, budget, 0, segments, best);
    const auto found = Assignment::fastest(layers, budget);
    REQUIRE(found.has_value() == best.has_value());
    if (!found) continue;
    ++fitting;
    const auto time = time_of(layers, *found, budget);
    REQUIRE(time);
    CHECK(*time == Approx(*best).epsilon(1e-12));
  }
  CHECK(fitting > 30);
}

TEST_CASE("an assignment covers every layer once, and there is none where nothing fits") {
  Random random(5);
  const auto layers = random_layers(random, 12);
  const auto found = Assignment::fastest(layers, 20'000'000);
  REQUIRE(found);
  std::size_t at = 0;
  for (const Segment& segment : *found) {
    CHECK(segment.first == at);
    CHECK(segment.end > at);
    at = segment.end;
  }
  CHECK(at == layers.size());
  CHECK(!Assignment::fastest(layers, 10));
  CHECK(!Assignment::fastest({}, 10));
}
