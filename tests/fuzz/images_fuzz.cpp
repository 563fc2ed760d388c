// The readers of images and tables: an error that names the file, or what the file holds.
#include "csv.hpp"
#include "idx.hpp"
#include "memory_file.hpp"
#include "picture.hpp"
#include "retrace/core/error.hpp"

namespace {

void read_picture(std::span<const std::uint8_t> bytes) {
  const PictureInfo info = picture_info(bytes, "file");
  require(info.height > 0 && info.width > 0 && info.height * info.width <= most_pixels);
  const Picture picture = decode_picture(bytes, "file", 3);
  require(picture.height == info.height && picture.width == info.width);
  require(std::ssize(picture.pixels) == picture.height * picture.width * 3);
  const Picture mask = decode_mask(bytes, "file");
  require(std::ssize(mask.pixels) == info.height * info.width);
}

void read_table(const std::string& path) {
  const CsvTable table = read_csv(path, "");
  require(table.values.size() == table.lines.size() * table.features);
  require(table.classes.size() == table.lines.size());
  require(usual_shape(table).size() == std::ssize(table.values) / std::ssize(table.lines));
}

template <class Read>
void try_to(Read read) {
  try {
    read();
  } catch (const retrace::DataError& error) {
    require(std::string_view(error.what()).find(": ") != std::string_view::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> bytes(data, size);
  const MemoryFile file(bytes);
  try_to([&] { read_picture(bytes); });
  try_to([&] { read_table(file.path()); });
  try_to([&] { require(read_idx(file.path(), file.path())->size() > 0); });
  return 0;
}
