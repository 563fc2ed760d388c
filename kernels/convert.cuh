// Conversion between float and the 16-bit types in which convolutions may take their operands.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "launches.cuh"
#include "retrace/math/activation.hpp"

namespace retrace::kernels {

/// Gradients are often smaller than the smallest half, 6e-8. They are multiplied by this before
/// conversion to half, and the result is multiplied by the inverse; powers of two are exact. A
/// gradient above 64 becomes infinite and is reported like any other non-finite gradient.
template <class E>
inline constexpr float gradient_scale = 1;
template <>
inline constexpr float gradient_scale<__half> = 1024;

/// Rounds an element to the operand type of convolutions, but keeps its own type.
struct Rounding {
  ConvolutionType type;

  template <class T>
  __device__ T operator()(T x) const {
    return x;
  }
  __device__ float operator()(float x) const {
    if (type == ConvolutionType::half) return __half2float(__float2half_rn(x));
    if (type == ConvolutionType::bfloat16) return __bfloat162float(__float2bfloat16_rn(x));
    return x;
  }
  /// Rounds an element of a gradient.
  template <class T>
  __device__ T gradient(T x) const {
    return x;
  }
  __device__ float gradient(float x) const {
    constexpr float scale = gradient_scale<__half>;
    return type == ConvolutionType::half ? (*this)(scale * x) * (1 / scale) : (*this)(x);
  }
};

/// Computes to = factor·act(scale·x + shift), rounded; factor·x without a prologue.
template <class E, int V>
struct Narrow {
  static constexpr int width = V;
  Pixels<E> to;
  Pixels<const float> from;
  Prologue<float> prologue;
  float factor;

  struct Block {
    Pack<float, V> scale, shift;
  };
  __device__ Block constants(int channel) const {
    if (!prologue.scale) return {};
    return {load<V>(prologue.scale + channel), load<V>(prologue.shift + channel)};
  }
  __device__ void operator()(std::int64_t pixel, int channel, const Block& block) const {
    const Pack<float, V> values = at<V>(from, pixel, channel);
    Pack<E, V> narrowed;
    for (int i = 0; i < V; ++i) {
      float value = values.v[i];
      if (prologue.scale)
        value = math::activate(block.scale.v[i] * value + block.shift.v[i], prologue.slope);
      narrowed.v[i] = static_cast<E>(factor * value);
    }
    put<V>(to, pixel, channel, narrowed);
  }
};

/// Computes to =, += or −= factor·from.
template <class E, int V>
struct Widened {
  static constexpr int width = V;
  Pixels<float> to;
  Pixels<const E> from;
  float factor;
  Store how;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    const Pack<E, V> values = at<V>(from, pixel, channel);
    Pack<float, V> wide;
    for (int i = 0; i < V; ++i) wide.v[i] = factor * static_cast<float>(values.v[i]);
    put<V>(to, pixel, channel, wide, how);
  }
};

/// Narrows into packed memory that is aligned to 8 bytes.
template <class E>
void narrow(Context& on, E* to, Pixels<const float> from, Prologue<float> prologue, float factor) {
  const Pixels<E> packed{to, from.count, from.channels, from.channels};
  in_packs<float>(all_wide(from), [&]<int V>() {
    walk(on, "narrow", Narrow<E, V>{packed, from, prologue, factor}, from.count, from.channels);
  });
}

/// Widens from packed memory that is aligned to 8 bytes.
template <class E>
void widen_result(Context& on, Pixels<float> to, const E* from, float factor, Store how) {
  const Pixels<const E> packed{from, to.count, to.channels, to.channels};
  in_packs<float>(all_wide(to), [&]<int V>() {
    walk(on, "widen_result", Widened<E, V>{to, packed, factor, how}, to.count, to.channels);
  });
}

}  // namespace retrace::kernels
