#include "raw_images.hpp"

#include <algorithm>
#include <string>

#include "retrace/core/error.hpp"

using retrace::DataError, retrace::Index;

namespace {

constexpr std::uintmax_t most_bytes = std::uintmax_t{1} << 33;
constexpr std::uint32_t most_extent = 1u << 14;

/// Returns the layout of an IDX file by its header, or an empty one if it is no IDX file.
RawLayout idx_layout(const std::string& name, std::span<const std::uint8_t> file) {
  if (file.size() < 4 || file[0] != 0 || file[1] != 0 || file[2] != 8 || file[3] == 0) return {};
  const std::size_t rank = file[3], header = 4 + 4 * rank;
  if (rank != 3 && rank != 4)
    throw DataError(name + ": is an IDX file of rank " + std::to_string(rank) +
                    ", but images have rank 3 or 4");
  if (file.size() < header) throw DataError(name + ": ends within its header");
  const auto extent = [&](std::size_t axis) { return big_endian_32(file.subspan(4 + 4 * axis)); };
  RawLayout layout{static_cast<std::uint32_t>(header), 0,    extent(1), extent(2),
                   rank == 4 ? extent(3) : 1,          false};
  for (const std::uint32_t each : {layout.height, layout.width, layout.channels})
    if (each == 0 || each > most_extent)
      throw DataError(name + ": has an extent of " + std::to_string(each) +
                      ", but it must be 1 to " + std::to_string(most_extent));
  if (file.size() != layout.file_bytes(extent(0)))
    throw DataError(name + ": has " + std::to_string(file.size()) + " bytes, but its header says " +
                    std::to_string(layout.file_bytes(extent(0))));
  return layout;
}

RawLayout layout_of(const std::string& name, std::span<const std::uint8_t> file) {
  if (const RawLayout idx = idx_layout(name, file); idx.height > 0) return idx;
  for (const std::uint32_t labels : {1u, 2u})
    if (const RawLayout cifar{0, labels, 32, 32, 3, true};
        name.ends_with(".bin") && file.size() % cifar.file_bytes(1) == 0)
      return cifar;
  throw DataError(name +
                  ": is neither an IDX file of bytes nor a .bin file of CIFAR-10 or "
                  "CIFAR-100, whose length is a multiple of 3073 or 3074");
}

/// Calls body(byte of the file, byte of RawImages) for all of them.
template <class File, class Images, class Body>
void for_all_bytes(File& file, Images& images, Body body) {
  const RawLayout& layout = images.layout;
  std::size_t at = 0, other = 0, pixel = 0;
  const auto take = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) body(file[at++], images.others[other++]);
  };
  take(layout.header);
  const auto channels = static_cast<std::size_t>(layout.channels);
  const std::size_t pixels = std::size_t{layout.height} * layout.width;
  for (Index image = 0; image < images.count; ++image, pixel += pixels * channels) {
    take(layout.others);
    for (std::size_t i = 0; i < pixels * channels; ++i)
      body(file[at++],
           images.pixels[pixel + (layout.planar ? i % pixels * channels + i / pixels : i)]);
  }
}

}  // namespace

RawImages read_raw_images(const std::filesystem::path& path) {
  const FileBytes file = read_gzip_file(path, most_bytes);
  RawImages images{.layout = layout_of(path.string(), file)};
  const RawLayout& layout = images.layout;
  images.count =
      static_cast<Index>((file.size() - layout.header) / (layout.file_bytes(1) - layout.header));
  if (images.count == 0) throw DataError(path.string() + ": has no images");
  images.pixels.resize(static_cast<std::size_t>(images.count * layout.image_bytes()));
  images.others.resize(file.size() - images.pixels.size());
  for_all_bytes(file, images, [](std::uint8_t from, std::uint8_t& to) { to = from; });
  return images;
}

std::vector<std::uint8_t> raw_file(const RawImages& images) {
  std::vector<std::uint8_t> file(images.others.size() + images.pixels.size());
  for_all_bytes(file, images, [](std::uint8_t& to, std::uint8_t from) { to = from; });
  return file;
}
