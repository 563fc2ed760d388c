#include "png_file.hpp"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

#include "file_bytes.hpp"
#include "retrace/core/error.hpp"

using retrace::DataError, retrace::Index;

namespace {

constexpr std::size_t header_bytes = 33;  ///< the signature and the first chunk, IHDR
constexpr png_uint_32 largest_side = 1 << 20;

/// The fields of IHDR.
struct Header {
  std::uint32_t width, height;
  int bits, colour;

  Index samples() const {
    constexpr Index of_type[] = {1, 0, 3, 1, 2, 0, 4};
    return of_type[colour];
  }
};

Header read_header(std::span<const std::uint8_t> file, const std::string& name) {
  if (file.size() < header_bytes || std::memcmp(file.data() + 12, "IHDR", 4) != 0)
    throw DataError(name + ": is a PNG file that ends before its first chunk, or has another one");
  const Header header{big_endian_32(file.subspan(16)), big_endian_32(file.subspan(20)), file[24],
                      file[25]};
  const bool known = header.colour == 0 || header.colour == 2 || header.colour == 3 ||
                     header.colour == 4 || header.colour == 6;
  const bool has_bits = header.bits == 1 || header.bits == 2 || header.bits == 4 ||
                        header.bits == 8 || header.bits == 16;
  if (!known || !has_bits || header.width == 0 || header.height == 0)
    throw DataError(name + ": its PNG header is damaged");
  const std::string size = std::to_string(header.width) + "x" + std::to_string(header.height);
  if (header.width > largest_side || header.height > largest_side ||
      Index{header.width} * Index{header.height} > most_pixels)
    throw DataError(name + ": claims " + size + " pixels, but at most " +
                    std::to_string(most_pixels) + " are decoded");
  const auto raw = static_cast<std::uintmax_t>(Index{header.width} * Index{header.height} *
                                               header.samples() * header.bits / 8);
  if (raw > file.size() * largest_expansion)
    throw DataError(name + ": claims " + size + " pixels, which its " +
                    std::to_string(file.size()) + " bytes cannot hold");
  return header;
}

/// Owns libpng's structures and turns its errors into exceptions. A longjmp may leave a function
/// called by guarded(), so it must have no objects with destructors.
class Png {
 public:
  Png(std::span<const std::uint8_t> file, std::string name) : left_(file), name_(std::move(name)) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
    png_set_read_fn(png_, this, read);
    png_set_user_limits(png_, largest_side, largest_side);
    png_set_chunk_malloc_max(png_, 1 << 26);
  }
  ~Png() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Png(const Png&) = delete;
  Png& operator=(const Png&) = delete;

  template <class Function>
  void guarded(Function function) {
    if (setjmp(png_jmpbuf(png_)) != 0)
      throw DataError(name_ + ": is damaged or cut off (" + message_ + ")");
    function(png_, info_);
  }

 private:
  static void read(png_structp png, png_bytep to, std::size_t count) {
    auto& self = *static_cast<Png*>(png_get_io_ptr(png));
    if (count > self.left_.size()) png_error(png, "the file ends too early");
    std::memcpy(to, self.left_.data(), count);
    self.left_ = self.left_.subspan(count);
  }
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto& self = *static_cast<Png*>(png_get_error_ptr(png));
    std::strncpy(self.message_, message, sizeof self.message_ - 1);
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}

  std::span<const std::uint8_t> left_;
  std::string name_;
  char message_[128] = {};
  png_structp png_;
  png_infop info_;
};

/// Reads the rows after the requested transformations, which determine the channels.
Picture read_rows(Png& reader, const Header& header) {
  Picture picture{Index{header.height}, Index{header.width}};
  std::size_t row_bytes = 0;
  reader.guarded([&](png_structp png, png_infop info) {
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    picture.channels = png_get_channels(png, info);
    row_bytes = png_get_rowbytes(png, info);
  });
  if (row_bytes != static_cast<std::size_t>(picture.width * picture.channels))
    throw std::logic_error("decode_png: a row does not have a byte a sample");
  picture.pixels.resize(row_bytes * header.height);
  std::vector<png_bytep> rows;
  for (Index y = 0; y < picture.height; ++y) rows.push_back(picture.row(y));
  reader.guarded([&](png_structp png, png_infop info) {
    png_read_image(png, rows.data());
    png_read_end(png, info);
  });
  return picture;
}

/// Blends the image over white and drops its last channel, alpha.
Picture without_alpha(const Picture& from) {
  Picture to{from.height, from.width, from.channels - 1, {}};
  to.pixels.reserve(static_cast<std::size_t>(to.height * to.width * to.channels));
  const std::uint8_t* at = from.pixels.data();
  for (Index i = 0; i < from.height * from.width; ++i, at += from.channels) {
    const int alpha = at[from.channels - 1];
    for (Index c = 0; c < to.channels; ++c)
      to.pixels.push_back(
          static_cast<std::uint8_t>((at[c] * alpha + 255 * (255 - alpha) + 127) / 255));
  }
  return to;
}

}  // namespace

bool is_png(std::span<const std::uint8_t> file) {
  return file.size() >= 8 && png_sig_cmp(file.data(), 0, 8) == 0;
}

PictureInfo info_of_png(std::span<const std::uint8_t> file, const std::string& name) {
  const Header header = read_header(file, name);
  const bool colour = (header.colour & PNG_COLOR_MASK_COLOR) != 0;
  std::string conversion;
  if (header.bits == 16) conversion = "16 bits rounded to 8";
  if ((header.colour & PNG_COLOR_MASK_ALPHA) != 0)
    conversion += std::string(conversion.empty() ? "" : ", ") + "alpha laid over white";
  return {Index{header.height}, Index{header.width}, colour ? 3 : 1, conversion};
}

Picture decode_png(std::span<const std::uint8_t> file, const std::string& name) {
  const Header header = read_header(file, name);
  Png reader(file, name);
  reader.guarded([&](png_structp png, png_infop info) {
    png_read_info(png, info);
    png_set_expand(png);  // palettes to RGB, fewer bits to 8, transparent colours to alpha
    png_set_scale_16(png);
  });
  Picture picture = read_rows(reader, header);
  return picture.channels % 2 == 0 ? without_alpha(picture) : picture;
}

Picture decode_png_values(std::span<const std::uint8_t> file, const std::string& name) {
  const Header header = read_header(file, name);
  if (header.samples() != 1 || header.bits > 8)
    throw DataError(name + ": a mask must be a PNG file of grey values or palette indices of at " +
                    "most 8 bits, but it has " + std::to_string(header.samples()) +
                    " samples a pixel of " + std::to_string(header.bits) + " bits");
  Png reader(file, name);
  reader.guarded([&](png_structp png, png_infop info) {
    png_read_info(png, info);
    png_set_packing(png);
  });
  return read_rows(reader, header);
}
