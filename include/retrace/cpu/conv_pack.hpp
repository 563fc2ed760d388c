// Packs a convolution's input and weights for its kernels: padded, blocked, contiguous.
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

/// One image as the input of a convolution. A dilation of 2 inserts a zero pixel after every pixel
/// in both directions, which turns the input gradient of a stride of 2 into one of stride 1.
template <class T>
struct ConvImage {
  const T* data;
  Index height, width, channels, pitch;  ///< before dilation
  Index dilation = 1;
  const NormActivation<T, Cpu>* prologue = nullptr;
};

/// Writes rows [first_row, first_row + rows) of the image, `columns` wide from column −padding on,
/// as out[channel/CB][row][column][CB], with zeros outside the image and its channels. first_row
/// may be negative.
template <int CB, class T>
class ImagePacker {
 public:
  ImagePacker(const ConvImage<T>& image, Index first_row, Index rows, Index columns, Index padding)
      : image_(image),
        first_row_(first_row),
        rows_(rows),
        columns_(columns),
        padding_(padding),
        pixels_(std::min(image.width, (columns - padding + image.dilation - 1) / image.dilation)) {}

  void pack(T* out) const {
    for (Index channel = 0; channel < image_.channels; channel += CB, out += rows_ * columns_ * CB)
      pack_channels(out, channel);
  }

  /// Packs only the block of channels [channel, channel + CB).
  void pack_channels(T* out, Index channel) const {
    if (image_.channels - channel < CB)
      pack_partial_block(out, channel);
    else if (image_.prologue)
      pack_normalised_block(out, channel);
    else
      pack_block(out, channel, [](const T* from, T* to) {
#pragma GCC unroll 16
        for (int i = 0; i < CB; i += piece) save<piece>(to + i, load<piece>(from + i));
      });
  }

 private:
  static constexpr int piece = CB < lanes<T> ? CB : lanes<T>;  // channels in one register

  void pack_normalised_block(T* out, Index channel) const {
    Block<T, piece> scale[CB / piece], shift[CB / piece];
    for (int i = 0; i < CB / piece; ++i) {
      scale[i] = load<piece>(image_.prologue->norm.scale.data() + channel + i * piece);
      shift[i] = load<piece>(image_.prologue->norm.shift.data() + channel + i * piece);
    }
    const T slope = static_cast<T>(image_.prologue->activation.slope);
    pack_block(out, channel, [=](const T* from, T* to) {
#pragma GCC unroll 16
      for (int i = 0; i < CB / piece; ++i) {
        const Block<T, piece> u = scale[i] * load<piece>(from + i * piece) + shift[i];
        save<piece>(to + i * piece, math::activate(u, slope));
      }
    });
  }

  /// Packs the last block if the channel count is not a multiple of CB; missing channels are zero.
  void pack_partial_block(T* out, Index channel) const {
    const Index count = image_.channels - channel;
    T scale[CB] = {}, shift[CB] = {};
    for (Index i = 0; i < count; ++i) {
      scale[i] = image_.prologue ? image_.prologue->norm.scale.data()[channel + i] : T(1);
      shift[i] = image_.prologue ? image_.prologue->norm.shift.data()[channel + i] : T(0);
    }
    const T slope = static_cast<T>(image_.prologue ? image_.prologue->activation.slope : 1);
    constexpr int quarter = CB < 16 / static_cast<int>(sizeof(T)) ? 1 : 16 / sizeof(T);
    pack_block(out, channel, [&](const T* from, T* to) {
      Index i = 0;
      const auto normalise = [&]<int W>() {
        const auto u = load<W>(scale + i) * load<W>(from + i) + load<W>(shift + i);
        save<W>(to + i, math::activate(Block<T, W>(u), slope));
        i += W;
      };
      while (i + quarter <= count) normalise.template operator()<quarter>();
      while (i < count) normalise.template operator()<1>();
      std::fill(to + count, to + CB, T(0));
    });
  }

  template <class Pixel>
  void pack_block(T* to, Index channel, Pixel pixel) const {
    for (Index r = 0; r < rows_; ++r, to += columns_ * CB) {
      const Index row = first_row_ + r;
      const bool exists =
          row >= 0 && row % image_.dilation == 0 && row / image_.dilation < image_.height;
      if (!exists || image_.dilation > 1) std::fill_n(to, columns_ * CB, T(0));
      if (!exists) continue;
      if (image_.dilation == 1) {
        std::fill_n(to, padding_ * CB, T(0));
        std::fill(to + (padding_ + pixels_) * CB, to + columns_ * CB, T(0));
      }
      const T* from = image_.data + row / image_.dilation * image_.width * image_.pitch + channel;
      for (Index p = 0; p < pixels_; ++p)
        pixel(from + p * image_.pitch, to + (padding_ + p * image_.dilation) * CB);
    }
  }

  const ConvImage<T>& image_;
  Index first_row_, rows_, columns_, padding_;
  Index pixels_;  ///< pixels of an image row that lie within the columns
};

/// The weights w[tap][input][output] of a forward pass or, if transposed, of an input gradient:
/// taps rotated by 180°, inputs and outputs exchanged.
template <class T>
struct ConvWeights {
  const T* data;
  Index taps, inputs, outputs;  ///< as the kernels see them
  bool transposed;

  const T& at(Index tap, Index input, Index output) const {
    return transposed ? data[((taps - 1 - tap) * outputs + output) * inputs + input]
                      : data[(tap * inputs + input) * outputs + output];
  }
};

/// Writes the weights of outputs [first, first + count) as out[input/CB][tap][CB][count], with
/// zeros for channels that do not exist.
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
