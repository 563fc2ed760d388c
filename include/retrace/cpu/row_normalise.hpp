// Normalisation of every position by its own channels, on the host.
#pragma once

#include <cmath>
#include <numeric>

#include "retrace/cpu/channel_sums.hpp"
#include "retrace/cpu/exponential.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu {

/// Σ of value(channel, count) over the channels of a row, lane by lane. Lanes beyond `count` must
/// be 0.
template <class T, class Value>
[[gnu::always_inline]] inline T sum_of_row(Index channels, Value value) {
  constexpr int W = lanes<T>;
  Block<T, W> sum{};
  for_each_vector<T>(channels, [&](Index c, Index count) { sum += value(c, count); });
  T of_lane[W];
  save<W>(of_lane, sum);
  return std::accumulate(of_lane, of_lane + W, T(0));
}

/// x with zeros behind the first `count` lanes, for a row's last vector.
template <int W, class T>
[[gnu::always_inline]] inline Block<T, W> first_lanes(Block<T, W> x, Index count) {
  if (count >= W) return x;
  T values[W];
  save<W>(values, x);
  return load_part<W>(static_cast<const T*>(values), count);
}

}  // namespace cpu

/// Computes statistics[pixel] = (μ, 1/σ) over the channels of x, with σ² = variance + ε about μ; μ
/// is 0 unless `centred`. Shape: [1,1,pixels,2].
template <class T>
void row_statistics(View<T, Cpu> statistics, ConstView<T, Cpu> x, double epsilon, bool centred) {
  const auto timed = x.device().timed(Operation::normalisation);
  constexpr int W = cpu::lanes<T>;
  const Index channels = x.shape().c;
  const T share = T(1) / static_cast<T>(channels);
  x.device().parallel(
      x.shape().pixels(), sweep_work<T>(x.shape(), 1), [=](Index first, Index last, int) {
        for (Index p = first; p < last; ++p) {
          const T* row = x.pixel(p);
          const T mean =
              !centred ? T(0) : share * cpu::sum_of_row<T>(channels, [=](Index c, Index count) {
                                  return cpu::load_channels<W>(row + c, count);
                                });
          const T variance = share * cpu::sum_of_row<T>(channels, [=](Index c, Index count) {
                               const auto d = cpu::first_lanes<W, T>(
                                   cpu::load_channels<W>(row + c, count) - mean, count);
                               return d * d;
                             });
          statistics.pixel(p)[0] = mean;
          statistics.pixel(p)[1] = T(1) / std::sqrt(variance + static_cast<T>(epsilon));
        }
      });
}

/// Computes y =, += or −= γ·(x − μ)/σ + β, where β may be null. y may be x.
template <class T>
void normalise_rows(View<T, Cpu> y, ConstView<T, Cpu> x, ConstView<T, Cpu> statistics,
                    const T* gamma, const T* beta, Store how) {
  const auto timed = y.device().timed(Operation::normalisation);
  constexpr int W = cpu::lanes<T>;
  y.device().parallel(y.shape().pixels(), sweep_work<T>(y.shape(), 2),
                      [=, channels = y.shape().c](Index first, Index last, int) {
                        for (Index p = first; p < last; ++p) {
                          const T mean = statistics.pixel(p)[0], inverse = statistics.pixel(p)[1];
                          const T* from = x.pixel(p);
                          T* to = y.pixel(p);
                          cpu::for_each_vector<T>(channels, [=](Index c, Index count) {
                            auto value = (cpu::load_channels<W>(from + c, count) - mean) * inverse *
                                         cpu::load_channels<W>(gamma + c, count);
                            if (beta) value += cpu::load_channels<W>(beta + c, count);
                            cpu::store_channels<W>(to + c, value, count, how);
                          });
                        }
                      });
}

/// Computes sums = (Σ dy·z, Σ dy) per channel, [2,C], with z = (x − μ)/σ.
template <class T>
void normalise_rows_sums(View<double, Cpu> sums, ConstView<T, Cpu> x, View<const T, Cpu> dy,
                         ConstView<T, Cpu> statistics) {
  const auto timed = x.device().timed(Operation::normalisation);
  cpu::channel_sums<T, 2>(sums, x.shape(), 2, [=]<int W>(Index first, Index last, Index channel) {
    std::array<cpu::Block<T, W>, 2> sum{};
    for (Index p = first; p < last; ++p) {
      const T mean = statistics.pixel(p)[0], inverse = statistics.pixel(p)[1];
      const auto g = cpu::load<W>(dy.pixel(p) + channel);
      sum[0] += g * ((cpu::load<W>(x.pixel(p) + channel) - mean) * inverse);
      sum[1] += g;
    }
    return sum;
  });
}

/// Computes to += from, which are sums in double.
template <class T>
void add_converted(View<T, Cpu> to, ConstView<double, Cpu> from) {
  to.device().parallel(to.shape().c, {}, [=](Index first, Index last, int) {
    for (Index c = first; c < last; ++c) to.data()[c] += static_cast<T>(from.data()[c]);
  });
}

/// Computes dx =, += or −= (g − mean g − z·mean(g·z))/σ over the channels of a row, with g = γ·dy;
/// the mean of g is taken off only if `centred`. dx may be dy.
template <class T>
void normalise_rows_backward(View<T, Cpu> dx, ConstView<T, Cpu> x, ConstView<T, Cpu> dy,
                             ConstView<T, Cpu> statistics, const T* gamma, bool centred,
                             Store how) {
  const auto timed = dx.device().timed(Operation::normalisation);
  constexpr int W = cpu::lanes<T>;
  const Index channels = dx.shape().c;
  const T share = T(1) / static_cast<T>(channels);
  dx.device().parallel(
      dx.shape().pixels(), sweep_work<T>(dx.shape(), 3), [=](Index first, Index last, int) {
        for (Index p = first; p < last; ++p) {
          const T mean = statistics.pixel(p)[0], inverse = statistics.pixel(p)[1];
          const T *from = x.pixel(p), *of_y = dy.pixel(p);
          T* to = dx.pixel(p);
          const auto g = [=](Index c, Index count) {
            return cpu::load_channels<W>(of_y + c, count) * cpu::load_channels<W>(gamma + c, count);
          };
          const auto z = [=](Index c, Index count) {
            return (cpu::load_channels<W>(from + c, count) - mean) * inverse;
          };
          const T of_g = centred ? share * cpu::sum_of_row<T>(channels, g) : T(0);
          const T of_gz = share * cpu::sum_of_row<T>(channels, [=](Index c, Index count) {
                            return g(c, count) * z(c, count);
                          });
          cpu::for_each_vector<T>(channels, [=](Index c, Index count) {
            const auto value = (g(c, count) - of_g - z(c, count) * of_gz) * inverse;
            cpu::store_channels<W>(to + c, value, count, how);
          });
        }
      });
}

}  // namespace retrace::inline RETRACE_ISA
