// The CIFAR-10 reader: an error that it may throw, or a set that is what the file holds.
#include "memory_file.hpp"
#include "retrace/train/cifar10.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> bytes(data, size);
  const MemoryFile file(bytes);
  constexpr std::size_t record = retrace::cifar10_record_bytes;
  try {
    const retrace::ImageSet set = retrace::read_cifar10_file(file.path());
    require(size > 0 && size % record == 0);
    require(set.labels.size() == size / record && set.pixels.size() == size - set.labels.size());
    for (std::size_t i = 0; i < set.labels.size(); ++i) {
      require(set.labels[i] <= 9 && set.labels[i] == bytes[i * record]);
      require(set.image(static_cast<retrace::Index>(i))[3 * 1023 + 2] ==
              bytes[(i + 1) * record - 1]);
    }
  } catch (const retrace::DataError&) {
  }
  return 0;
}
