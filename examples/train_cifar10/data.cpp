#include "data.hpp"

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

}  // namespace

Data load_data(std::filesystem::path folder) {
  if (folder.empty()) folder = usual_folder();
  Data data;
  if (folder.empty()) {
    data.train = retrace::synthetic_images(synthetic_train_images, synthetic_train_seed);
    data.test = retrace::synthetic_images(synthetic_test_images, synthetic_test_seed);
  } else {
    data.train = retrace::read_cifar10_training(folder);
    data.test = retrace::read_cifar10_test(folder);
  }
  data.normalisation = retrace::normalisation(data.train);
  return data;
}
