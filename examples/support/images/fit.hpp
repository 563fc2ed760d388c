// Brings images to one size.
#pragma once

#include "picture.hpp"

/// What becomes of an image whose sides have another ratio than the ones wanted.
enum class Fit {
  pad,      ///< all of it, its sides in proportion, with its mirror image around it
  crop,     ///< its middle, the sides in proportion
  stretch,  ///< all of it, the sides out of proportion
};

/// Each pixel is an average of those that it covers, or lies between those around it.
Picture fitted(const Picture& picture, retrace::Index height, retrace::Index width, Fit fit);

/// The same for a mask: the value of the nearest pixel. `outside` surrounds it instead of its
/// mirror image.
Picture fitted_mask(const Picture& mask, retrace::Index height, retrace::Index width, Fit fit,
                    std::uint8_t outside);
