// Times training steps of one network.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "retrace/retrace.hpp"
#include "support/training.hpp"

namespace step_time {

/// What is timed.
struct Subject {
  retrace::Architecture architecture = retrace::Architecture::revnet;
  retrace::NetOptions net;
  std::string mode;
  retrace::Index batch = 128;
  int threads = 1;                                      ///< of the host; 0 on a GPU
  retrace::ConvolutionBackend* convolutions = nullptr;  ///< null: the library's own
};

/// GFLOP/s between registers, measured before and after the steps.
struct Peak {
  double before = 0, after = 0;
  double mean() const { return (before + after) / 2; }
};

/// Where the time of further steps goes, which only the host tells.
struct Profiled {
  retrace::Profile profile;
  double seconds;  ///< of these steps together
  int steps;
};

struct Measurement {
  std::string machine;  ///< with the device's name
  retrace::Index parameters;
  std::vector<double> seconds;  ///< of every step
  std::optional<Peak> peak;     ///< of the host
  benchmark::Training::MultiplyAdds multiply_adds;
  std::optional<Profiled> profiled;
  std::size_t peak_bytes;  ///< held in a step, by the meter

  double step_seconds() const;
  /// The step's multiply-adds in forward passes, to the next whole number: 3 where all is stored,
  /// 4 where every branch is evaluated again.
  double whole_passes() const;
  /// Of the peak, where that is known, counting every multiply-add of a direct convolution once.
  double share_of_peak() const { return share(multiply_adds.step); }
  double share_of_peak_in_whole_passes() const {
    return share(multiply_adds.forward * whole_passes());
  }

 private:
  double share(double multiply_adds) const;
};

/// The first step is not counted.
Measurement measure(const Subject& subject, int steps);

/// Step times of the same network on 1, 2, … threads, in turn.
struct Scaling {
  std::vector<double> seconds;  ///< medians; the first of one thread
};
Scaling measure_scaling(const Subject& subject, int steps);

/// Steps on an otherwise idle machine and beside processes that keep a processor busy each.
struct Beside {
  int processes;
  double idle_seconds = 0, seconds = 0;  ///< means of a step
  /// Of the idle machine's speed.
  double share() const { return idle_seconds / seconds; }
};
/// The two take turns.
Beside measure_beside(const Subject& subject, int processes, int steps);

/// Step times over something that grows, and the line through them.
struct Curve {
  std::vector<double> at, seconds;

  struct Line {
    double start, slope;
    double at(double x) const { return start + slope * x; }
  };
  /// By least squares.
  Line line() const;
  /// The largest distance of a point from the line, as a share of the line's value there.
  double largest_deviation() const;
};

/// Over eighths of the batch.
Curve over_batch(const Subject& subject, int steps);
/// Over 1, 2, … blocks in every level, on a quarter of the batch.
Curve over_depth(const Subject& subject, int most_blocks, int steps);

}  // namespace step_time
