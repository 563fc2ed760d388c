#include "picture.hpp"

#include "jpeg_file.hpp"
#include "png_file.hpp"
#include "retrace/core/error.hpp"

using retrace::DataError, retrace::Index;

namespace {

[[noreturn]] void refuse(std::span<const std::uint8_t> file, const std::string& name) {
  throw DataError(name + ": " + (file.empty() ? "is empty" : "is neither a PNG nor a JPEG file"));
}

Picture with_channels(Picture from, Index channels) {
  if (from.channels == channels) return from;
  Picture to{from.height, from.width, channels, {}};
  to.pixels.reserve(static_cast<std::size_t>(to.height * to.width * channels));
  const std::uint8_t* at = from.pixels.data();
  for (Index i = 0; i < to.height * to.width; ++i, at += from.channels)
    if (channels == 3)
      to.pixels.insert(to.pixels.end(), 3, *at);
    else  // ITU-R BT.601
      to.pixels.push_back(
          static_cast<std::uint8_t>((299 * at[0] + 587 * at[1] + 114 * at[2] + 500) / 1000));
  return to;
}

}  // namespace

PictureInfo picture_info(std::span<const std::uint8_t> file, const std::string& name) {
  if (is_png(file)) return info_of_png(file, name);
  if (is_jpeg(file)) return info_of_jpeg(file, name);
  refuse(file, name);
}

Picture decode_picture(std::span<const std::uint8_t> file, const std::string& name, Index channels,
                       Index side) {
  if (is_png(file)) return with_channels(decode_png(file, name), channels);
  if (is_jpeg(file)) return with_channels(decode_jpeg(file, name, side), channels);
  refuse(file, name);
}

Picture decode_mask(std::span<const std::uint8_t> file, const std::string& name) {
  if (is_png(file)) return decode_png_values(file, name);
  if (is_jpeg(file))
    throw DataError(name + ": a mask must be a PNG file, because JPEG changes its values");
  refuse(file, name);
}
