// The operations of a backend that flows need: optional, behind those of core/operations.hpp.
#pragma once

#include <cstdint>
#include <optional>

#include "retrace/core/operations.hpp"
#include "retrace/core/prior.hpp"

namespace retrace::inline RETRACE_ISA::operations {

/// Bijections of elements by a Map of math/flow_maps.hpp, with their log-determinants, on the
/// chosen Pixels of a checkerboard. Sums are [N,1,1,1] in double; they are added to if they are
/// given.
template <class D, class T, class Map, class Pixels>
concept Maps = requires(View<T, D> x, View<const T, D> values, const Map& map, Pixels pixels,
                        const std::optional<View<double, D>>& sums, double of_log_det) {
  map_elements(x, values, map, pixels, sums);    // x = map(x; values), sums += Σ log|dy/dx|
  unmap_elements(x, values, map, pixels, sums);  // the inverse, sums += Σ log|dx/dy|
  // replaces dy by dx, and values by their gradient
  map_elements_backward(x, values, x, map, pixels, of_log_det);
  clear_pixels(x, pixels);
  spread_pixels(x, values);  // x[n,h,w] = values[n], or values[0] of one image
};

/// Densities of latents, and noise within the bins of integers.
template <class D, class T>
concept Likelihoods = requires(View<T, D> x, View<const T, D> z, View<double, D> sums, Prior prior,
                               double number, std::uint64_t seed) {
  prior_log_density(sums, x, z, prior, number);  // sums += Σ log p(z), x = number·∂ log p/∂z
  add_bin_noise(x, number, seed, seed);          // packed
  add_noise_of_bins(x, z, number);
  remove_bin_noise(x, number);
};

/// All that flows need in addition to Operations.
template <class D, class T, class Map, class Pixels>
concept Flows = Operations<D, T> && LogDets<D, T> && Maps<D, T, Map, Pixels> && Likelihoods<D, T>;

}  // namespace retrace::inline RETRACE_ISA::operations
