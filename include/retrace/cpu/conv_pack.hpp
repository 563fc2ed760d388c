// Lays out a convolution's input and weights for its kernels: padded, blocked, contiguous.
#pragma once

#include <algorithm>

#include "retrace/core/channel_norm.hpp"
#include "retrace/cpu/cpu.hpp"
#include "retrace/cpu/normalise.hpp"
#include "retrace/cpu/simd.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

constexpr Index round_up(Index value, Index multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// One image as a convolution reads it: a dilation of 2 puts a zero pixel after every pixel, in
/// both directions, which turns the input gradient of a stride of 2 into one of stride 1.
template <class T>
struct ConvImage {
  const T* data;
  Index height, width, channels, pitch;  ///< of the image itself
  Index dilation = 1;
  const NormActivation<T, Cpu>* prologue = nullptr;
};

/// Writes rows [first_row, first_row + rows) of the image, `columns` wide from column −padding on,
/// as out[channel/CB][row][column][CB], with zeros wherever the image has no pixel or channel.
/// first_row may be negative.
template <int CB, class T>
void pack_image(T* out, const ConvImage<T>& image, Index first_row, Index rows, Index columns,
                Index padding) {
  const Index plane = rows * columns * CB;
  for (Index channel = 0; channel < image.channels; channel += CB) {
    T* to = out + channel / CB * plane;
    const Index count = std::min<Index>(CB, image.channels - channel);
    const auto convert = [&](auto pixel_to_block) {
      for (Index r = 0; r < rows; ++r) {
        const Index row = first_row + r;
        const bool row_exists =
            row >= 0 && row % image.dilation == 0 && row / image.dilation < image.height;
        for (Index c = 0; c < columns; ++c, to += CB) {
          const Index column = c - padding;
          if (row_exists && column >= 0 && column % image.dilation == 0 &&
              column / image.dilation < image.width)
            pixel_to_block(image.data +
                           (row / image.dilation * image.width + column / image.dilation) *
                               image.pitch +
                           channel);
          else
            save<CB>(to, Block<T, CB>{});
        }
      }
    };
    if (count < CB) {
      convert([&](const T* from) {
        for (Index i = 0; i < CB; ++i) {
          T value = i < count ? from[i] : T(0);
          if (i < count && image.prologue) {
            const ChannelNorm<T, Cpu>& norm = image.prologue->norm;
            value =
                activated(norm.scale.data()[channel + i] * value + norm.shift.data()[channel + i],
                          static_cast<T>(image.prologue->activation.slope));
          }
          to[i] = value;
        }
      });
    } else if (image.prologue) {
      const auto scale = load<CB>(image.prologue->norm.scale.data() + channel);
      const auto shift = load<CB>(image.prologue->norm.shift.data() + channel);
      const T slope = static_cast<T>(image.prologue->activation.slope);
      convert([&](const T* from) {
        save<CB>(to, activated(Block<T, CB>(scale * load<CB>(from) + shift), slope));
      });
    } else {
      convert([&](const T* from) { save<CB>(to, load<CB>(from)); });
    }
  }
}

/// The weights w[tap][input][output] of a forward pass, or, transposed, those that carry a
/// gradient from outputs back to inputs: taps turned by 180°, channels exchanged.
template <class T>
struct ConvWeights {
  const T* data;
  Index taps, inputs, outputs;  ///< as the kernels see them
  bool transposed;

  T at(Index tap, Index input, Index output) const {
    return transposed ? data[((taps - 1 - tap) * outputs + output) * inputs + input]
                      : data[(tap * inputs + input) * outputs + output];
  }
};

/// Writes the weights of outputs [first, first + count) as out[input/CB][tap][CB][count], zero
/// where a channel does not exist.
template <int CB, class T>
void pack_weights(T* out, const ConvWeights<T>& weights, Index first, Index count) {
  const Index exist = std::min(count, weights.outputs - first);
  for (Index block = 0; block < weights.inputs; block += CB)
    for (Index tap = 0; tap < weights.taps; ++tap)
      for (Index input = block; input < block + CB; ++input, out += count) {
        const Index outputs = input < weights.inputs ? exist : 0;
        for (Index k = 0; k < outputs; ++k) out[k] = weights.at(tap, input, first + k);
        std::fill(out + outputs, out + count, T(0));
      }
}

}  // namespace retrace::inline RETRACE_ISA::cpu
