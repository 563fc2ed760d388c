// Filling, copying, adding and scaling: element-wise passes.
#include <cmath>

#include "launches.cuh"
#include "reduce.cuh"
#include "retrace/math/bounded_scale.hpp"
#include "retrace/math/philox.hpp"
#include "retrace/math/signal_noise.hpp"

namespace retrace::kernels {

template <class T, int V>
struct Fill {
  static constexpr int width = V;
  Pixels<T> x;
  T value;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    Pack<T, V> values;
    for (int i = 0; i < V; ++i) values.v[i] = value;
    put<V>(x, pixel, channel, values);
  }
};

template <class T, int V>
struct Copy {
  static constexpr int width = V;
  Pixels<T> to;
  Pixels<const T> from;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    put<V>(to, pixel, channel, at<V>(from, pixel, channel));
  }
};

template <class T, int V>
struct Add {
  static constexpr int width = V;
  Pixels<T> to;
  Pixels<const T> from;
  Store how;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    put<V>(to, pixel, channel, at<V>(from, pixel, channel), how);
  }
};

template <class T, int V>
struct Swap {
  static constexpr int width = V;
  Pixels<T> a, b;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    const Pack<T, V> kept = at<V>(a, pixel, channel);
    put<V>(a, pixel, channel, at<V>(b, pixel, channel));
    put<V>(b, pixel, channel, kept);
  }
};

template <class T, int V>
struct Scale {
  static constexpr int width = V;
  Pixels<T> x;
  T factor;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    Pack<T, V> values = at<V>(x, pixel, channel);
    for (int i = 0; i < V; ++i) values.v[i] *= factor;
    put<V>(x, pixel, channel, values);
  }
};

/// Computes x·e(s) + t or its inverse. `values` holds s and, if it has twice as many channels as x,
/// t.
template <class T, bool Inverse>
struct ScaleAndShift {
  static constexpr int width = 1;
  Pixels<T> x;
  Pixels<const T> values;
  T bound;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    const T* const s = values.data + pixel * values.pitch + channel;
    T* const place = x.data + pixel * x.pitch + channel;
    const T t = values.channels == 2 * x.channels ? gpu::load(s + x.channels) : T(0);
    const T e = math::bounded_scale(gpu::load(s), bound), value = gpu::load(place);
    gpu::store(place, Inverse ? (value - t) / e : value * e + t);
  }
};

/// Replaces dy by dx = dy·e(s) and `values` by (dy·x·e′(s), dy).
template <class T>
struct ScaleAndShiftBackward {
  static constexpr int width = 1;
  Pixels<T> dy;
  Pixels<const T> x;
  Pixels<T> values;
  T bound;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    const Pack<T, 1> gradient = at<1>(dy, pixel, channel);
    const T s = at<1>(values, pixel, channel).v[0], e = math::bounded_scale(s, bound);
    const T input = at<1>(x, pixel, channel).v[0];
    put<1>(values, pixel, channel,
           Pack<T, 1>{{gradient.v[0] * input * math::bounded_scale_slope(s, e, bound)}});
    if (values.channels == 2 * dy.channels)
      put<1>(values, pixel, static_cast<int>(dy.channels) + channel, gradient);
    put<1>(dy, pixel, channel, Pack<T, 1>{{gradient.v[0] * e}});
  }
};

