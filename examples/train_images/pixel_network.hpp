// A reversible network that labels every pixel.
#pragma once

#include "network.hpp"

/// Returns options for images of a shape: a few hundred thousand parameters, and levels as long as
/// the images have enough pixels.
retrace::NetOptions small_pixel_net(retrace::Shape image);

/// The body of an i-RevNet, whose head gives each pixel its own logits. Level k works on 4^(k-1)
/// times fewer pixels, and has 4^(k-1) times as many channels as the first, so nothing between the
/// stem and the head is stored. The head predicts all pixels of a window in the last level, and
/// unpoolings put them in their places.
/// @throws std::invalid_argument unless each level has 4 times the channels of the one before.
Net build_pixel_net(Device& device, const retrace::NetOptions& options);
