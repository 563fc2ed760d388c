// Files of uncompressed images: IDX and the binary layout of CIFAR.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "file_bytes.hpp"
#include "retrace/core/shape.hpp"

/// The order of the bytes in a file: a header, and then records of some other bytes, such as a
/// label, and the pixels of one image.
struct RawLayout {
  std::uint32_t header = 0;  ///< bytes before the first record
  std::uint32_t others = 0;  ///< bytes before the pixels of each image
  std::uint32_t height = 0, width = 0, channels = 0;
  bool planar = false;  ///< the channels follow each other; otherwise those of a pixel do

  retrace::Index image_bytes() const { return retrace::Index{height} * width * channels; }
  std::uint64_t file_bytes(std::uint64_t images) const {
    return header + images * (others + static_cast<std::uint64_t>(image_bytes()));
  }
  bool operator==(const RawLayout&) const = default;
};

/// The images of a file and all bytes that are not pixels.
struct RawImages {
  RawLayout layout;
  retrace::Index count = 0;
  std::vector<std::uint8_t> pixels;  ///< of each image, in the order height, width, channels
  std::vector<std::uint8_t> others;  ///< the header, then those of each record
};

/// Reads an IDX file of images, which may be compressed by gzip, or a .bin file of CIFAR-10 (one
/// label per image) or CIFAR-100 (two).
/// @throws retrace::DataError if the file is neither, or its length is wrong. The message names it.
RawImages read_raw_images(const std::filesystem::path& path);

/// Returns the bytes of the file that has these images, uncompressed.
std::vector<std::uint8_t> raw_file(const RawImages& images);
