#include "picture_files.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>

#include "file_bytes.hpp"
#include "for_each.hpp"
#include "retrace/core/error.hpp"

using retrace::DataError, retrace::Index, retrace::Shape;

namespace {

PictureInfo info_of(const PictureFile& file) {
  const std::string name = file.path.string();
  const PictureInfo info = picture_info(read_file(file.path, most_picture_bytes), name);
  if (file.mask.empty()) return info;
  const PictureInfo mask =
      picture_info(read_file(file.mask, most_picture_bytes), file.mask.string());
  if (mask.height != info.height || mask.width != info.width)
    throw DataError(file.mask.string() + ": is " + std::to_string(mask.height) + "x" +
                    std::to_string(mask.width) + ", but its image " + name + " is " +
                    std::to_string(info.height) + "x" + std::to_string(info.width));
  return info;
}

/// Returns the label of each mask value.
std::array<std::int32_t, 256> labels_of(MaskValues meaning) {
  std::array<std::int32_t, 256> labels;
  for (std::size_t value = 0; value < 256; ++value)
    labels[value] =
        meaning == MaskValues::classes && value < 255 ? static_cast<std::int32_t>(value) : no_class;
  if (meaning == MaskValues::black_white) {
    labels[0] = 0;
    labels[255] = 1;
  }
  return labels;
}

/// Returns a mask value that has no class.
std::uint8_t value_outside(MaskValues meaning) {
  return meaning == MaskValues::classes ? 255 : 128;
}

/// A cache of decoded samples. Each sample is written once, by the thread that claims it.
class Cache {
 public:
  Cache(Index samples, std::size_t bytes_each, std::uintmax_t most)
      : bytes_each_(bytes_each), states_(static_cast<std::size_t>(samples)) {
    if (static_cast<std::uintmax_t>(samples) * bytes_each <= most)
      bytes_.resize(static_cast<std::size_t>(samples) * bytes_each);
  }

  /// Returns whether all samples fit.
  bool holds_all() const { return !bytes_.empty(); }

  /// Returns the sample, or an empty span if it is not cached.
  std::span<const std::uint8_t> find(Index sample) const {
    const auto i = static_cast<std::size_t>(sample);
    if (bytes_.empty() || states_[i].load(std::memory_order_acquire) != present) return {};
    return {bytes_.data() + i * bytes_each_, bytes_each_};
  }

  void keep(Index sample, std::span<const std::uint8_t> decoded) {
    const auto i = static_cast<std::size_t>(sample);
    std::uint8_t expected = absent;
    if (bytes_.empty() || !states_[i].compare_exchange_strong(expected, claimed)) return;
    std::copy(decoded.begin(), decoded.end(), bytes_.begin() + std::ptrdiff_t(i * bytes_each_));
    states_[i].store(present, std::memory_order_release);
  }

 private:
  static constexpr std::uint8_t absent = 0, claimed = 1, present = 2;

  std::size_t bytes_each_;
  std::vector<std::atomic<std::uint8_t>> states_;
  std::vector<std::uint8_t> bytes_{};
};

class PictureSamples : public Samples {
 public:
  PictureSamples(std::vector<PictureFile> files, Shape shape, const PictureOptions& options)
      : files_(std::move(files)),
        shape_(shape),
        fit_(options.fit),
        label_of_(labels_of(options.masks)),
        outside_(value_outside(options.masks)),
        has_masks_(!files_.empty() && !files_.front().mask.empty()),
        pictures_(size(), static_cast<std::size_t>(shape.size()), options.cache_bytes),
        masks_(has_masks_ ? size() : 0, static_cast<std::size_t>(shape.h * shape.w),
               options.cache_bytes) {}

  Index size() const override { return static_cast<Index>(files_.size()); }
  Shape shape() const override { return shape_; }
  Index labels_each() const override { return has_masks_ ? shape_.h * shape_.w : 1; }
  bool in_memory() const override { return pictures_.holds_all(); }
  std::string name(Index sample) const override { return file(sample).path.string(); }

  void read(Index sample, std::span<float> values) const override {
    if (const auto kept = pictures_.find(sample); !kept.empty()) {
      std::copy(kept.begin(), kept.end(), values.begin());
      return;
    }
    const std::filesystem::path& path = file(sample).path;
    const Picture picture = fitted(
        decode_picture(read_file(path, most_picture_bytes), path.string(), shape_.c, least_side()),
        shape_.h, shape_.w, fit_);
    pictures_.keep(sample, picture.pixels);
    std::copy(picture.pixels.begin(), picture.pixels.end(), values.begin());
  }

  void read_labels(Index sample, std::span<std::int32_t> labels) const override {
    if (!has_masks_) {
      labels[0] = file(sample).label;
      return;
    }
    const auto to_labels = [&](std::span<const std::uint8_t> mask) {
      std::transform(mask.begin(), mask.end(), labels.begin(),
                     [&](std::uint8_t value) { return label_of_[value]; });
    };
    if (const auto kept = masks_.find(sample); !kept.empty()) return to_labels(kept);
    const std::filesystem::path& path = file(sample).mask;
    const Picture mask =
        fitted_mask(decode_mask(read_file(path, most_picture_bytes), path.string()), shape_.h,
                    shape_.w, fit_, outside_);
    masks_.keep(sample, mask.pixels);
    to_labels(mask.pixels);
  }

 private:
  const PictureFile& file(Index sample) const { return files_[static_cast<std::size_t>(sample)]; }

  /// Returns the least side for decoding a JPEG at a fraction of its size, or 0 if masks must match
  /// its pixels.
  Index least_side() const { return has_masks_ ? 0 : std::max(shape_.h, shape_.w); }

  std::vector<PictureFile> files_;
  Shape shape_;
  Fit fit_;
  std::array<std::int32_t, 256> label_of_;
  std::uint8_t outside_;
  bool has_masks_;
  mutable Cache pictures_, masks_;
};

}  // namespace

ScannedPictures scan(const std::vector<PictureFile>& files, int threads) {
  ScannedPictures result;
  result.infos.resize(files.size());
  std::vector<std::string> messages(files.size());
  for_each(std::ssize(files), threads, [&](Index i) {
    const auto at = static_cast<std::size_t>(i);
    try {
      result.infos[at] = info_of(files[at]);
    } catch (const DataError& error) {
      messages[at] = error.what();
    }
  });
  for (std::size_t i = 0; i < files.size(); ++i)
    if (!messages[i].empty()) result.bad.push_back({static_cast<Index>(i), messages[i]});
  return result;
}

MaskValues mask_values(const std::vector<PictureFile>& files) {
  constexpr std::size_t enough = 50;
  bool black = false, white = false;
  for (std::size_t i = 0; i < std::min(files.size(), enough); ++i) try {
      const std::filesystem::path& path = files[i].mask;
      for (const std::uint8_t value :
           decode_mask(read_file(path, most_picture_bytes), path.string()).pixels) {
        if (value != 0 && value != 255) return MaskValues::classes;
        (value == 0 ? black : white) = true;
      }
    } catch (const DataError&) {  // the survey reports it
    }
  return black && white ? MaskValues::black_white : MaskValues::classes;
}

std::shared_ptr<const Samples> picture_samples(std::vector<PictureFile> files, Shape shape,
                                               const PictureOptions& options) {
  return std::make_shared<PictureSamples>(std::move(files), shape, options);
}
