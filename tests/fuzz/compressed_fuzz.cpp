// The reader of packed images: an error, or fields that agree. The length and the checksum are set
// to fit first, so that what they protect is reached too.
#include <cstring>
#include <vector>

#include "logistic_tables.hpp"
#include "memory_file.hpp"
#include "packed_file.hpp"
#include "retrace/core/error.hpp"
#include "retrace/train/crc64.hpp"

namespace {

void parse(std::span<const std::uint8_t> bytes) {
  static const LogisticTables tables;
  try {
    const PackedFile packed = parse_packed(bytes, "file");
    require(packed.images > 0 && packed.images_per_block > 0 && packed.layout.image_bytes() > 0);
    require(packed.others.size() == packed.layout.header + packed.images * packed.layout.others);
    require((packed.blocks.size() - 1) * packed.images_per_block < packed.images);
    for (const auto& block : packed.blocks) {
      SymbolDecoder coder(block, "file");
      for (std::uint64_t i = 0; i < 2 * block.size(); ++i)
        tables.decode(coder, tables.nearest(static_cast<float>(i % 7), static_cast<float>(i % 5)));
      coder.end();
    }
  } catch (const retrace::DataError& error) {
    require(std::string_view(error.what()).find(": ") != std::string_view::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  parse({data, size});
  if (size < 24) return 0;
  std::vector<std::uint8_t> bytes(data, data + size);
  const std::uint64_t length = size;
  std::memcpy(bytes.data() + 8, &length, sizeof length);
  retrace::Crc64 checksum;
  checksum.add(std::as_bytes(std::span(bytes).first(size - 8)));
  const std::uint64_t value = checksum.value();
  std::memcpy(bytes.data() + size - 8, &value, sizeof value);
  parse(bytes);
  return 0;
}
