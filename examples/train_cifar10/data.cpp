#include "data.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <utility>
#include <vector>

using retrace::Index;

namespace {

constexpr Index synthetic_train_images = 20000, synthetic_test_images = 2000;
constexpr std::uint64_t synthetic_train_seed = 1, synthetic_test_seed = 2;

std::filesystem::path usual_folder() {
  if (const char* folder = std::getenv("RETRACE_CIFAR10"); folder && *folder) return folder;
  const std::filesystem::path folder = "data/cifar-10-batches-bin";
  std::error_code error;
  return std::filesystem::is_directory(folder, error) ? folder : std::filesystem::path();
}

/// As many as are wanted, of those there are.
Index at_most(Index wanted, Index available) {
  return wanted == 0 ? available : std::min(wanted, available);
}

/// The first ones of the files, which are read now unless they are to stay there.
Images first_of(retrace::Cifar10Files files, Index wanted, bool in_files) {
  files.keep_first(at_most(wanted, files.size()));
  if (in_files) return files;
  return read_all(files);
}

/// Calls visit(set) with all images, in one part or several.
template <class Visit>
void for_all(const Images& images, Visit visit) {
  if (const auto* set = std::get_if<retrace::ImageSet>(&images))
    visit(*set);
  else
    retrace::for_each_part(std::get<retrace::Cifar10Files>(images), visit);
}

}  // namespace

Data load_data(std::filesystem::path folder, Index train_images, Index test_images, bool in_files) {
  if (folder.empty()) folder = usual_folder();
  if (folder.empty() && in_files)
    throw std::invalid_argument(
        "--read-batches leaves images in their files, but there are none: --data names their "
        "folder");
  Data data;
  if (folder.empty()) {
    data.train = retrace::synthetic_images(at_most(train_images, synthetic_train_images),
                                           synthetic_train_seed);
    data.test =
        retrace::synthetic_images(at_most(test_images, synthetic_test_images), synthetic_test_seed);
  } else {
    data.train = first_of(retrace::cifar10_training_files(folder), train_images, in_files);
    data.test = first_of(retrace::cifar10_test_files(folder), test_images, in_files);
  }
  data.normalisation =
      std::visit([](const auto& images) { return retrace::normalisation(images); }, data.train);
  return data;
}

Index size(const Images& images) {
  return std::visit([](const auto& each) { return each.size(); }, images);
}

std::string name(const Images& images) {
  const auto* set = std::get_if<retrace::ImageSet>(&images);
  return set ? set->name : "CIFAR-10";
}

Batch load_images(Device& device, const Images& images, std::span<const Index> indices,
                  const retrace::Normalisation& normalisation,
                  const retrace::Augmentation& augmentation) {
  return std::visit(
      [&](const auto& each) {
        return retrace::load_batch<float>(device, each, indices, normalisation, augmentation);
      },
      images);
}

std::string checksum(const Data& data) {
  retrace::Crc64 sum;
  for (const Images* images : {&data.train, &data.test}) {
    for_all(*images, [&](const auto& set) {  // a byte each, as when labels were bytes
      const std::vector<std::uint8_t> labels(set.labels.begin(), set.labels.end());
      sum.add_values(std::span(labels));
    });
    for_all(*images, [&](const auto& set) { sum.add_values(std::span(set.pixels)); });
  }
  return sum.digits();
}
