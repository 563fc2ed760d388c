#include "measurement.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <memory>
#include <numeric>

#include "support/busy_processes.hpp"
#include "support/peak.hpp"
#include "support/statistics.hpp"

namespace step_time {

using namespace retrace;
using benchmark::Device, benchmark::median;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void convolve_by(ConvolutionBackend* backend, auto& device) {
  if constexpr (requires { device.set_convolutions(backend); }) device.set_convolutions(backend);
}

/// A network in its mode on its own device, with its batch.
struct Bench {
  Device device;
  benchmark::Training training;
  benchmark::Batch batch;

  explicit Bench(const Subject& subject)
      : device(make_device(subject.threads)),
        training(device, subject.architecture, subject.net,
                 {.momentum = 0.9, .weight_decay = 5e-4}),
        batch(device, {subject.batch, 32, 32, 3}) {
    benchmark::select_mode(training.net(), subject.mode);
    convolve_by(subject.convolutions, device);
  }
  double timed_step() {
    const auto start = Clock::now();
    training.step(batch);
    return seconds_since(start);
  }
};

/// Profiles further steps, if the device supports it.
std::optional<Profiled> profile(Bench& bench, auto& device, int steps) {
  if constexpr (requires(Profile profile) { device.set_profile(&profile); }) {
    Profiled result{.steps = steps};
    device.set_profile(&result.profile);
    for (int step = 0; step < steps; ++step) result.seconds += bench.timed_step();
    device.set_profile(nullptr);
    return result;
  } else {
    return {};
  }
}

/// Returns GFLOP/s of the host, if steps run there.
std::optional<double> peak_of(const Subject& subject) {
  if (device_kind != "cpu") return {};
  return benchmark::measure_peak(subject.threads);
}

/// Returns the median of `steps` steps of every subject. They alternate, so that other load affects
/// all equally; the first round is not counted.
std::vector<double> medians(const std::vector<Subject>& subjects, int steps) {
  std::vector<std::unique_ptr<Bench>> benches;
  for (const Subject& subject : subjects) benches.push_back(std::make_unique<Bench>(subject));
  std::vector<std::vector<double>> seconds(subjects.size());
  for (int turn = 0; turn <= steps; ++turn)
    for (std::size_t i = 0; i < benches.size(); ++i) {
      const double time = benches[i]->timed_step();
      if (turn > 0) seconds[i].push_back(time);
    }
  std::vector<double> result;
  for (auto& of_subject : seconds) result.push_back(median(std::move(of_subject)));
  return result;
}

}  // namespace

double Measurement::step_seconds() const { return median(seconds); }
double Measurement::whole_passes() const {
  return std::ceil(multiply_adds.step / multiply_adds.forward - 1e-9);
}
double Measurement::share(double count) const {
  return 2 * count / step_seconds() / (1e9 * peak->mean());
}

Measurement measure(const Subject& subject, int steps) {
  std::cerr << name(subject.architecture) << ' ' << subject.mode << ": " << steps << " steps\n";
  Bench bench(subject);
  Measurement result{.machine = machine_name(bench.device),
                     .parameters = bench.training.parameters(),
                     .multiply_adds = bench.training.count(bench.batch.images.shape())};
  bench.device.memory().restart_peak();
  bench.timed_step();
  result.peak_bytes = bench.device.memory().peak().total();

  const std::optional<double> before = peak_of(subject);
  for (int step = 0; step < steps; ++step) result.seconds.push_back(bench.timed_step());
  if (before) result.peak = Peak{*before, *peak_of(subject)};
  result.profiled = profile(bench, bench.device, std::max(steps / 2, 1));
  return result;
}

Scaling measure_scaling(const Subject& subject, int steps) {
  std::cerr << "1 to " << subject.threads << " threads\n";
  std::vector<Subject> subjects;
  for (int threads = 1; threads <= subject.threads; ++threads) {
    subjects.push_back(subject);
    subjects.back().threads = threads;
  }
  return {medians(subjects, steps)};
}

Beside measure_beside(const Subject& subject, int processes, int steps) {
  std::cerr << "with " << processes << " busy processes\n";
  Bench bench(subject);
  bench.timed_step();
  Beside result{.processes = processes};
  for (int step = 0; step < steps; ++step) {
    result.idle_seconds += bench.timed_step() / steps;
    const benchmark::BusyProcesses busy(processes);
    result.seconds += bench.timed_step() / steps;
  }
  return result;
}

Curve::Line Curve::line() const {
  const double n = static_cast<double>(at.size());
  const double x = std::accumulate(at.begin(), at.end(), 0.0) / n;
  const double y = std::accumulate(seconds.begin(), seconds.end(), 0.0) / n;
  double xx = 0, xy = 0;
  for (std::size_t i = 0; i < at.size(); ++i) {
    xx += (at[i] - x) * (at[i] - x);
    xy += (at[i] - x) * (seconds[i] - y);
  }
  const double slope = xx > 0 ? xy / xx : 0;
  return {y - slope * x, slope};
}

double Curve::largest_deviation() const {
  const Line through = line();
  double largest = 0;
  for (std::size_t i = 0; i < at.size(); ++i)
    largest = std::max(largest, std::abs(seconds[i] / through.at(at[i]) - 1));
  return largest;
}

Curve over_batch(const Subject& subject, int steps) {
  std::cerr << "batch sizes\n";
  std::vector<Subject> subjects;
  Curve curve;
  for (Index eighth = 1; eighth <= 8; ++eighth) {
    subjects.push_back(subject);
    subjects.back().batch = std::max<Index>(subject.batch * eighth / 8, 1);
    curve.at.push_back(static_cast<double>(subjects.back().batch));
  }
  curve.seconds = medians(subjects, steps);
  return curve;
}

Curve over_depth(const Subject& subject, int most_blocks, int steps) {
  std::cerr << "depths\n";
  std::vector<Subject> subjects;
  Curve curve;
  for (int blocks = 1; blocks <= most_blocks; ++blocks) {
    subjects.push_back(subject);
    subjects.back().batch = std::max<Index>(subject.batch / 4, 1);
    auto& of_level = subjects.back().net.blocks;
    std::fill(of_level.begin(), of_level.end(), Index{blocks});
    curve.at.push_back(blocks);
  }
  curve.seconds = medians(subjects, steps);
  return curve;
}

}  // namespace step_time
