// Normalisation and activation of one element, and the passes built from them.
#pragma once

#include "channel_sums.cuh"
#include "retrace/math/activation.hpp"

namespace retrace::kernels {

/// The coefficients of a normalisation for V channels, in registers.
template <class T, int V>
struct NormPack {
  Pack<T, V> mean, inverse_deviation, scale, shift;

  __device__ NormPack(const Norm<T>& norm, int channel)
      : mean(load<V>(norm.mean + channel)),
        inverse_deviation(load<V>(norm.inverse_deviation + channel)),
        scale(load<V>(norm.scale + channel)),
        shift(load<V>(norm.shift + channel)) {}

  __device__ T forward(T x, int i) const { return scale.v[i] * x + shift.v[i]; }
  __device__ T inverse(T u, int i) const { return (u - shift.v[i]) / scale.v[i]; }
  __device__ T standardised(T x, int i) const { return (x - mean.v[i]) * inverse_deviation.v[i]; }
};

/// Only scale and shift of V channels.
template <class T, int V>
struct ScaleShiftPack {
  Pack<T, V> scale, shift;

  __device__ ScaleShiftPack(const Norm<T>& norm, int channel)
      : scale(load<V>(norm.scale + channel)), shift(load<V>(norm.shift + channel)) {}
};

/// (mean g, mean(g·z)) of V channels, with the coefficients of their normalisation.
template <class T, int V>
struct GradientPack {
  NormPack<T, V> norm;
  Pack<T, V> g, gz;

  __device__ GradientPack(const Norm<T>& all, const Sums& batch, std::int64_t channels, int channel)
      : norm(all, channel) {
    const double count = static_cast<double>(batch.pixels);
    for (int i = 0; i < V; ++i) {
      g.v[i] = static_cast<T>(gpu::load(batch.sums + channel + i) / count);
      gz.v[i] = static_cast<T>(gpu::load(batch.sums + channels + channel + i) / count);
    }
  }
};

template <class T, int V>
struct NormaliseActivate {
  static constexpr int width = V;
  Pixels<T> y;
  Pixels<const T> x;
  Norm<T> norm;
  T slope;

  __device__ ScaleShiftPack<T, V> constants(int channel) const { return {norm, channel}; }
  __device__ void operator()(std::int64_t pixel, int channel,
                             const ScaleShiftPack<T, V>& block) const {
    Pack<T, V> values = at<V>(x, pixel, channel);
    for (int i = 0; i < V; ++i)
      values.v[i] = math::activate(block.scale.v[i] * values.v[i] + block.shift.v[i], slope);
    put<V>(y, pixel, channel, values);
  }
};

template <class T, int V>
struct InvertNormaliseActivate {
  static constexpr int width = V;
  Pixels<T> y;
  Norm<T> norm;
  T slope;

  __device__ ScaleShiftPack<T, V> constants(int channel) const { return {norm, channel}; }
  __device__ void operator()(std::int64_t pixel, int channel,
                             const ScaleShiftPack<T, V>& block) const {
    Pack<T, V> values = at<V>(y, pixel, channel);
    for (int i = 0; i < V; ++i)
      values.v[i] = (math::deactivate(values.v[i], slope) - block.shift.v[i]) / block.scale.v[i];
    put<V>(y, pixel, channel, values);
  }
};

/// Sums (Σ g, Σ g·z) with g = dy·act′(scale·x + shift).
template <class T, int V>
struct NormalisedGradientSums {
  using Element = T;
  static constexpr int width = V, count = 2;
  Pixels<const T> x, dy;
  Norm<T> norm;
  T slope;

  __device__ NormPack<T, V> constants(int channel) const { return {norm, channel}; }
  __device__ void operator()(std::int64_t pixel, int channel, const NormPack<T, V>& block,
                             T (&sums)[2][V]) const {
    const Pack<T, V> values = at<V>(x, pixel, channel), gradient = at<V>(dy, pixel, channel);
    for (int i = 0; i < V; ++i) {
      const T g = gradient.v[i] * math::activation_slope(block.forward(values.v[i], i), slope);
      sums[0][i] += g;
      sums[1][i] += g * block.standardised(values.v[i], i);
    }
  }
};

/// Computes dx = scale·(g − mean g − z·mean(g·z)).
template <class T, int V>
struct NormaliseActivateBackward {
  static constexpr int width = V;
  Pixels<T> dx;
  Pixels<const T> x, dy;
  Sums batch;
  Norm<T> norm;
  T slope;
  Store how;

