// Size, activations and state of a network.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "retrace/net/blocks.hpp"
#include "retrace/net/fixed_stream.hpp"

namespace retrace::inline RETRACE_ISA {

enum class Architecture { resnet, revnet, irevnet, layerwise, hybrid, resnet_inplace_abn };

inline constexpr std::array<Architecture, 6> all_architectures{
    Architecture::resnet,    Architecture::revnet, Architecture::irevnet,
    Architecture::layerwise, Architecture::hybrid, Architecture::resnet_inplace_abn};

/// "revnet", as on a command line.
constexpr std::string_view name(Architecture architecture) {
  constexpr std::array<std::string_view, 6> names{"resnet",    "revnet", "irevnet",
                                                  "layerwise", "hybrid", "resnet-inplace-abn"};
  return names[static_cast<std::size_t>(architecture)];
}

/// Size, activations, state and first weights of a network.
struct NetOptions {
  std::vector<Index> channels;  ///< of the state, level by level
  std::vector<Index> blocks;    ///< of each level
  Index image_channels = 3, classes = 10;
  double slope = 0;          ///< of the rectifiers: ReLU, or leaky if they are inverted
  double scale_floor = 0.1;  ///< ε_i of invertible normalisations
  std::uint64_t seed = 0;    ///< of the first weights

  Stream stream = Stream::floating;     ///< the format in which reversible blocks hold their state
  FixedStreamOptions fixed = {};        ///< of a fixed-point stream
  std::vector<int> fraction_bits = {};  ///< of it, level by level, in place of fixed.fraction_bits

  bool trains = true;  ///< if not, the parameters hold no memory for gradients

  operator BlockOptions() const { return {slope, scale_floor, seed, trains}; }
};

/// The options that give the parameter counts of the paper's Table 1: 3.14, 3.06, 42.8, 7.40 and
/// 3.71 million, and 3.14 for the ResNet with in-place activated normalisation.
inline NetOptions paper_options(Architecture architecture) {
  switch (architecture) {
    case Architecture::resnet:
      return {{32, 64, 128, 256}, {2, 2, 2, 2}};
    case Architecture::revnet:
      return {{40, 80, 160, 320}, {2, 2, 2, 2}};
    case Architecture::irevnet:
      return {{32, 128, 512, 2048}, {2, 2, 2, 1}};
    case Architecture::layerwise:
      return {.channels = {32, 128, 512, 512},
              .blocks = {4, 4, 4, 2},
              .slope = 0.5,
              .scale_floor = 0.3};
    case Architecture::hybrid:
      return {.channels = {32, 128, 512, 512}, .blocks = {2, 2, 2, 1}, .slope = 0.1};
    case Architecture::resnet_inplace_abn:
      return {.channels = {32, 64, 128, 256}, .blocks = {2, 2, 2, 2}, .slope = 0.01};
  }
  throw std::invalid_argument("paper_options: unknown architecture");
}

}  // namespace retrace::inline RETRACE_ISA
