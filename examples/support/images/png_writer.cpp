#include "png_writer.hpp"

#include <png.h>

#include <stdexcept>

std::vector<std::uint8_t> encode_png(const Picture& picture) {
  if ((picture.channels != 1 && picture.channels != 3) || picture.pixels.empty())
    throw std::invalid_argument("encode_png: a picture must have pixels of 1 or 3 channels");
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = picture.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t bytes = 0;
  if (!png_image_write_to_memory(&image, nullptr, &bytes, 0, picture.pixels.data(), 0, nullptr))
    throw std::runtime_error(std::string("encode_png: ") + image.message);
  std::vector<std::uint8_t> file(bytes);
  if (!png_image_write_to_memory(&image, file.data(), &bytes, 0, picture.pixels.data(), 0, nullptr))
    throw std::runtime_error(std::string("encode_png: ") + image.message);
  file.resize(bytes);
  return file;
}
