// Writes PNG and JPEG files of all kinds for the tests.
#pragma once

#include <png.h>
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
// libjpeg needs size_t and FILE before it.
#include <jpeglib.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "picture.hpp"

using Bytes = std::vector<std::uint8_t>;

/// An image of a pattern that belongs to `seed`, smooth enough for JPEG.
inline Picture pattern(retrace::Index height, retrace::Index width, retrace::Index channels,
                       int seed = 0) {
  Picture picture{height, width, channels, {}};
  for (retrace::Index y = 0; y < height; ++y)
    for (retrace::Index x = 0; x < width; ++x)
      for (retrace::Index c = 0; c < channels; ++c)
        picture.pixels.push_back(
            static_cast<std::uint8_t>((40 * seed + 3 * y + 2 * x + 50 * c) % 256));
  return picture;
}

/// @param rows  of the file, one after the other, as its type and bits have them
inline Bytes png_of(std::span<const std::uint8_t> rows, retrace::Index height, retrace::Index width,
                    int colour_type, int bits = 8, bool interlaced = false,
                    std::function<void(png_structp, png_infop)> more = {}) {
  Bytes bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &bytes,
      [](png_structp from, png_bytep data, std::size_t count) {
        auto& to = *static_cast<Bytes*>(png_get_io_ptr(from));
        to.insert(to.end(), data, data + count);
      },
      [](png_structp) {});
  png_set_IHDR(png, info, png_uint_32(width), png_uint_32(height), bits, colour_type,
               interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (more) more(png, info);
  png_write_info(png, info);
  const std::size_t each = rows.size() / static_cast<std::size_t>(height);
  std::vector<png_bytep> pointers;
  for (retrace::Index y = 0; y < height; ++y)
    pointers.push_back(const_cast<png_bytep>(rows.data()) + each * static_cast<std::size_t>(y));
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

inline Bytes png_of(const Picture& picture) {
  return png_of(picture.pixels, picture.height, picture.width,
                picture.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB);
}

/// Grey, RGB, or CMYK where there are 4 channels, which is inverted as Adobe does it.
inline Bytes jpeg_of(const Picture& picture, bool progressive = false, int quality = 95) {
  jpeg_compress_struct encoder{};
  jpeg_error_mgr errors{};
  encoder.err = jpeg_std_error(&errors);
  jpeg_create_compress(&encoder);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&encoder, &buffer, &size);
  encoder.image_width = JDIMENSION(picture.width);
  encoder.image_height = JDIMENSION(picture.height);
  encoder.input_components = int(picture.channels);
  encoder.in_color_space = picture.channels == 1   ? JCS_GRAYSCALE
                           : picture.channels == 3 ? JCS_RGB
                                                   : JCS_CMYK;
  jpeg_set_defaults(&encoder);
  jpeg_set_quality(&encoder, quality, TRUE);
  if (progressive) jpeg_simple_progression(&encoder);
  jpeg_start_compress(&encoder, TRUE);
  for (retrace::Index y = 0; y < picture.height; ++y) {
    auto* row = const_cast<JSAMPROW>(picture.row(y));
    jpeg_write_scanlines(&encoder, &row, 1);
  }
  jpeg_finish_compress(&encoder);
  jpeg_destroy_compress(&encoder);
  const Bytes bytes(buffer, buffer + size);
  std::free(buffer);
  return bytes;
}

inline Bytes gzip_of(std::span<const std::uint8_t> bytes) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  Bytes result(deflateBound(&stream, uLong(bytes.size())) + 32);
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = uInt(bytes.size());
  stream.next_out = result.data();
  stream.avail_out = uInt(result.size());
  deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

inline std::string_view text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
