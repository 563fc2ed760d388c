// The networks of --arch.
#pragma once

#include <array>
#include <string_view>

#include "retrace/net/net_options.hpp"

/// The networks of retrace::Architecture, in its order, and those that need the size of the images.
enum class Architecture {
  resnet,
  revnet,
  irevnet,
  layerwise,
  hybrid,
  resnet_inplace_abn,
  revvit,   ///< a reversible transformer on patches (Mangalam et al. 2022)
  iresnet,  ///< an invertible residual network (Behrmann et al. 2019)
};

inline constexpr std::array all_architectures{
    Architecture::resnet,    Architecture::revnet, Architecture::irevnet,
    Architecture::layerwise, Architecture::hybrid, Architecture::resnet_inplace_abn,
    Architecture::revvit,    Architecture::iresnet};

/// Returns the name on a command line, such as "revnet".
std::string_view name(Architecture architecture);

/// Returns whether it has levels, each of which halves the images of the one before.
constexpr bool has_levels(Architecture architecture) {
  return architecture != Architecture::revvit;
}

/// Returns the network of retrace::Architecture that --arch names: neither revvit nor iresnet.
constexpr retrace::Architecture in_library(Architecture architecture) {
  return static_cast<retrace::Architecture>(architecture);
}

/// Returns the size of the network if no option chooses one: that of the paper if it has levels.
retrace::NetOptions usual_size(Architecture architecture);
