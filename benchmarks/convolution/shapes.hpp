// The convolutions of the networks.
#pragma once

#include <string>
#include <vector>

#include "retrace/retrace.hpp"

namespace convolution {

/// One convolution: image extents, channels, kernel and stride.
struct ConvShape {
  retrace::Index height, width, inputs, outputs, kernel, stride;

  auto operator<=>(const ConvShape&) const = default;
};

/// Returns "32 -> 64, 16 x 16", with the kernel unless it is 3 x 3.
std::string to_string(const ConvShape& shape);

struct UsedShape {
  ConvShape shape;
  std::vector<std::string> networks;  ///< networks that contain it
};

/// Returns every convolution in a training step of any of the networks on 32 x 32 images, found by
/// dry runs. Wide images come first, then few channels. RevNet-32 is the RevNet with 32, 64, 128
/// and 256 channels.
std::vector<UsedShape> shapes_of_networks();

}  // namespace convolution
