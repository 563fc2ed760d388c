// A convolution's last eight output channels: a register holds four channels of four pixels.
#pragma once

#include <utility>

#include "retrace/cpu/conv_kernels.hpp"
#include "retrace/cpu/conv_pack.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

// Eight output channels fill only half a register of sixteen, which would waste every other
// multiply-add. Here a register of sums is instead
//
//     pixel 0: k k+1 k+2 k+3 | pixel 1: k k+1 k+2 k+3 | …
//
// and one load reads four input channels of as many pixels, packed four channels to a block, for
// the multiply-adds of two such quads. A single quad does not pay, because loads that straddle
// cache lines cost what it saves.

inline constexpr int quad = 4, quads = 2;

/// Returns whether two quads cost less than the register that `outputs` channels leave half empty.
template <class T>
constexpr bool quads_pay(Index outputs) {
  return lanes<T> == 4 * quad && outputs > quad && outputs <= quads * quad;
}

namespace detail {
template <int C, class B, std::size_t... I>
B spread_channel(B pixels, std::index_sequence<I...>) {
  return __builtin_shufflevector(pixels, pixels, (I / quad * quad + C)...);
}
}  // namespace detail

/// Broadcasts channel C of each pixel to all four lanes of that pixel.
template <class T, int C>
Block<T, lanes<T>> spread_channel(Block<T, lanes<T>> pixels) {
  return detail::spread_channel<C>(pixels, std::make_index_sequence<lanes<T>>());
}

/// Writes the weights of outputs [first, first + 8) as out[input/4][tap][4][quad][pixel][4]: equal
/// for all pixels of a register, zero for channels that do not exist.
template <class T>
void pack_quad_weights(T* out, const ConvWeights<T>& weights, Index first) {
  for (Index block = 0; block < weights.inputs; block += quad)
    for (Index tap = 0; tap < weights.taps; ++tap)
      for (Index input = block; input < block + quad; ++input)
        for (Index q = 0; q < quads; ++q)
          for (Index lane = 0; lane < lanes<T>; ++lane) {
            const Index output = first + q * quad + lane % quad;
            const bool exists = input < weights.inputs && output < weights.outputs;
            *out++ = exists ? weights.at(tap, input, output) : T(0);
          }
}

/// Computes Σ over channels and taps for RH rows of RG registers of pixels and eight outputs, for a
/// stride of 1. `weights` are packed by pack_quad_weights. Reads whole registers of pixels, so
/// there must be readable memory, of any contents, after the last pixel.
template <class T, int RH, int RG>
struct QuadTile {
  static constexpr int width = lanes<T>, pixels = width / quad;
  Block<T, width> sums[RH * RG][quads];

  [[gnu::always_inline]] void compute(const T* in, const PackedSteps& steps, Index kernel,
                                      Index channel_blocks, const T* weights) {
    for (auto& group : sums)
      for (auto& sum : group) sum = Block<T, width>{};
    for (Index block = 0; block < channel_blocks; ++block)
      for (Index ky = 0; ky < kernel; ++ky)
        for (Index kx = 0; kx < kernel; ++kx, weights += quad * quads * width) {
          const T* at = in + block * steps.plane + ky * steps.row + kx * quad;
          add_channel<0>(at, steps.row, weights);
          add_channel<1>(at, steps.row, weights);
          add_channel<2>(at, steps.row, weights);
          add_channel<3>(at, steps.row, weights);
        }
  }

  /// Returns output 0…7 of a pixel of the tile.
  T value(int row, Index pixel, int output) const {
    T lanes_of[width];
    save<width>(lanes_of, sums[row * RG + static_cast<int>(pixel) / pixels][output / quad]);
    return lanes_of[pixel % pixels * quad + output % quad];
  }

 private:
  template <int C>
  [[gnu::always_inline]] void add_channel(const T* at, Index row_step, const T* weights) {
    const auto first = load<width>(weights + C * quads * width);
    const auto second = load<width>(weights + (C * quads + 1) * width);
#pragma GCC unroll 16
    for (int g = 0; g < RH * RG; ++g) {
      const auto x = spread_channel<T, C>(load<width>(at + g / RG * row_step + g % RG * width));
      sums[g][0] += first * x;
      sums[g][1] += second * x;
    }
  }
};

}  // namespace retrace::inline RETRACE_ISA::cpu
