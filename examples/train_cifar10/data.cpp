#include "data.hpp"

#include <algorithm>
#include <cstdlib>

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

void keep_first(retrace::ImageSet& set, Index wanted) {
  const auto images = static_cast<std::size_t>(at_most(wanted, set.size()));
  set.labels.resize(images);
  set.pixels.resize(images * static_cast<std::size_t>(set.image_size()));
}

}  // namespace

Data load_data(std::filesystem::path folder, Index train_images, Index test_images) {
  if (folder.empty()) folder = usual_folder();
  Data data;
  if (folder.empty()) {
    data.train = retrace::synthetic_images(at_most(train_images, synthetic_train_images),
                                           synthetic_train_seed);
    data.test =
        retrace::synthetic_images(at_most(test_images, synthetic_test_images), synthetic_test_seed);
  } else {
    data.train = retrace::read_cifar10_training(folder);
    data.test = retrace::read_cifar10_test(folder);
    keep_first(data.train, train_images);
    keep_first(data.test, test_images);
  }
  data.normalisation = retrace::normalisation(data.train);
  return data;
}
