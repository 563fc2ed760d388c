#include "jpeg_file.hpp"

#include <csetjmp>
#include <cstddef>
#include <cstdio>
// libjpeg needs size_t and FILE before it.
#include <jpeglib.h>
// and what its messages are
#include <jerror.h>

#include <algorithm>

#include "file_bytes.hpp"
#include "retrace/core/error.hpp"

using retrace::DataError, retrace::Index;

namespace {

/// Pixels that a byte of a JPEG file can hold at most: a bit for each block of 8x8, with some room.
constexpr Index most_pixels_in_a_byte = 2048;

/// Owns libjpeg's structures and turns its errors into exceptions. A longjmp may leave a function
/// called by guarded(), so it must have no objects with destructors.
class Jpeg {
 public:
  Jpeg(std::span<const std::uint8_t> file, std::string name) : name_(std::move(name)) {
    decoder_.err = jpeg_std_error(&errors_);
    decoder_.client_data = this;
    errors_.error_exit = on_error;
    errors_.emit_message = on_message;
    progress_.progress_monitor = on_progress;
    guarded([&](jpeg_decompress_struct& decoder) {
      jpeg_create_decompress(&decoder);
      decoder.progress = &progress_;
      jpeg_mem_src(&decoder, file.data(), static_cast<unsigned long>(file.size()));
      jpeg_read_header(&decoder, TRUE);
    });
    const Index pixels = Index{decoder_.image_width} * Index{decoder_.image_height};
    const std::string size =
        std::to_string(decoder_.image_width) + "x" + std::to_string(decoder_.image_height);
    if (pixels > most_pixels)
      fail("claims " + size + " pixels, but at most " + std::to_string(most_pixels) +
           " are decoded");
    if (pixels / most_pixels_in_a_byte > std::ssize(file))
      fail("claims " + size + " pixels, which its " + std::to_string(file.size()) +
           " bytes cannot hold");
  }
  ~Jpeg() { jpeg_destroy_decompress(&decoder_); }
  Jpeg(const Jpeg&) = delete;
  Jpeg& operator=(const Jpeg&) = delete;

  template <class Function>
  void guarded(Function function) {
    if (setjmp(jump_) != 0) fail(std::string("is damaged or cut off (") + message_ + ")");
    function(decoder_);
  }

  const jpeg_decompress_struct& decoder() const { return decoder_; }

 private:
  /// Releases memory and throws, because no destructor runs if a constructor throws.
  [[noreturn]] void fail(const std::string& what) {
    jpeg_destroy_decompress(&decoder_);
    throw DataError(name_ + ": " + what);
  }
  [[noreturn]] static void on_error(j_common_ptr common) {
    auto& self = *static_cast<Jpeg*>(common->client_data);
    common->err->format_message(common, self.message_);
    std::longjmp(self.jump_, 1);
  }
  /// libjpeg continues with grey pixels after a warning. All but one are about damaged pixels.
  static void on_message(j_common_ptr common, int level) {
    if (level < 0 && common->err->msg_code != JWRN_EXTRANEOUS_DATA) on_error(common);
  }
  /// Each scan costs a pass over all pixels, however few bytes it has.
  static void on_progress(j_common_ptr common) {
    constexpr int most_scans = 256;
    auto& self = *static_cast<Jpeg*>(common->client_data);
    if (self.decoder_.input_scan_number <= most_scans) return;
    std::snprintf(self.message_, sizeof self.message_, "more than %d scans", most_scans);
    std::longjmp(self.jump_, 1);
  }

  std::string name_;
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct decoder_{};
  char message_[JMSG_LENGTH_MAX] = {};
  std::jmp_buf jump_;
};

bool is_cmyk(const jpeg_decompress_struct& decoder) {
  return decoder.jpeg_color_space == JCS_CMYK || decoder.jpeg_color_space == JCS_YCCK;
}

/// Adobe's files, which are nearly all there are, hold 255 minus the ink.
void cmyk_to_rgb(Picture& picture, bool inverted) {
  std::uint8_t *to = picture.pixels.data(), *from = to;
  for (Index i = 0; i < picture.height * picture.width; ++i, from += 4)
    for (Index c = 0; c < 3; ++c) {
      const int colour = inverted ? from[c] : 255 - from[c],
                black = inverted ? from[3] : 255 - from[3];
      *to++ = static_cast<std::uint8_t>((colour * black + 127) / 255);
    }
  picture.channels = 3;
  picture.pixels.resize(static_cast<std::size_t>(picture.height * picture.width * 3));
}

/// 1, 2, 4 or 8: what the sides may be divided by.
unsigned divisor(const jpeg_decompress_struct& decoder, Index side) {
  const Index shorter = std::min(decoder.image_width, decoder.image_height);
  unsigned by = 1;
  while (side > 0 && by < 8 && shorter / (2 * by) >= side) by *= 2;
  return by;
}

}  // namespace

bool is_jpeg(std::span<const std::uint8_t> file) {
  return file.size() >= 3 && file[0] == 0xff && file[1] == 0xd8 && file[2] == 0xff;
}

PictureInfo info_of_jpeg(std::span<const std::uint8_t> file, const std::string& name) {
  const Jpeg reader(file, name);
  const jpeg_decompress_struct& decoder = reader.decoder();
  return {Index{decoder.image_height}, Index{decoder.image_width},
          decoder.jpeg_color_space == JCS_GRAYSCALE ? 1 : 3,
          is_cmyk(decoder) ? "CMYK converted to RGB" : ""};
}

Picture decode_jpeg(std::span<const std::uint8_t> file, const std::string& name, Index side) {
  Jpeg reader(file, name);
  const bool cmyk = is_cmyk(reader.decoder());
  const bool grey = reader.decoder().jpeg_color_space == JCS_GRAYSCALE;
  reader.guarded([&](jpeg_decompress_struct& decoder) {
    decoder.out_color_space = cmyk ? JCS_CMYK : grey ? JCS_GRAYSCALE : JCS_RGB;
    decoder.scale_num = 1;
    decoder.scale_denom = divisor(decoder, side);
    decoder.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&decoder);
  });
  const jpeg_decompress_struct& started = reader.decoder();
  Picture picture{Index{started.output_height},
                  Index{started.output_width},
                  Index{started.output_components},
                  {}};
  picture.pixels.resize(
      static_cast<std::size_t>(picture.height * picture.width * picture.channels));
  reader.guarded([&](jpeg_decompress_struct& decoder) {
    while (decoder.output_scanline < decoder.output_height) {
      JSAMPROW row = picture.row(Index{decoder.output_scanline});
      jpeg_read_scanlines(&decoder, &row, 1);
    }
    jpeg_finish_decompress(&decoder);
  });
  if (cmyk) cmyk_to_rgb(picture, reader.decoder().saw_Adobe_marker != 0);
  return picture;
}
