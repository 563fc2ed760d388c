// Encodes an image as PNG.
#pragma once

#include <cstdint>
#include <vector>

#include "picture.hpp"

/// Returns the bytes of a PNG file of 8 bits, grey or RGB.
/// @throws std::invalid_argument unless the picture has 1 or 3 channels and at least one pixel.
std::vector<std::uint8_t> encode_png(const Picture& picture);
