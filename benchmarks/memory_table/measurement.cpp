#include "measurement.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <map>
#include <memory>
#include <utility>

#include "support/statistics.hpp"
#include "support/training.hpp"

namespace memory_table {

using namespace retrace;
using benchmark::Batch, benchmark::Device, benchmark::median, benchmark::Training;

namespace {

Shape images(Index count, Index extent) { return {count, extent, extent, 3}; }

double total(const PeakMemory& peak) { return static_cast<double>(peak.bytes.total()); }

double growth_per_pixel(const PeakMemory& less, Shape from, const PeakMemory& more, Shape to) {
  return (total(more) - total(less)) / static_cast<double>(to.pixels() - from.pixels());
}

Shape twice(Shape batch) { return images(2 * batch.n, batch.h); }

/// Measures one configuration on images of one size.
class Gauge {
 public:
  Gauge(Training& training, const MeasureOptions& options)
      : training_(training), options_(options) {}

  Measurement operator()(const Configuration& configuration, Index extent) {
    std::cerr << name(configuration.architecture) << ' ' << configuration.mode << ": memory at "
              << extent << " x " << extent << '\n';
    configuration.select(training_.net());
    prediction_error_ = 0;
    const Shape batch = images(options_.batch, extent);
    const Peak reported = peak(batch);
    const bool given = configuration.from > 0 && extent == small_extent;
    const Shape from = given ? images(configuration.from, extent) : batch;
    const Shape to = given ? images(configuration.to, extent) : twice(batch);
    const Peak once = from == batch ? reported : peak(from), more = peak(to);
    // If those are predicted, measure one image to check the prediction.
    if (!once.measured) measure(images(1, extent));

    const double slope = growth_per_pixel(once.memory, from, more.memory, to);
    return {.configuration = configuration,
            .batch = batch,
            .parameters = training_.parameters(),
            .widest_convolution = training_.widest_convolution(),
            .peak = reported.memory,
            .peak_measured = reported.measured,
            .bytes_per_pixel = slope,
            .slope_measured = once.measured && more.measured,
            .prediction_error = prediction_error_,
            .fixed_workspace = fixed_workspace(batch, slope)};
  }

 private:
  struct Peak {
    PeakMemory memory;
    bool measured;
  };

  /// Measures the peak if it is cheap or requested, and predicts it otherwise.
  Peak peak(Shape batch) {
    PeakMemory predicted = training_.predict(batch);
    if (batch.h == small_extent || predicted.bytes.total() <= options_.measured)
      return {measure(batch), true};
    return {std::move(predicted), false};
  }

  PeakMemory measure(Shape batch) {
    const double predicted = total(training_.predict(batch));
    PeakMemory measured = training_.measure(batch);
    prediction_error_ =
        std::max(prediction_error_, std::abs(predicted - total(measured)) / total(measured));
    return measured;
  }

  /// Returns the part of the peaks that neither is held at rest nor grows with the batch. A batch
  /// of one image reveals layers that need less per image but more in total. The peak of one tiny
  /// image, which needs little else, is at the layer with the most workspace.
  double fixed_workspace(Shape batch, double slope) {
    double most = static_cast<double>(training_.predict(images(1, 16)).bytes[Use::workspace]);
    for (Shape shape : {images(1, batch.h), batch})
      most = std::max(most, total(training_.predict(shape)) -
                                static_cast<double>(training_.bytes_at_rest()) -
                                slope * static_cast<double>(shape.pixels()));
    return most;
  }

  Training& training_;
  const MeasureOptions& options_;
  double prediction_error_ = 0;
};

double seconds_of_step(Training& training, Batch& batch) {
  const auto start = std::chrono::steady_clock::now();
  training.step(batch);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// A network on its own device, whose meter counts nothing else.
struct Subject {
  Subject(const Configuration& configuration, int threads)
      : device(make_device(threads)),
        training(device, configuration.architecture, configuration.net) {
    configuration.select(training.net());
  }

  Device device;
  Training training;
};

/// One network per stream, for all modes of the stream.
using Subjects = std::map<Stream, std::unique_ptr<Subject>>;

Subjects make_subjects(const std::vector<Configuration>& modes, int threads) {
  Subjects subjects;
  for (const Configuration& mode : modes)
    if (auto& subject = subjects[mode.stream]; !subject)
      subject = std::make_unique<Subject>(mode, threads);
  return subjects;
}

/// Returns the median step time of every mode. The modes alternate, so that other load affects all
/// equally; the first round warms up.
std::vector<double> median_seconds(Subjects& subjects, Shape shape,
                                   const std::vector<Configuration>& modes, int steps) {
  std::vector<std::vector<double>> seconds(modes.size());
  for (int turn = 0; turn <= steps; ++turn)
    for (std::size_t i = 0; i < modes.size(); ++i) {
      Training& training = subjects.at(modes[i].stream)->training;
      Batch batch(training.device(), shape);
      modes[i].select(training.net());
      const double time = seconds_of_step(training, batch);
      if (turn > 0) seconds[i].push_back(time);
    }
  std::vector<double> medians;
  for (std::vector<double>& of_mode : seconds) medians.push_back(median(std::move(of_mode)));
  return medians;
}

}  // namespace

std::vector<Measurement> measure(Architecture architecture, const MeasureOptions& options) {
  const std::vector<Configuration> modes = configurations(architecture, options.size);
  Subjects subjects = make_subjects(modes, options.threads);

  std::vector<double> seconds;
  if (options.steps > 0) {
    std::cerr << name(architecture) << ": time of " << options.steps << " steps per mode\n";
    seconds =
        median_seconds(subjects, images(options.timed_batch, small_extent), modes, options.steps);
  }

  std::vector<Measurement> results;
  for (std::size_t i = 0; i < modes.size(); ++i) {
    Gauge gauge(subjects.at(modes[i].stream)->training, options);
    results.push_back(gauge(modes[i], small_extent));
    if (!seconds.empty()) {
      results.back().step_seconds = seconds[i];
      results.back().time_vs_stored = seconds[i] / seconds[0];
    }
    results.push_back(gauge(modes[i], options.extent));
  }
  return results;
}

std::vector<DepthCurve> bytes_by_depth(int most_blocks, const MeasureOptions& options) {
  std::vector<DepthCurve> curves;
  for (const Configuration& mode : configurations(Architecture::revnet))
    curves.push_back({mode.mode, {}});
  for (int blocks = 1; blocks <= most_blocks; ++blocks) {
    NetOptions net = paper_options(Architecture::revnet);
    std::fill(net.blocks.begin(), net.blocks.end(), Index{blocks});
    std::size_t curve = 0;
    for (const Configuration& mode : configurations(Architecture::revnet)) {
      Device device = make_dry_device(options.threads);
      net.stream = mode.stream;
      Training training(device, Architecture::revnet, net);
      mode.select(training.net());
      const Shape batch = images(options.batch, small_extent);
      curves[curve++].bytes_per_pixel.push_back(growth_per_pixel(
          training.predict(batch), batch, training.predict(twice(batch)), twice(batch)));
    }
  }
  return curves;
}

}  // namespace memory_table
