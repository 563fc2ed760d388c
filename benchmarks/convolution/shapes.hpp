// The convolutions that networks are made of.
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

/// "32 -> 64, 16 x 16", with the kernel where it is not 3 x 3.
std::string to_string(const ConvShape& shape);

struct UsedShape {
  ConvShape shape;
  std::vector<std::string> networks;  ///< that have it
};

/// Every convolution that a training step of one of the networks meets on 32 x 32 images, found by
/// dry runs: wide images first, then few channels. RevNet-32 is the RevNet with 32, 64, 128 and 256
/// channels.
std::vector<UsedShape> shapes_of_networks();

}  // namespace convolution
