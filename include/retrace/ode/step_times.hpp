// The times of the steps of a solve.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "retrace/ode/ode_options.hpp"

namespace retrace::inline RETRACE_ISA {

/// A step from `time` to `time + size`.
struct OdeStep {
  double time, size;
  double end;            ///< time + size, rounded as the next step's time is
  std::size_t part = 0;  ///< the number of outputs before it
};

/// The steps of a solve: equal ones between outputs, which take no memory, or the accepted ones of
/// an adaptive solve, 8 bytes each.
class StepTimes {
 public:
  StepTimes() = default;
  /// Equal steps of at most the size (end − begin)/steps between outputs.
  static StepTimes equal(const OdeOptions& options) {
    StepTimes times(options);
    const double most = (options.end - options.begin) / static_cast<double>(options.steps);
    double from = options.begin;
    for (double to : times.ends_) {
      // Without the small reduction, rounding could make one step of 1.0000001 two.
      const double count = std::ceil((to - from) / most * (1 - 1e-9));
      times.parts_.push_back({times.size(), from, to, std::max<Index>(1, Index(count))});
      from = to;
    }
    return times;
  }
  /// No steps yet; add() adds accepted ones.
  static StepTimes recorded(const OdeOptions& options) {
    StepTimes times(options);
    times.accepted_.push_back(options.begin);
    return times;
  }
  /// The times at which a step must end: the outputs and the end.
  static std::vector<double> ends(const OdeOptions& options) {
    std::vector<double> all = options.outputs;
    if (all.empty() || all.back() < options.end) all.push_back(options.end);
    return all;
  }

  void add(double end) { accepted_.push_back(end); }

  Index size() const {
    if (!accepted_.empty()) return static_cast<Index>(accepted_.size()) - 1;
    return parts_.empty() ? 0 : parts_.back().first + parts_.back().count;
  }
  OdeStep step(Index number) const {
    const double from = time(number), to = time(number + 1);
    const auto part = std::upper_bound(ends_.begin(), ends_.end(), from) - ends_.begin();
    return {from, to - from, to, static_cast<std::size_t>(part)};
  }

 private:
  explicit StepTimes(const OdeOptions& options) : ends_(ends(options)) {}

  struct Part {
    Index first;
    double begin, end;
    Index count;
  };

  double time(Index number) const {
    if (!accepted_.empty()) return accepted_[static_cast<std::size_t>(number)];
    const auto behind =
        std::upper_bound(parts_.begin(), parts_.end(), number,
                         [](Index value, const Part& part) { return value < part.first; });
    const Part& part = *(behind - 1);
    const Index within = number - part.first;
    if (within == part.count) return part.end;
    return part.begin + (part.end - part.begin) *
                            (static_cast<double>(within) / static_cast<double>(part.count));
  }

  std::vector<double> ends_;
  std::vector<Part> parts_;
  std::vector<double> accepted_;  ///< begin, and the ends of the steps
};

}  // namespace retrace::inline RETRACE_ISA
