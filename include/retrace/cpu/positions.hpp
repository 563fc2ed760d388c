// Positions and tables of rows on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "retrace/core/error.hpp"
#include "retrace/cpu/elementwise.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu {

/// (cos, sin) of t·base^(−2i/C) for the pairs i of a head of C channels. Angles advance by complex
/// products in double and are computed anew at every multiple of 64, so those of a position are the
/// same wherever a walk begins.
class RotaryAngles {
 public:
  RotaryAngles(Index channels, double base, Index position)
      : pairs_(static_cast<std::size_t>(channels / 2)),
        cos_(pairs_),
        sin_(pairs_),
        step_(pairs_),
        step_sin_(pairs_),
        rate_(pairs_) {
    for (std::size_t i = 0; i < pairs_; ++i) {
      rate_[i] = std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(channels));
      step_[i] = std::cos(rate_[i]);
      step_sin_[i] = std::sin(rate_[i]);
    }
    const Index start = position / period * period;
    restart(start);
    while (position_ < position) advance();
  }

  void advance() {
    if (++position_ % period == 0) return restart(position_);
    for (std::size_t i = 0; i < pairs_; ++i) {
      const double c = cos_[i], s = sin_[i];
      cos_[i] = c * step_[i] - s * step_sin_[i];
      sin_[i] = s * step_[i] + c * step_sin_[i];
    }
  }
  double cosine(std::size_t pair) const { return cos_[pair]; }
  double sine(std::size_t pair) const { return sin_[pair]; }

 private:
  static constexpr Index period = 64;

  void restart(Index position) {
    position_ = position;
    for (std::size_t i = 0; i < pairs_; ++i) {
      cos_[i] = std::cos(static_cast<double>(position) * rate_[i]);
      sin_[i] = std::sin(static_cast<double>(position) * rate_[i]);
    }
  }

  std::size_t pairs_;
  std::vector<double> cos_, sin_, step_, step_sin_, rate_;
  Index position_ = 0;
};

}  // namespace cpu

/// Turns channels (i, i + C/2) of every head of C channels at position t by the angle
/// t·base^(−2i/C), or by its negative (Su et al. 2021, eq. 34). The first position of every image
/// is `first`.
/// @pre C is even.
template <class T>
void rotate_heads(View<T, Cpu> x, Index heads, Index first, double base, bool backwards) {
  const auto timed = x.device().timed(Operation::attention);
  const Index length = x.shape().h * x.shape().w, channels = x.shape().c / heads,
              half = channels / 2, images = x.shape().n;
  x.device().parallel(length, sweep_work<T>(x.shape(), 2), [=](Index begin, Index end, int) {
    cpu::RotaryAngles angles(channels, base, first + begin);
    std::vector<T> cosines(static_cast<std::size_t>(half)), sines(cosines.size());
    for (Index t = begin; t < end; ++t, angles.advance()) {
      for (std::size_t i = 0; i < cosines.size(); ++i) {
        cosines[i] = static_cast<T>(angles.cosine(i));
        sines[i] = static_cast<T>(backwards ? -angles.sine(i) : angles.sine(i));
      }
      for (Index n = 0; n < images; ++n)
        for (Index h = 0; h < heads; ++h) {
          T *a = x.pixel(n * length + t) + h * channels, *b = a + half;
          for (std::size_t i = 0; i < cosines.size(); ++i) {
            const T u = a[i], v = b[i];
            a[i] = u * cosines[i] - v * sines[i];
            b[i] = v * cosines[i] + u * sines[i];
          }
        }
    }
  });
}

/// Computes y[pixel] = table[ids[pixel]].
/// @pre the ids are rows of the table.
template <class T>
void gather_rows(View<T, Cpu> y, ConstView<T, Cpu> table, std::span<const std::int32_t> ids) {
  const auto timed = y.device().timed(Operation::movement);
  y.device().parallel(y.shape().pixels(), sweep_work<T>(y.shape(), 2),
                      [=, channels = y.shape().c](Index first, Index last, int) {
                        for (Index p = first; p < last; ++p)
                          std::copy_n(table.pixel(ids[static_cast<std::size_t>(p)]), channels,
                                      y.pixel(p));
                      });
}

