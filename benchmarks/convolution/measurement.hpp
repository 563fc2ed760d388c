// Times the passes of a convolution for every implementation.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "retrace/onednn/problem.hpp"
#include "shapes.hpp"

namespace convolution {

using retrace::onednn::Pass;

inline constexpr std::array<Pass, 3> all_passes{Pass::forward, Pass::input_gradient,
                                                Pass::weight_gradient};
constexpr std::string_view name(Pass pass) {
  return pass == Pass::forward          ? "forward"
         : pass == Pass::input_gradient ? "input_gradient"
                                        : "weight_gradient";
}

enum class Implementation { retrace, onednn_nhwc, onednn_preferred, onednn_winograd, eigen };

inline constexpr std::array<Implementation, 5> all_implementations{
    Implementation::retrace, Implementation::onednn_nhwc, Implementation::onednn_preferred,
    Implementation::onednn_winograd, Implementation::eigen};
constexpr std::string_view name(Implementation implementation) {
  constexpr std::array<std::string_view, 5> names{"retrace", "onednn_nhwc", "onednn_preferred",
                                                  "onednn_winograd", "eigen"};
  return names[static_cast<std::size_t>(implementation)];
}

/// One pass of one shape, in GFLOP/s, counting two operations per multiply-add of a direct
/// convolution for every algorithm. Empty if there is no such implementation.
struct Rates {
  std::array<std::optional<double>, all_implementations.size()> gflops;

  std::optional<double> of(Implementation implementation) const {
    return gflops[static_cast<std::size_t>(implementation)];
  }
};

struct Measurement {
  UsedShape used;
  int threads;
  std::array<Rates, all_passes.size()> passes;
  double peak;  ///< peak GFLOP/s of the machine, the mean of before and after

  double share_of_peak(const Rates& rates) const {
    return *rates.of(Implementation::retrace) / peak;
  }
};

struct MeasureOptions {
  retrace::Index batch = 64;
  int rounds = 3;
};

/// Measures all implementations, alternating. Each rate is that of the fastest round; a round takes
/// at least a few milliseconds.
Measurement measure(const UsedShape& used, int threads, const MeasureOptions& options);

}  // namespace convolution
