#include "support/peak.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>

#include "retrace/core/thread_team.hpp"
#include "retrace/cpu/simd.hpp"

namespace benchmark {

using namespace retrace;

namespace {

constexpr int width = cpu::lanes<float>;
using Vector = cpu::Block<float, width>;

/// Enough independent sums to hide the latency of a multiply-add, and few enough for 16 registers.
constexpr std::size_t sums = 12;

/// Adds `rounds` multiply-adds to each of the sums. The result depends on all of them.
float multiply_add(long rounds, float factor) {
  std::array<Vector, sums> sum{};
  for (std::size_t i = 0; i < sums; ++i) sum[i] += static_cast<float>(i);
  const Vector a = Vector{} + factor, b = Vector{} + (1 - factor);
  for (long round = 0; round < rounds; ++round)
    for (Vector& each : sum) each = each * a + b;
  float total = 0;
  for (const Vector& each : sum)
    for (int i = 0; i < width; ++i) total += each[i];
  return total;
}

}  // namespace

double measure_peak(int threads) {
  using Clock = std::chrono::steady_clock;
  constexpr long rounds = 1'000'000;
  volatile float factor = 0.999f;  // unknown to the compiler
  ThreadTeam team(threads);
  double fastest = 0;
  for (int repetition = 0; repetition < 8; ++repetition) {
    std::atomic<float> total = 0;
    const auto start = Clock::now();
    team.try_run(threads, [&](Index, int) { total += multiply_add(rounds, factor); });
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double operations = 2.0 * static_cast<double>(rounds) * width * sums * threads;
    fastest = std::max(fastest, operations / seconds / 1e9);
  }
  return fastest;
}

}  // namespace benchmark
