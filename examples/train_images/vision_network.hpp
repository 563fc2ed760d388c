// A reversible transformer on the patches of images.
#pragma once

#include "network.hpp"

/// Returns the transformer of `choice`: options.channels[0] channels in each half of its state, and
/// options.blocks[0] layers.
/// @throws std::invalid_argument if an option does not fit, or the device cannot attend.
Net build_vision_net(Device& device, const NetChoice& choice);
