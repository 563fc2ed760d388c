// Images in files of their own, of any size: PNG and JPEG.
#pragma once

#include <filesystem>
#include <optional>

#include "fit.hpp"
#include "samples.hpp"

struct PictureFile {
  std::filesystem::path path;
  std::int32_t label = no_class;  ///< of the image
  std::filesystem::path mask{};   ///< of its pixels; empty: the image has one class
};

/// A file that cannot be used, and why.
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

/// What the values of a mask stand for.
enum class MaskValues {
  classes,      ///< the class; 255: none
  black_white,  ///< 0: class 0; 255: class 1; others: none
};
/// black_white if the first masks have no other values than 0 and 255, and both of them.
MaskValues mask_values(const std::vector<PictureFile>& files);

struct PictureOptions {
  Fit fit = Fit::pad;
  MaskValues masks = MaskValues::classes;
  std::uintmax_t cache_bytes = std::uintmax_t{1} << 30;  ///< of decoded images, kept for next time
};

/// The images, each decoded when it is read and fitted into `shape`. Only the first read decodes
/// if all of them fit into the cache.
std::shared_ptr<const Samples> picture_samples(std::vector<PictureFile> files, retrace::Shape shape,
                                               const PictureOptions& options);
