#include "cifar.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "file_bytes.hpp"
#include "retrace/core/error.hpp"
#include "retrace/train/durable_file.hpp"

using retrace::DataError, retrace::Index;
namespace fs = std::filesystem;

namespace {

constexpr Index plane = 32 * 32;

class Cifar : public Samples {
 public:
  Cifar(const std::vector<fs::path>& paths, CifarLayout layout, bool in_files)
      : layout_(layout), record_(layout.labels + 3 * plane) {
    for (const fs::path& path : paths) {
      const auto bytes = static_cast<Index>(bytes_of_file(path));
      if (bytes % record_ != 0)
        throw DataError(path.string() + ": has " + std::to_string(bytes) +
                        " bytes, but must have a multiple of " + std::to_string(record_));
      size_ += bytes / record_;
      files_.push_back({path, size_, {path, O_RDONLY | O_CLOEXEC}});
    }
    check_labels();
    if (in_files) return;
    std::vector<std::uint8_t> records(static_cast<std::size_t>(size_ * record_));
    for (Index sample = 0; sample < size_; ++sample)
      copy(sample, 0,
           std::span(records).subspan(static_cast<std::size_t>(sample * record_),
                                      static_cast<std::size_t>(record_)));
    records_ = std::move(records);
  }

  Index size() const override { return size_; }
  retrace::Shape shape() const override { return {1, 32, 32, 3}; }

  void read(Index sample, std::span<float> values) const override {
    std::uint8_t pixels[3 * plane];
    copy(sample, layout_.labels, pixels);
    for (Index i = 0; i < plane; ++i)
      for (Index c = 0; c < 3; ++c)
        values[static_cast<std::size_t>(3 * i + c)] = static_cast<float>(pixels[c * plane + i]);
  }

  void read_labels(Index sample, std::span<std::int32_t> labels) const override {
    labels[0] = labels_[static_cast<std::size_t>(sample)];
  }

  std::string name(Index sample) const override {
    const File& file = file_of(sample);
    return file.path.string() + ": record " + std::to_string(number_in(file, sample));
  }

 private:
  struct File {
    fs::path path;
    Index end;  ///< the number of the next file's first record
    retrace::Descriptor descriptor;
  };

  const File& file_of(Index sample) const {
    return *std::upper_bound(files_.begin(), files_.end(), sample,
                             [](Index i, const File& each) { return i < each.end; });
  }
  Index number_in(const File& file, Index sample) const {
    return sample - (&file == files_.data() ? 0 : (&file - 1)->end);
  }

  /// Copies bytes of a record, starting at `first`.
  void copy(Index sample, Index first, std::span<std::uint8_t> to) const {
    if (!records_.empty()) {
      std::copy_n(records_.data() + sample * record_ + first, to.size(), to.data());
      return;
    }
    const File& file = file_of(sample);
    const off_t at = number_in(file, sample) * record_ + first;
    if (pread(file.descriptor.number(), to.data(), to.size(), at) != std::ssize(to))
      throw DataError(name(sample) + " cannot be read");
  }

  void check_labels() {
    for (Index sample = 0; sample < size_; ++sample) {
      std::uint8_t label = 0;
      copy(sample, layout_.labels - 1, {&label, 1});
      if (label >= layout_.classes)
        throw DataError(name(sample) + " has label " + std::to_string(label) +
                        ", but labels must be from 0 to " + std::to_string(layout_.classes - 1));
      labels_.push_back(label);
    }
  }

  CifarLayout layout_;
  Index record_, size_ = 0;
  std::vector<File> files_{};
  std::vector<std::int32_t> labels_{};
  std::vector<std::uint8_t> records_{};  ///< empty: they stay in the files
};

}  // namespace

std::shared_ptr<const Samples> read_cifar(const std::vector<fs::path>& files, CifarLayout layout,
                                          bool in_files) {
  return std::make_shared<Cifar>(files, layout, in_files);
}
