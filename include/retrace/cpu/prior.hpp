// Densities of latents on the host.
#pragma once

#include <cmath>

#include "retrace/core/prior.hpp"
#include "retrace/cpu/image_sums.hpp"

namespace retrace::inline RETRACE_ISA {

/// Computes density, [N], += Σ log p(z) over each image, and dz = factor·∂ log p/∂z.
template <class T>
void prior_log_density(View<double, Cpu> density, View<T, Cpu> dz, ConstView<T, Cpu> z, Prior prior,
                       double factor) {
  const Shape shape = z.shape();
  const double of_element = prior == Prior::normal ? -0.5 * std::log(2 * std::acos(-1.0)) : 0;
  cpu::add_image_sums(density, shape, sweep_work<T>(shape, 4), 1, [=](Index r) {
    double sum = of_element * static_cast<double>(shape.w * shape.c);
    for (Index pixel = r * shape.w; pixel < (r + 1) * shape.w; ++pixel)
      for (Index c = 0; c < shape.c; ++c) {
        const auto value = static_cast<double>(z.pixel(pixel)[c]);
        const bool normal = prior == Prior::normal;
        const double size = std::abs(value);
        sum -= normal ? value * value / 2 : size + 2 * std::log1p(std::exp(-size));
        dz.pixel(pixel)[c] = static_cast<T>(factor * (normal ? -value : -std::tanh(value / 2)));
      }
    return sum;
  });
}

}  // namespace retrace::inline RETRACE_ISA
