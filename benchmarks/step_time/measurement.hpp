// Times training steps of one network.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "retrace/retrace.hpp"
#include "support/training.hpp"

namespace step_time {

/// The network and mode to time.
struct Subject {
  retrace::Architecture architecture = retrace::Architecture::revnet;
  retrace::NetOptions net;
  std::string mode;
  retrace::Index batch = 128;
  int threads = 1;                                      ///< threads of the host; 0 on a GPU
  retrace::ConvolutionBackend* convolutions = nullptr;  ///< null means the library's own
};

/// GFLOP/s between registers, before and after the timed steps.
struct Peak {
  double before = 0, after = 0;
  double mean() const { return (before + after) / 2; }
};

/// The time of each operation in further steps. Only available on the host.
struct Profiled {
  retrace::Profile profile;
  double seconds;  ///< total of these steps
  int steps;
};

struct Measurement {
  std::string machine;  ///< machine and device name
  retrace::Index parameters;
  std::vector<double> seconds;  ///< per step
  std::optional<Peak> peak;     ///< peak of the host
  benchmark::Training::MultiplyAdds multiply_adds;
  std::optional<Profiled> profiled;
  std::size_t peak_bytes;  ///< peak of a step by the meter

  double step_seconds() const;
  /// Returns the step's multiply-adds in forward passes, rounded up: 3 if everything is stored, 4
  /// if every branch is evaluated again.
  double whole_passes() const;
  /// Returns the share of the peak, if known, counting every multiply-add of a direct convolution
  /// once.
  double share_of_peak() const { return share(multiply_adds.step); }
  double share_of_peak_in_whole_passes() const {
    return share(multiply_adds.forward * whole_passes());
  }

 private:
  double share(double multiply_adds) const;
};

/// Times `steps` steps after a first step that is not counted.
Measurement measure(const Subject& subject, int steps);

/// Step times of the same network on 1, 2, … threads, alternating.
struct Scaling {
  std::vector<double> seconds;  ///< medians; the first is for one thread
};
Scaling measure_scaling(const Subject& subject, int steps);

/// Steps on an otherwise idle machine, and with busy processes that each occupy a processor.
struct Beside {
  int processes;
  double idle_seconds = 0, seconds = 0;  ///< means per step
  /// Returns the speed as a share of that on the idle machine.
  double share() const { return idle_seconds / seconds; }
};
/// Measures both, alternating.
Beside measure_beside(const Subject& subject, int processes, int steps);

/// Step times over a growing quantity, and the line through them.
struct Curve {
  std::vector<double> at, seconds;

  struct Line {
    double start, slope;
    double at(double x) const { return start + slope * x; }
  };
  /// Returns the least-squares line.
  Line line() const;
  /// Returns the largest relative distance of a point from the line.
  double largest_deviation() const;
};

/// Measures eighths of the batch.
Curve over_batch(const Subject& subject, int steps);
/// Measures 1, 2, … blocks per level, on a quarter of the batch.
Curve over_depth(const Subject& subject, int most_blocks, int steps);

}  // namespace step_time