/// Computes table[ids[pixel]] += dy[pixel], in the order of the pixels.
/// @pre the ids are rows of the table.
template <class T>
void add_rows(View<T, Cpu> table, ConstView<T, Cpu> dy, std::span<const std::int32_t> ids) {
  const auto timed = dy.device().timed(Operation::movement);
  // Each thread takes some of the channels of all pixels.
  dy.device().parallel(dy.shape().c, sweep_work<T>(dy.shape(), 3),
                       [=, pixels = dy.shape().pixels()](Index first, Index last, int) {
                         for (Index p = 0; p < pixels; ++p) {
                           T* to = table.pixel(ids[static_cast<std::size_t>(p)]);
                           const T* from = dy.pixel(p);
                           for (Index c = first; c < last; ++c) to[c] += from[c];
                         }
                       });
}

/// Computes y =, += or −= x + table[t, C] for position t of every image, by rows of the table.
template <class T>
void add_positions(View<T, Cpu> y, ConstView<T, Cpu> x, ConstView<T, Cpu> table, Index first,
                   Store how) {
  const auto timed = y.device().timed(Operation::movement);
  const Index length = y.shape().h * y.shape().w;
  y.device().parallel(y.shape().pixels(), sweep_work<T>(y.shape(), 3),
                      [=, channels = y.shape().c](Index begin, Index end, int) {
                        for (Index p = begin; p < end; ++p) {
                          const T *from = x.pixel(p), *row = table.pixel(first + p % length);
                          T* to = y.pixel(p);
                          for (Index c = 0; c < channels; ++c) store(to[c], from[c] + row[c], how);
                        }
                      });
}

/// Computes table[first + t] += Σ dy over position t of all images, in their order.
template <class T>
void add_position_sums(View<T, Cpu> table, ConstView<T, Cpu> dy, Index first) {
  const auto timed = dy.device().timed(Operation::movement);
  const Index length = dy.shape().h * dy.shape().w;
  dy.device().parallel(
      length, sweep_work<T>(dy.shape(), 2),
      [=, channels = dy.shape().c, images = dy.shape().n](Index begin, Index end, int) {
        for (Index t = begin; t < end; ++t)
          for (Index n = 0; n < images; ++n) {
            T* to = table.pixel(first + t);
            const T* from = dy.pixel(n * length + t);
            for (Index c = 0; c < channels; ++c) to[c] += from[c];
          }
      });
}

/// Computes y =, += or −= x + (rows[t/W], columns[t mod W]) for position t of every image.
template <class T>
void add_axial_positions(View<T, Cpu> y, ConstView<T, Cpu> x, ConstView<T, Cpu> rows,
                         ConstView<T, Cpu> columns, Index first, Store how) {
  const Index length = y.shape().h * y.shape().w, wide = columns.shape().w, half = rows.shape().c;
  y.device().parallel(y.shape().pixels(), sweep_work<T>(y.shape(), 3),
                      [=, channels = y.shape().c](Index begin, Index end, int) {
                        for (Index p = begin; p < end; ++p) {
                          const Index t = first + p % length;
                          const T *from = x.pixel(p), *a = rows.pixel(t / wide),
                                  *b = columns.pixel(t % wide);
                          T* to = y.pixel(p);
                          for (Index c = 0; c < half; ++c) store(to[c], from[c] + a[c], how);
                          for (Index c = half; c < channels; ++c)
                            store(to[c], from[c] + b[c - half], how);
                        }
                      });
}

/// Adds the sums of dy over the rows and over the columns of the grid, in the order of pixels.
template <class T>
void add_axial_position_sums(View<T, Cpu> rows, View<T, Cpu> columns, ConstView<T, Cpu> dy,
                             Index first) {
  const Index length = dy.shape().h * dy.shape().w, wide = columns.shape().w, half = rows.shape().c;
  // Each thread takes some of the channels of all pixels.
  dy.device().parallel(dy.shape().c, sweep_work<T>(dy.shape(), 3),
                       [=, pixels = dy.shape().pixels()](Index begin, Index end, int) {
                         for (Index p = 0; p < pixels; ++p) {
                           const Index t = first + p % length;
                           const T* from = dy.pixel(p);
                           T *a = rows.pixel(t / wide), *b = columns.pixel(t % wide);
                           for (Index c = begin; c < std::min(end, half); ++c) a[c] += from[c];
                           for (Index c = std::max(begin, half); c < end; ++c)
                             b[c - half] += from[c];
                         }
                       });
}

}  // namespace retrace::inline RETRACE_ISA
