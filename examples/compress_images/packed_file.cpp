#include "packed_file.hpp"

#include <bit>
#include <cstring>
#include <string_view>

#include "retrace/core/error.hpp"
#include "retrace/train/crc64.hpp"
#include "retrace/train/durable_file.hpp"

using retrace::DataError;

namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::string_view magic = "RTIMAGE1";
constexpr std::size_t length_at = magic.size();
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 33;
constexpr std::uint32_t most_extent = 1u << 14;
constexpr std::uint64_t most_images_per_block = 1u << 12;

std::uint64_t checksum_of(std::span<const std::uint8_t> bytes) {
  retrace::Crc64 checksum;
  checksum.add(std::as_bytes(bytes));
  return checksum.value();
}

class Writer {
 public:
  std::vector<std::uint8_t> bytes;

  template <class T>
  void number(T value) {
    const auto* from = reinterpret_cast<const std::uint8_t*>(&value);
    bytes.insert(bytes.end(), from, from + sizeof value);
  }
  template <class T>
  void vector(const std::vector<T>& values) {
    number(std::uint64_t{values.size()});
    const auto* from = reinterpret_cast<const std::uint8_t*>(values.data());
    bytes.insert(bytes.end(), from, from + values.size() * sizeof(T));
  }
};

class Reader {
 public:
  Reader(std::span<const std::uint8_t> bytes, std::string name)
      : left_(bytes), name_(std::move(name)) {}

  template <class T>
  T number() {
    T value;
    copy(&value, sizeof value);
    return value;
  }
  template <class T>
  std::vector<T> vector() {
    const auto count = number<std::uint64_t>();
    if (count > left_.size() / sizeof(T))
      refuse("a field of " + std::to_string(count) + " elements does not fit the " +
             std::to_string(left_.size()) + " bytes that are left");
    std::vector<T> values(static_cast<std::size_t>(count));
    copy(values.data(), values.size() * sizeof(T));
    return values;
  }
  [[noreturn]] void refuse(const std::string& what) const { throw DataError(name_ + ": " + what); }
  std::size_t left() const { return left_.size(); }

 private:
  void copy(void* to, std::size_t count) {
    if (count > left_.size()) refuse("ends within a field");
    if (count > 0) std::memcpy(to, left_.data(), count);
    left_ = left_.subspan(count);
  }

  std::span<const std::uint8_t> left_;
  std::string name_;
};

void require_intact(std::span<const std::uint8_t> bytes, const std::string& name) {
  const auto refuse = [&](const std::string& what) { throw DataError(name + ": " + what); };
  if (bytes.size() < length_at + 16 ||
      std::string_view(reinterpret_cast<const char*>(bytes.data()), magic.size()) != magic)
    refuse("is not a file of compress_images: it does not begin with " + std::string(magic));
  std::uint64_t length = 0, written = 0;
  std::memcpy(&length, bytes.data() + length_at, sizeof length);
  if (length != bytes.size())
    refuse("has " + std::to_string(bytes.size()) + " bytes, but its header says " +
           std::to_string(length) + ": it is cut off or damaged");
  const auto before = bytes.first(bytes.size() - sizeof written);
  std::memcpy(&written, bytes.data() + before.size(), sizeof written);
  if (checksum_of(before) != written) refuse("is damaged: its checksum is wrong");
}

RawLayout read_layout(Reader& reader) {
  RawLayout layout;
  for (std::uint32_t* field :
       {&layout.header, &layout.others, &layout.height, &layout.width, &layout.channels})
    *field = reader.number<std::uint32_t>();
  for (const std::uint32_t extent : {layout.height, layout.width, layout.channels})
    if (extent == 0 || extent > most_extent)
      reader.refuse("has an extent of " + std::to_string(extent) + ", but it must be 1 to " +
                    std::to_string(most_extent));
  const auto planar = reader.number<std::uint8_t>();
  if (planar > 1) reader.refuse("has an unknown order of bytes, " + std::to_string(planar));
  layout.planar = planar == 1;
  return layout;
}

/// @throws DataError unless the numbers of the fields agree with each other.
void require_consistent(const PackedFile& packed, const Reader& reader) {
  const RawLayout& layout = packed.layout;
  if (packed.images == 0 || packed.images > most_bytes / layout.file_bytes(1))
    reader.refuse("has " + std::to_string(packed.images) + " images, but it must be 1 to " +
                  std::to_string(most_bytes / layout.file_bytes(1)));
  if (packed.images_per_block == 0 || packed.images_per_block > most_images_per_block)
    reader.refuse("has " + std::to_string(packed.images_per_block) +
                  " images in a block, but it must be 1 to " +
                  std::to_string(most_images_per_block));
  const std::uint64_t others = layout.header + packed.images * layout.others;
  if (packed.others.size() != others)
    reader.refuse("has " + std::to_string(packed.others.size()) +
                  " bytes that are not pixels, but must have " + std::to_string(others));
}

}  // namespace

std::uint64_t write_packed(const std::filesystem::path& path, const PackedFile& packed) {
  Writer writer;
  writer.bytes.assign(magic.begin(), magic.end());
  writer.number(std::uint64_t{0});
  const RawLayout& layout = packed.layout;
  for (const std::uint32_t field :
       {layout.header, layout.others, layout.height, layout.width, layout.channels})
    writer.number(field);
  writer.number(std::uint8_t{layout.planar});
  for (const std::uint64_t field : {packed.images, packed.images_per_block, packed.model_checksum,
                                    packed.arithmetic, packed.content_checksum})
    writer.number(field);
  for (const auto* field : {&packed.machine, &packed.model, &packed.others}) writer.vector(*field);
  for (const auto& block : packed.blocks) writer.vector(block);
  const std::uint64_t length = writer.bytes.size() + sizeof(std::uint64_t);
  std::memcpy(writer.bytes.data() + length_at, &length, sizeof length);
  writer.number(checksum_of(writer.bytes));
  retrace::DurableFile file(path);
  file.write(std::as_bytes(std::span(writer.bytes)));
  file.commit();
  return length;
}

PackedFile parse_packed(std::span<const std::uint8_t> bytes, const std::string& name) {
  require_intact(bytes, name);
  const std::size_t start = length_at + sizeof(std::uint64_t);
  Reader reader(bytes.subspan(start, bytes.size() - start - sizeof(std::uint64_t)), name);
  PackedFile packed;
  packed.layout = read_layout(reader);
  for (std::uint64_t* field : {&packed.images, &packed.images_per_block, &packed.model_checksum,
                               &packed.arithmetic, &packed.content_checksum})
    *field = reader.number<std::uint64_t>();
  for (auto* field : {&packed.machine, &packed.model, &packed.others})
    *field = reader.vector<std::uint8_t>();
  require_consistent(packed, reader);
  const std::uint64_t blocks =
      (packed.images + packed.images_per_block - 1) / packed.images_per_block;
  for (std::uint64_t block = 0; block < blocks; ++block)
    packed.blocks.push_back(reader.vector<std::uint32_t>());
  if (reader.left() > 0)
    reader.refuse("has " + std::to_string(reader.left()) + " bytes after its last block");
  return packed;
}

PackedFile read_packed(const std::filesystem::path& path) {
  return parse_packed(read_file(path, most_bytes), path.string());
}