  __device__ GradientPack<T, V> constants(int channel) const {
    return {norm, batch, x.channels, channel};
  }
  __device__ void operator()(std::int64_t pixel, int channel,
                             const GradientPack<T, V>& block) const {
    const Pack<T, V> values = at<V>(x, pixel, channel);
    Pack<T, V> gradient = at<V>(dy, pixel, channel);
    for (int i = 0; i < V; ++i) {
      const T g = gradient.v[i] * math::activation_slope(block.norm.forward(values.v[i], i), slope);
      gradient.v[i] = block.norm.scale.v[i] *
                      (g - block.g.v[i] - block.norm.standardised(values.v[i], i) * block.gz.v[i]);
    }
    put<V>(dx, pixel, channel, gradient, how);
  }
};

/// Computes dx −= scale·(mean g + z·mean(g·z)).
template <class T, int V>
struct TakeOffGradientMeans {
  static constexpr int width = V;
  Pixels<T> dx;
  Pixels<const T> x;
  Sums batch;
  Norm<T> norm;

  __device__ GradientPack<T, V> constants(int channel) const {
    return {norm, batch, x.channels, channel};
  }
  __device__ void operator()(std::int64_t pixel, int channel,
                             const GradientPack<T, V>& block) const {
    Pack<T, V> values = at<V>(x, pixel, channel);
    for (int i = 0; i < V; ++i)
      values.v[i] = block.norm.scale.v[i] *
                    (block.g.v[i] + block.norm.standardised(values.v[i], i) * block.gz.v[i]);
    put<V>(dx, pixel, channel, values, Store::subtract);
  }
};

/// Replaces y by x and dy by g = dy·act′, and sums (Σ g, Σ g·z).
template <class T, int V>
struct InvertNormaliseActivateSums {
  using Element = T;
  static constexpr int width = V, count = 2;
  Pixels<T> y, dy;
  Norm<T> norm;
  T slope;

  __device__ NormPack<T, V> constants(int channel) const { return {norm, channel}; }
  __device__ void operator()(std::int64_t pixel, int channel, const NormPack<T, V>& block,
                             T (&sums)[2][V]) const {
    Pack<T, V> values = at<V>(y, pixel, channel);
    Pack<T, V> gradient = at<V>(dy, pixel, channel);
    for (int i = 0; i < V; ++i) {
      gradient.v[i] *= math::activation_slope(values.v[i], slope);
      values.v[i] = block.inverse(math::deactivate(values.v[i], slope), i);
      sums[0][i] += gradient.v[i];
      sums[1][i] += gradient.v[i] * block.standardised(values.v[i], i);
    }
    put<V>(y, pixel, channel, values);
    put<V>(dy, pixel, channel, gradient);
  }
};

/// Sums x.
template <class T, int V>
struct PixelSums {
  using Element = T;
  static constexpr int width = V, count = 1;
  Pixels<const T> x;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants, T (&sums)[1][V]) const {
    const Pack<T, V> values = at<V>(x, pixel, channel);
    for (int i = 0; i < V; ++i) sums[0][i] += values.v[i];
  }
};

/// y = act(x), its inverse, and dy·act′; each depends on the sign of an element.
enum class Rectify { forward, inverse, backward };

template <class T, int V, Rectify Way>
struct Rectified {
  static constexpr int width = V;
  Pixels<T> x;
  Pixels<const T> sign;
  T slope;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    Pack<T, V> values = at<V>(x, pixel, channel);
    if constexpr (Way == Rectify::backward) {
      const Pack<T, V> signs = at<V>(sign, pixel, channel);
      for (int i = 0; i < V; ++i) values.v[i] *= math::activation_slope(signs.v[i], slope);
    } else {
      for (int i = 0; i < V; ++i)
        values.v[i] = Way == Rectify::forward ? math::activate(values.v[i], slope)
                                              : math::deactivate(values.v[i], slope);
    }
    put<V>(x, pixel, channel, values);
  }
};

/// Computes x += bias.
template <class T, int V>
struct AddBias {
  static constexpr int width = V;
  Pixels<T> x;
  const T* bias;

  __device__ Pack<T, V> constants(int channel) const { return load<V>(bias + channel); }
  __device__ void operator()(std::int64_t pixel, int channel, const Pack<T, V>& add) const {
    put<V>(x, pixel, channel, add, Store::add);
  }
};

}  // namespace retrace::kernels
