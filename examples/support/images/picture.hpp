// A decoded image, and the files it comes from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "retrace/core/shape.hpp"

/// An image of bytes in the order height, width, channels.
struct Picture {
  retrace::Index height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels{};

  std::uint8_t* row(retrace::Index y) { return pixels.data() + y * width * channels; }
  const std::uint8_t* row(retrace::Index y) const { return pixels.data() + y * width * channels; }
};

/// Information on an image from the first bytes of its file.
struct PictureInfo {
  retrace::Index height = 0, width = 0;
  retrace::Index channels = 0;  ///< 1 for a grey image, otherwise 3
  /// The conversion of its pixels to 8-bit grey or RGB, if any, such as "16 bits rounded to 8".
  std::string conversion{};
};

/// The pixels of the largest image that is decoded. Nothing is allocated for a larger one.
inline constexpr retrace::Index most_pixels = retrace::Index{1} << 26;
inline constexpr std::uintmax_t most_picture_bytes = std::uintmax_t{1} << 28;

/// Returns the extents of a PNG or JPEG file without decoding its pixels.
/// @param name  the name of the file for messages
/// @throws retrace::DataError if the file is neither, or its extents are impossible for its size.
///         The message names the file.
PictureInfo picture_info(std::span<const std::uint8_t> file, const std::string& name);

/// Decodes a PNG or JPEG file. Transparent pixels are blended over white, 16 bits are rounded to 8,
/// and CMYK becomes RGB.
/// @param channels  1 or 3: grey becomes RGB by repetition, RGB grey by luminance
/// @param side      a JPEG that is more than twice as large is decoded at a half, a quarter or an
///                  eighth of its size, as long as its shorter side is at least this; 0: never
/// @throws retrace::DataError as picture_info does, and if the file is damaged or cut off.
Picture decode_picture(std::span<const std::uint8_t> file, const std::string& name,
                       retrace::Index channels, retrace::Index side = 0);

/// Decodes the classes of pixels: the values of a grey PNG or the indices of a palette, 1 channel.
/// @throws retrace::DataError as decode_picture does, and for any other file.
Picture decode_mask(std::span<const std::uint8_t> file, const std::string& name);
