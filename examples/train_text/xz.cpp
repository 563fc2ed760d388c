// The size of bytes after compression by xz.
#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "text_batches.hpp"

#ifdef HAS_LZMA
#include <lzma.h>

double xz_bits_per_byte(const std::vector<std::uint8_t>& bytes) {
  if (bytes.empty()) return 0;
  lzma_options_lzma options;
  lzma_lzma_preset(&options, 9 | LZMA_PRESET_EXTREME);
  // A dictionary as long as the input is as good as a longer one, and needs less memory.
  options.dict_size = static_cast<std::uint32_t>(
      std::clamp<std::size_t>(bytes.size(), LZMA_DICT_SIZE_MIN, options.dict_size));
  const lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
  std::vector<std::uint8_t> packed(lzma_stream_buffer_bound(bytes.size()));
  std::size_t size = 0;
  if (lzma_stream_buffer_encode(const_cast<lzma_filter*>(filters), LZMA_CHECK_CRC64, nullptr,
                                bytes.data(), bytes.size(), packed.data(), &size,
                                packed.size()) != LZMA_OK)
    throw std::runtime_error("liblzma cannot compress the held-out bytes");
  return 8 * static_cast<double>(size) / static_cast<double>(bytes.size());
}
#else
double xz_bits_per_byte(const std::vector<std::uint8_t>&) { return 0; }
#endif
