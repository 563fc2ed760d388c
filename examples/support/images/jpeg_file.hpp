// JPEG files, by libjpeg.
#pragma once

#include "picture.hpp"

bool is_jpeg(std::span<const std::uint8_t> file);

PictureInfo info_of_jpeg(std::span<const std::uint8_t> file, const std::string& name);

/// Decodes a JPEG file to grey or RGB, at a fraction of its size as described in decode_picture.
Picture decode_jpeg(std::span<const std::uint8_t> file, const std::string& name,
                    retrace::Index side);
