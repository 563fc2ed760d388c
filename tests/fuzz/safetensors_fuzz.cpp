// The safetensors reader and checkpoints: errors that they may throw, or tensors within the file
// under a header that another JSON reader accepts too and that survives being written again.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "memory_file.hpp"
#include "retrace/retrace.hpp"

using namespace retrace;

namespace {

void check(SafetensorsFile& file, std::span<const std::uint8_t> bytes) {
  const SafetensorsHeader& header = file.header();
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const auto json = nlohmann::json::parse(bytes.begin() + 8,
                                          bytes.begin() + 8 + static_cast<std::ptrdiff_t>(length));
  require(json.size() == header.tensors.size() + json.contains("__metadata__"));

  std::uint64_t data_bytes = 0;
  for (const TensorEntry& tensor : header.tensors) {
    require(json.at(tensor.name).at("shape").get<std::vector<std::uint64_t>>() == tensor.shape);
    require(*file.find(tensor.name) == tensor);
    std::vector<std::byte> values(tensor.end - tensor.begin);
    file.read(tensor, 0, values);
    const auto stored = std::as_bytes(bytes.subspan(8 + length + tensor.begin, values.size()));
    require(std::ranges::equal(values, stored));
    data_bytes += values.size();
  }
  require(8 + length + data_bytes == bytes.size());
  const std::string text = format_safetensors_header(header);
  require(parse_safetensors_header("", std::string_view(text).substr(8), data_bytes) == header);
}

/// Replaces the checksum, if there is one, by the right one, so that what lies behind it is met.
void correct_checksum(std::vector<std::uint8_t>& bytes) {
  constexpr std::size_t at = detail::checksum_position, digits = detail::no_checksum.size();
  if (bytes.size() < at + digits ||
      std::memcmp(bytes.data() + 8, detail::checksum_opening.data(), at - 8) != 0)
    return;
  std::fill_n(bytes.begin() + at, digits, std::uint8_t{'0'});
  Crc64 sum;
  sum.add(std::as_bytes(std::span(bytes)));
  const std::string text = sum.digits();
  std::copy(text.begin(), text.end(), bytes.begin() + at);
}

/// Restores into a small network what there may be of it in the file.
void restore(const std::string& path) {
  Cpu device(1);
  Parameter<float, Cpu> weight(device, {1, 1, 2, 3}, true);
  Tensor<float, Cpu> mean(device, per_channel(3), Use::parameter);
  std::int64_t step = 0;
  ParameterList<float, Cpu> list;
  list.add("weight", weight);
  list.add("mean", mean);
  list.add(
      "step", [&] { return step; }, [&](std::int64_t value) { step = value; });
  Checkpoint checkpoint(path);
  checkpoint.restore(list);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> bytes(data, data + size);
  try {
    const MemoryFile memory(bytes);
    SafetensorsFile file(memory.path());
    check(file, bytes);
  } catch (const DataError&) {
  }
  correct_checksum(bytes);
  try {
    restore(MemoryFile(bytes).path());
  } catch (const DataError&) {
  }
  return 0;
}
