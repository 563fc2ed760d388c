// Bijections of elements, with their log-determinants, on the host.
#pragma once

#include <algorithm>
#include <optional>

#include "retrace/cpu/elementwise.hpp"
#include "retrace/cpu/image_sums.hpp"
#include "retrace/math/flow_maps.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu {

/// Calls body(pixel) for the chosen pixels of row r of n·h, and other(pixel) for the rest.
template <class Body, class Other>
void for_each_in_row(Index r, Shape shape, Pixels pixels, Body body, Other other) {
  for (Index w = 0; w < shape.w; ++w) {
    const bool even = (r % shape.h + w) % 2 == 0;
    if (pixels == Pixels::all || even == (pixels == Pixels::even))
      body(r * shape.w + w);
    else
      other(r * shape.w + w);
  }
}

/// Adds up act(pixel) over the chosen pixels of each image if log_det is given.
template <class T, class Act>
void map_pixels(View<T, Cpu> x, Pixels pixels, const std::optional<View<double, Cpu>>& log_det,
                Act act) {
  const Shape shape = x.shape();
  const auto row = [=](Index r) {
    double sum = 0;
    for_each_in_row(
        r, shape, pixels, [&](Index pixel) { sum += act(pixel); }, [](Index) {});
    return sum;
  };
  const Work work = sweep_work<T>(shape, 8);
  if (log_det) return add_image_sums(*log_det, shape, work, 1, row);
  x.device().parallel(shape.n * shape.h, work, [=](Index first, Index last, int) {
    for (Index r = first; r < last; ++r) row(r);
  });
}

}  // namespace cpu

/// Replaces the chosen pixels of x by y = map(x; values), and adds Σ log|dy/dx| to the
/// log-determinants, [N], if they are given.
template <class T, class Map>
void map_elements(View<T, Cpu> x, ConstView<T, Cpu> values, const Map& map, Pixels pixels,
                  const std::optional<View<double, Cpu>>& log_det) {
  cpu::map_pixels(x, pixels, log_det, [=, channels = x.shape().c](Index pixel) {
    return map.forward(x.pixel(pixel), values.pixel(pixel), channels);
  });
}

/// The inverse: adds Σ log|dx/dy|.
template <class T, class Map>
void unmap_elements(View<T, Cpu> y, ConstView<T, Cpu> values, const Map& map, Pixels pixels,
                    const std::optional<View<double, Cpu>>& log_det) {
  cpu::map_pixels(y, pixels, log_det, [=, channels = y.shape().c](Index pixel) {
    return map.inverse(y.pixel(pixel), values.pixel(pixel), channels);
  });
}

/// Replaces dy by dx and `values` by their gradient, which is 0 at the pixels that are not chosen.
template <class T, class Map>
void map_elements_backward(View<T, Cpu> dy, ConstView<T, Cpu> x, SameView<T, Cpu> values,
                           const Map& map, Pixels pixels, double of_log_det) {
  const Shape shape = dy.shape();
  const Index count = values.shape().c;
  dy.device().parallel(shape.n * shape.h, sweep_work<T>(shape, 10),
                       [=](Index first, Index last, int) {
                         for (Index r = first; r < last; ++r)
                           cpu::for_each_in_row(
                               r, shape, pixels,
                               [&](Index p) {
                                 map.backward(dy.pixel(p), x.pixel(p), values.pixel(p), shape.c,
                                              static_cast<T>(of_log_det));
                               },
                               [&](Index p) { std::fill_n(values.pixel(p), count, T(0)); });
                       });
}

/// Sets every pixel of an image of y [N,H,W,C] to that image's pixel of v [N,1,1,C], or [1,1,1,C].
template <class T>
void spread_pixels(View<T, Cpu> y, ConstView<T, Cpu> v) {
  const Shape shape = y.shape();
  const Index rows = v.shape().n == 1 ? shape.n * shape.h : shape.h;
  y.device().parallel(shape.n * shape.h, sweep_work<T>(shape, 1),
                      [=](Index first, Index last, int) {
                        for (Index r = first; r < last; ++r)
                          for (Index p = r * shape.w; p < (r + 1) * shape.w; ++p)
                            std::copy_n(v.pixel(r / rows), shape.c, y.pixel(p));
                      });
}

/// Sets the chosen pixels to 0.
template <class T>
void clear_pixels(View<T, Cpu> x, Pixels pixels) {
  const Shape shape = x.shape();
  x.device().parallel(
      shape.n * shape.h, sweep_work<T>(shape, 1), [=](Index first, Index last, int) {
        for (Index r = first; r < last; ++r)
          cpu::for_each_in_row(
              r, shape, pixels, [&](Index p) { std::fill_n(x.pixel(p), shape.c, T(0)); },
              [](Index) {});
      });
}

}  // namespace retrace::inline RETRACE_ISA
