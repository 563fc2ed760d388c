// An invertible residual network.
#pragma once

#include "network.hpp"

/// @throws std::invalid_argument if an option does not fit, or the device has no iterations.
Net build_iresnet(Device& device, const NetChoice& choice);
