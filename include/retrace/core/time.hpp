// The time at which a function of time is evaluated.
#pragma once

#include <cstddef>
#include <vector>

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// One time for all images of a batch, or a time of its own for each image.
struct Time {
  double of_all = 0;
  std::vector<double> of_images = {};  ///< empty if all images have the same time

  double operator()(Index image) const {
    return of_images.empty() ? of_all : of_images[static_cast<std::size_t>(image)];
  }
  bool common() const { return of_images.empty(); }
};

}  // namespace retrace::inline RETRACE_ISA
