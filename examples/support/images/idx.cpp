#include "idx.hpp"

#include <algorithm>
#include <limits>

#include "file_bytes.hpp"
#include "retrace/core/error.hpp"

using retrace::DataError, retrace::Index, retrace::Shape;
namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t most_bytes = std::uintmax_t{1} << 34;
constexpr std::uint8_t type_of_bytes = 8;

/// An array of bytes and its extents.
struct Array {
  std::string name;
  std::vector<Index> extents;
  FileBytes content;  ///< with the header
  std::size_t header;

  std::span<const std::uint8_t> bytes() const { return std::span(content).subspan(header); }
};

[[noreturn]] void refuse(const fs::path& path, const std::string& what) {
  throw DataError(path.string() + ": " + what);
}

Array read_array(const fs::path& path) {
  Array array{path.string(), {}, read_gzip_file(path, most_bytes), 0};
  const std::span<const std::uint8_t> content = array.content;
  if (content.size() < 4 || content[0] != 0 || content[1] != 0 || content[3] == 0)
    refuse(path, "is not an IDX file");
  if (content[2] != type_of_bytes)
    refuse(path, "holds values of IDX type " + std::to_string(content[2]) +
                     ", but they must be bytes, type 8");
  const std::size_t rank = content[3];
  array.header = 4 + 4 * rank;
  if (content.size() < array.header) refuse(path, "ends within its header");
  std::uintmax_t size = 1;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::uint32_t extent = big_endian_32(content.subspan(4 + 4 * i));
    if (extent == 0 || size > most_bytes / extent)
      refuse(path, "has an extent of " + std::to_string(extent) + ", which cannot be");
    size *= extent;
    array.extents.push_back(extent);
  }
  if (size != content.size() - array.header)
    refuse(path, "its header says " + std::to_string(size) + " bytes, but " +
                     std::to_string(content.size() - array.header) + " follow");
  return array;
}

class Idx : public Samples {
 public:
  Idx(Array images, Array labels) : images_(std::move(images)), labels_(std::move(labels)) {
    const std::vector<Index>& extents = images_.extents;
    const Index channels = extents.size() == 4 ? extents[3] : 1;
    if ((extents.size() != 3 && extents.size() != 4) || (channels != 1 && channels != 3))
      refuse(images_.name, "must hold images: 3 extents, or 4 of which the last is 1 or 3");
    shape_ = {1, extents[1], extents[2], channels};
    if (labels_.extents.size() != 1)
      refuse(labels_.name,
             "must hold labels: 1 extent, but has " + std::to_string(labels_.extents.size()));
    if (labels_.extents[0] != extents[0])
      refuse(labels_.name, "has " + std::to_string(labels_.extents[0]) + " labels, but " +
                               images_.name + " has " + std::to_string(extents[0]) + " images");
  }

  Index size() const override { return images_.extents[0]; }
  Shape shape() const override { return shape_; }
  void read(Index sample, std::span<float> values) const override {
    const auto each = static_cast<std::size_t>(shape_.size());
    const auto bytes = images_.bytes().subspan(static_cast<std::size_t>(sample) * each, each);
    std::copy(bytes.begin(), bytes.end(), values.begin());
  }
  void read_labels(Index sample, std::span<std::int32_t> labels) const override {
    labels[0] = labels_.bytes()[static_cast<std::size_t>(sample)];
  }
  std::string name(Index sample) const override {
    return images_.name + ": image " + std::to_string(sample);
  }

 private:
  Array images_, labels_;
  Shape shape_;
};

}  // namespace

std::shared_ptr<const Samples> read_idx(const fs::path& images, const fs::path& labels) {
  return std::make_shared<Idx>(read_array(images), read_array(labels));
}
