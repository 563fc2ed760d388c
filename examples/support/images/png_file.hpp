// PNG files, by libpng.
#pragma once

#include "picture.hpp"

bool is_png(std::span<const std::uint8_t> file);

PictureInfo info_of_png(std::span<const std::uint8_t> file, const std::string& name);

/// Grey, or RGB.
Picture decode_png(std::span<const std::uint8_t> file, const std::string& name);

/// The values of a grey image, or the indices of one with a palette, as they are in the file.
Picture decode_png_values(std::span<const std::uint8_t> file, const std::string& name);
