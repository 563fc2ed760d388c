// Brings images to one size.
#pragma once

#include "picture.hpp"

/// The handling of images with another aspect ratio than the target.
enum class Fit {
  pad,      ///< scales all of it in proportion and pads it by mirroring
  crop,     ///< scales its middle in proportion
  stretch,  ///< scales all of it, changing the proportion
};

/// Scales a picture. Each pixel is an average of those that it covers, or is interpolated.
Picture fitted(const Picture& picture, retrace::Index height, retrace::Index width, Fit fit);

/// Scales a mask. Each pixel has the value of the nearest one, and the padding has value `outside`.
Picture fitted_mask(const Picture& mask, retrace::Index height, retrace::Index width, Fit fit,
                    std::uint8_t outside);