/// Multiplies by 0 or by 1/(1 − rate). A thread handles the four elements of one Philox block.
template <class T>
__global__ void __launch_bounds__(block_threads)
    drop_kernel(T* x, std::int64_t begin, std::int64_t end, float threshold, T scale,
                std::uint64_t seed, std::uint64_t step) {
  const std::int64_t block =
      begin / 4 + static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (4 * block >= end) return;
  const PhiloxKey number = philox_key(static_cast<std::uint64_t>(block)), at = philox_key(step);
  const PhiloxCounter words = philox({number[0], number[1], at[0], at[1]}, philox_key(seed));
  for (int i = 0; i < 4; ++i) {
    const std::int64_t e = 4 * block + i;
    if (e < begin || e >= end) continue;
    const bool dropped = uniform(words[static_cast<std::size_t>(i)]) < threshold;
    gpu::store(x + (e - begin), gpu::load(x + (e - begin)) * (dropped ? T(0) : scale));
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    sample_kernel(T* sample, const T* x, std::int64_t count, std::int64_t size) {
  const std::int64_t k = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (k < count) gpu::store(sample + k, gpu::load(x + math::scattered_place(k, size)));
}

// ---- Reductions ----

template <class T, int V>
struct CountNonfinite {
  static constexpr int width = V;
  static constexpr Combine combine = Combine::sum;
  Pixels<const T> x;

  __device__ void operator()(std::int64_t pixel, int channel, double& found, double&) const {
    const Pack<T, V> values = at<V>(x, pixel, channel);
    for (int i = 0; i < V; ++i) found += values.v[i] - values.v[i] == 0 ? 0 : 1;
  }
};

template <class T, int V>
struct SumOfSquares {
  static constexpr int width = V;
  static constexpr Combine combine = Combine::sum;
  Pixels<const T> x;

  __device__ void operator()(std::int64_t pixel, int channel, double& sum, double&) const {
    const Pack<T, V> values = at<V>(x, pixel, channel);
    for (int i = 0; i < V; ++i)
      sum += static_cast<double>(values.v[i]) * static_cast<double>(values.v[i]);
  }
};

template <class T, int V>
struct LargestMagnitude {
  static constexpr int width = V;
  static constexpr Combine combine = Combine::maximum;
  Pixels<const T> x;

  __device__ void operator()(std::int64_t pixel, int channel, double& largest, double&) const {
    const Pack<T, V> values = at<V>(x, pixel, channel);
    for (int i = 0; i < V; ++i) {
      const double size = fabs(static_cast<double>(values.v[i]));
      largest = size > largest ? size : largest;
    }
  }
};

template <class T, int V>
struct SignalNoiseSums {
  static constexpr int width = V;
  static constexpr Combine combine = Combine::sum;
  Pixels<const T> truth, x;

  __device__ void operator()(std::int64_t pixel, int channel, double& signal, double& noise) const {
    const Pack<T, V> expected = at<V>(truth, pixel, channel), found = at<V>(x, pixel, channel);
    for (int i = 0; i < V; ++i) {
      const double value = static_cast<double>(expected.v[i]);
      const double distance = value - static_cast<double>(found.v[i]);
      signal += value * value;
      noise += distance * distance;
    }
  }
};

template <class T>
double count_nonfinite(Context& on, Pixels<const T> x, double* scratch) {
  double found = 0;
  in_packs<T>(all_wide(x), [&]<int V>() {
    found =
        reduce(on, "count_nonfinite", CountNonfinite<T, V>{x}, x.count, x.channels, scratch).first;
  });
  return found;
}

template <class T>
double sum_of_squares(Context& on, Pixels<const T> x, double* scratch) {
  double sum = 0;
  in_packs<T>(all_wide(x), [&]<int V>() {
    sum = reduce(on, "sum_of_squares", SumOfSquares<T, V>{x}, x.count, x.channels, scratch).first;
  });
  return sum;
}

template <class T>
double largest_magnitude(Context& on, Pixels<const T> x, double* scratch) {
  double largest = 0;
  in_packs<T>(all_wide(x), [&]<int V>() {
    largest =
        reduce(on, "largest_magnitude", LargestMagnitude<T, V>{x}, x.count, x.channels, scratch)
            .first;
  });
  return largest;
}

template <class T>
Pair signal_noise(Context& on, Pixels<const T> truth, Pixels<const T> x, double* scratch) {
  Pair sums;
  in_packs<T>(all_wide(truth, x), [&]<int V>() {
    sums =
        reduce(on, "signal_noise", SignalNoiseSums<T, V>{truth, x}, x.count, x.channels, scratch);
  });
  return sums;
}

// ---- Launches ----

template <class T>
void fill(Context& on, Pixels<T> x, T value) {
  in_packs<T>(all_wide(x), [&]<int V>() {
    walk(on, "fill", Fill<T, V>{x, value}, x.count, x.channels);
  });
}

template <class T>
void copy(Context& on, Pixels<T> to, Pixels<const T> from) {
  in_packs<T>(all_wide(to, from), [&]<int V>() {
    walk(on, "copy", Copy<T, V>{to, from}, to.count, to.channels);
  });
}

template <class T>
void add(Context& on, Pixels<T> to, Pixels<const T> from, Store how) {
  in_packs<T>(all_wide(to, from), [&]<int V>() {
    walk(on, "add", Add<T, V>{to, from, how}, to.count, to.channels);
  });
}

template <class T>
void swap(Context& on, Pixels<T> a, Pixels<T> b) {
  in_packs<T>(all_wide(a, b), [&]<int V>() {
    walk(on, "swap", Swap<T, V>{a, b}, a.count, a.channels);
  });
}

template <class T>
void scale(Context& on, Pixels<T> x, T factor) {
  in_packs<T>(all_wide(x), [&]<int V>() {
    walk(on, "scale", Scale<T, V>{x, factor}, x.count, x.channels);
  });
}

template <class T>
void scale_and_shift(Context& on, Pixels<T> x, Pixels<const T> values, T bound) {
  walk(on, "scale_and_shift", ScaleAndShift<T, false>{x, values, bound}, x.count, x.channels);
}
template <class T>
void unscale_and_unshift(Context& on, Pixels<T> y, Pixels<const T> values, T bound) {
  walk(on, "unscale_and_unshift", ScaleAndShift<T, true>{y, values, bound}, y.count, y.channels);
}
template <class T>
void scale_and_shift_backward(Context& on, Pixels<T> dy, Pixels<const T> x, Pixels<T> values,
                              T bound) {
  walk(on, "scale_and_shift_backward", ScaleAndShiftBackward<T>{dy, x, values, bound}, dy.count,
       dy.channels);
}

template <class T>
void drop_elements(Context& on, Pixels<T> x, double rate, std::uint64_t seed, std::uint64_t step,
                   std::int64_t begin) {
  const std::int64_t end = begin + x.count * x.channels, blocks = (end + 3) / 4 - begin / 4;
  if (end == begin) return;
  gpu::launch(drop_kernel<T>, for_each(on, blocks, "drop_elements"), x.data, begin, end,
              static_cast<float>(rate), static_cast<T>(1 / (1 - rate)), seed, step);
  check_launch("drop_elements");
}

template <class T>
void take_sample(Context& on, Pixels<T> sample, Pixels<const T> x) {
  const std::int64_t count = sample.count * sample.channels;
  if (count == 0) return;
  gpu::launch(sample_kernel<T>, for_each(on, count, "take_sample"), sample.data, x.data, count,
              x.count * x.channels);
  check_launch("take_sample");
}

// clang-format off
#define RETRACE_ANY(T)                                                                            \
  template void fill<T>(Context&, Pixels<T>, T);                                                  \
  template void copy<T>(Context&, Pixels<T>, Pixels<const T>);                                    \
  template void swap<T>(Context&, Pixels<T>, Pixels<T>);
#define RETRACE_NUMBER(T)                                                                         \
  template double largest_magnitude<T>(Context&, Pixels<const T>, double*);                       \
  template Pair signal_noise<T>(Context&, Pixels<const T>, Pixels<const T>, double*);             \
  template void add<T>(Context&, Pixels<T>, Pixels<const T>, Store);                              \
  template void take_sample<T>(Context&, Pixels<T>, Pixels<const T>);
#define RETRACE_REAL(T)                                                                           \
  template double count_nonfinite<T>(Context&, Pixels<const T>, double*);                         \
  template double sum_of_squares<T>(Context&, Pixels<const T>, double*);                          \
  template void scale<T>(Context&, Pixels<T>, T);                                                 \
  template void scale_and_shift<T>(Context&, Pixels<T>, Pixels<const T>, T);                      \
  template void unscale_and_unshift<T>(Context&, Pixels<T>, Pixels<const T>, T);                  \
  template void scale_and_shift_backward<T>(Context&, Pixels<T>, Pixels<const T>, Pixels<T>, T);  \
  template void drop_elements<T>(Context&, Pixels<T>, double, std::uint64_t, std::uint64_t,       \
                                 std::int64_t);
// clang-format on
RETRACE_ANY(std::uint8_t)
RETRACE_ANY(std::int16_t)
RETRACE_ANY(std::int32_t)
RETRACE_ANY(std::int64_t)
RETRACE_ANY(float)
RETRACE_ANY(double)
RETRACE_NUMBER(std::int16_t)
RETRACE_NUMBER(std::int32_t)
RETRACE_NUMBER(float)
RETRACE_NUMBER(double)
RETRACE_REAL(float)
RETRACE_REAL(double)

}  // namespace retrace::kernels
