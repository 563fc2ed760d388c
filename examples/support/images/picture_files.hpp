// Data sets with one PNG or JPEG file of any size per image.
#pragma once

#include <filesystem>
#include <optional>

#include "fit.hpp"
#include "samples.hpp"

struct PictureFile {
  std::filesystem::path path;
  std::int32_t label = no_class;  ///< label of the image
  std::filesystem::path mask{};   ///< classes of its pixels; empty: the image has one class
};

/// A file that cannot be used, and the reason.
struct BadSample {
  retrace::Index sample;
  std::string message;
};

/// The extents of files, read from their first bytes.
struct ScannedPictures {
  std::vector<PictureInfo> infos;  ///< of each file; 0 x 0 of a bad one
  std::vector<BadSample> bad;      ///< in the order of the files
};
ScannedPictures scan(const std::vector<PictureFile>& files, int threads);

/// The meaning of the values of a mask.
enum class MaskValues {
  classes,      ///< the class; 255: none
  black_white,  ///< 0: class 0; 255: class 1; others: none
};
/// Returns black_white if the first masks have exactly the values 0 and 255.
MaskValues mask_values(const std::vector<PictureFile>& files);

struct PictureOptions {
  Fit fit = Fit::pad;
  MaskValues masks = MaskValues::classes;
  std::uintmax_t cache_bytes = std::uintmax_t{1} << 30;  ///< bytes of decoded images to cache
};

/// Returns the images as samples. An image is decoded and scaled to `shape` when it is read. If all
/// images fit in the cache, only the first read decodes.
std::shared_ptr<const Samples> picture_samples(std::vector<PictureFile> files, retrace::Shape shape,
                                               const PictureOptions& options);
