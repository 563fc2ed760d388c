// Feeds a fuzz target with the files of its corpus, and with what is left of each when it is cut
// off or a byte of it is flipped.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

void feed(const Bytes& bytes) { LLVMFuzzerTestOneInput(bytes.data(), bytes.size()); }

void replay(Bytes bytes) {
  feed(bytes);
  const std::size_t step = 1 + bytes.size() / 100;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    feed(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at)));
    for (int flip : {1, 2, 32, 128, 255}) {
      bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ flip);
      feed(bytes);
      bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ flip);
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::size_t files = 0;
  for (int i = 1; i < count; ++i)
    for (const auto& entry : std::filesystem::directory_iterator(arguments[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      replay(Bytes(std::istreambuf_iterator<char>(file), {}));
      ++files;
    }
  std::cout << files << " files\n";
  return files > 0 ? 0 : 1;
}
