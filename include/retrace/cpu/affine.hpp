// Bounded scaling and shifting on the host, for affine couplings.
#pragma once

#include "retrace/cpu/elementwise.hpp"
#include "retrace/cpu/image_sums.hpp"
#include "retrace/math/bounded_scale.hpp"

namespace retrace::inline RETRACE_ISA {

/// Computes x = x·e(s) + t with e(s) = exp(bound·tanh s). `values` holds s and, if it has twice as
/// many channels as x, t after it. Otherwise t is 0.
template <class T>
void scale_and_shift(View<T, Cpu> x, ConstView<T, Cpu> values, double bound) {
  const Index channels = x.shape().c;
  const bool shifts = values.shape().c == 2 * channels;
  const T a = static_cast<T>(bound);
  cpu::for_each_pixel(
      x,
      [=](T* row, const T* s) {
        for (Index c = 0; c < channels; ++c)
          row[c] = row[c] * math::bounded_scale(s[c], a) + (shifts ? s[channels + c] : T(0));
      },
      values);
}

/// Computes the inverse: y = (y − t)/e(s).
template <class T>
void unscale_and_unshift(View<T, Cpu> y, ConstView<T, Cpu> values, double bound) {
  const Index channels = y.shape().c;
  const bool shifts = values.shape().c == 2 * channels;
  const T a = static_cast<T>(bound);
  cpu::for_each_pixel(
      y,
      [=](T* row, const T* s) {
        for (Index c = 0; c < channels; ++c)
          row[c] = (row[c] - (shifts ? s[channels + c] : T(0))) / math::bounded_scale(s[c], a);
      },
      values);
}

/// Replaces dy by dx = dy·e(s) and `values` by (dy·x·e′(s), dy), given the reconstructed x.
template <class T>
void scale_and_shift_backward(View<T, Cpu> dy, ConstView<T, Cpu> x, SameView<T, Cpu> values,
                              double bound) {
  const Index channels = dy.shape().c;
  const bool shifts = values.shape().c == 2 * channels;
  const T a = static_cast<T>(bound);
  cpu::for_each_pixel(
      dy,
      [=](T* gradient, const T* input, T* s) {
        for (Index c = 0; c < channels; ++c) {
          const T scale = math::bounded_scale(s[c], a);
          s[c] = gradient[c] * input[c] * math::bounded_scale_slope(s[c], scale, a);
          if (shifts) s[channels + c] = gradient[c];
          gradient[c] *= scale;
        }
      },
      x, values);
}

/// Computes scale_and_shift, and log_det, [N], += Σ log e(s) = Σ bound·tanh s over each image.
template <class T>
void scale_and_shift(View<T, Cpu> x, ConstView<T, Cpu> values, double bound,
                     View<double, Cpu> log_det) {
  const Shape shape = x.shape();
  const bool shifts = values.shape().c == 2 * shape.c;
  const T a = static_cast<T>(bound);
  cpu::add_image_sums(log_det, shape, sweep_work<T>(shape, 3), 1, [=](Index r) {
    double sum = 0;
    for (Index pixel = r * shape.w; pixel < (r + 1) * shape.w; ++pixel) {
      T* row = x.pixel(pixel);
      const T* s = values.pixel(pixel);
      for (Index c = 0; c < shape.c; ++c) {
        row[c] = row[c] * math::bounded_scale(s[c], a) + (shifts ? s[shape.c + c] : T(0));
        sum += static_cast<double>(a * std::tanh(s[c]));
      }
    }
    return sum;
  });
}

/// Computes unscale_and_unshift, and log_det −= Σ bound·tanh s.
template <class T>
void unscale_and_unshift(View<T, Cpu> y, ConstView<T, Cpu> values, double bound,
                         View<double, Cpu> log_det) {
  const Shape shape = y.shape();
  const T a = static_cast<T>(bound);
  unscale_and_unshift(y, values, bound);
  cpu::add_image_sums(log_det, shape, sweep_work<T>(shape, 1), -1, [=](Index r) {
    double sum = 0;
    for (Index pixel = r * shape.w; pixel < (r + 1) * shape.w; ++pixel)
      for (Index c = 0; c < shape.c; ++c)
        sum += static_cast<double>(a * std::tanh(values.pixel(pixel)[c]));
    return sum;
  });
}

/// Computes scale_and_shift_backward for a loss that depends on Σ log e(s) too, with the gradient
/// `of_log_det`: ds = dy·x·e′(s) + of_log_det·bound·(1 − tanh² s).
template <class T>
void scale_and_shift_backward(View<T, Cpu> dy, ConstView<T, Cpu> x, SameView<T, Cpu> values,
                              double bound, double of_log_det) {
  const Index channels = dy.shape().c;
  const bool shifts = values.shape().c == 2 * channels;
  const T a = static_cast<T>(bound), g = static_cast<T>(of_log_det);
  cpu::for_each_pixel(
      dy,
      [=](T* gradient, const T* input, T* s) {
        for (Index c = 0; c < channels; ++c) {
          const T scale = math::bounded_scale(s[c], a);
          s[c] = (gradient[c] * input[c] * scale + g) * math::bounded_scale_slope(s[c], T(1), a);
          if (shifts) s[channels + c] = gradient[c];
          gradient[c] *= scale;
        }
      },
      x, values);
}

/// Exchanges the two channel halves.
template <class T>
void swap_halves(View<T, Cpu> first, SameView<T, Cpu> second) {
  const auto timed = first.device().timed(Operation::movement);
  const Index channels = first.shape().c;
  cpu::for_each_pixel(
      first, [=](T* a, T* b) { std::swap_ranges(a, a + channels, b); }, second);
}

}  // namespace retrace::inline RETRACE_ISA
