// PNG files, by libpng.
#pragma once

#include "picture.hpp"

bool is_png(std::span<const std::uint8_t> file);

PictureInfo info_of_png(std::span<const std::uint8_t> file, const std::string& name);

/// Decodes a PNG file to grey or RGB.
Picture decode_png(std::span<const std::uint8_t> file, const std::string& name);

/// Returns the unchanged values of a grey image, or the indices of one with a palette.
Picture decode_png_values(std::span<const std::uint8_t> file, const std::string& name);
