// PNG and JPEG files of all kinds, good and bad, and how images are fitted into a size.
#include "picture.hpp"

#include <cmath>
#include <string>

#include "fit.hpp"
#include "picture_writer.hpp"
#include "retrace/core/error.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using retrace::DataError, retrace::Index;

namespace {

Picture decoded(const Bytes& file, Index channels = 3) {
  return decode_picture(file, "a file", channels);
}

/// The largest difference between two images of one size.
int distance(const Picture& a, const Picture& b) {
  REQUIRE(a.pixels.size() == b.pixels.size());
  REQUIRE((a.height == b.height && a.width == b.width && a.channels == b.channels));
  int most = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i)
    most = std::max(most, std::abs(a.pixels[i] - b.pixels[i]));
  return most;
}

std::string complaint_about(const Bytes& file) {
  return complaint<DataError>([&] { decoded(file); });
}

/// Sets four bytes of a PNG file and the checksum of its first chunk.
Bytes with_header(Bytes file, std::size_t at, std::uint32_t value) {
  const auto put = [&](std::size_t to, std::uint32_t number) {
    for (int i = 0; i < 4; ++i)
      file[to + std::size_t(i)] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  };
  put(at, value);
  put(29, static_cast<std::uint32_t>(crc32(0, file.data() + 12, 17)));
  return file;
}

}  // namespace

TEST_CASE("a PNG file of grey or RGB gives the pixels that were written") {
  for (const Index channels : {1, 3}) {
    const Picture picture = pattern(13, 21, channels);
    const Bytes file = png_of(picture);
    CHECK(decoded(file, channels).pixels == picture.pixels);
    const PictureInfo info = picture_info(file, "a file");
    CHECK((info.height == 13 && info.width == 21 && info.channels == channels));
    CHECK(info.conversion.empty());
  }
}

TEST_CASE("an interlaced PNG file gives the pixels that were written") {
  const Picture picture = pattern(13, 21, 3);
  CHECK(decoded(png_of(picture.pixels, 13, 21, PNG_COLOR_TYPE_RGB, 8, true)).pixels ==
        picture.pixels);
}

TEST_CASE("a grey image becomes RGB by repetition, and RGB grey by luminance") {
  const Picture grey = pattern(4, 5, 1);
  const Picture colour = decoded(png_of(grey));
  for (std::size_t i = 0; i < colour.pixels.size(); ++i)
    CHECK(colour.pixels[i] == grey.pixels[i / 3]);
  const Picture one{1, 1, 3, {200, 100, 50}};
  CHECK(decoded(png_of(one), 1).pixels[0] == 124);  // 0.299 x 200 + 0.587 x 100 + 0.114 x 50
}

TEST_CASE("16 bits are rounded to 8") {
  const Bytes rows{0x00, 0x00, 0xff, 0xff, 0x80, 0x7f, 0x12, 0x00};
  const Bytes file = png_of(rows, 1, 4, PNG_COLOR_TYPE_GRAY, 16);
  CHECK(decoded(file, 1).pixels == Bytes{0x00, 0xff, 0x80, 0x12});
  CHECK(picture_info(file, "a file").conversion == "16 bits rounded to 8");
}

TEST_CASE("transparent pixels are laid over white") {
  const Bytes rows{10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 128};
  const Bytes file = png_of(rows, 1, 3, PNG_COLOR_TYPE_RGB_ALPHA);
  CHECK(decoded(file).pixels == Bytes{10, 20, 30, 255, 255, 255, 127, 127, 127});
  CHECK(picture_info(file, "a file").conversion == "alpha laid over white");
  const Bytes grey{40, 255, 40, 0};
  CHECK(decoded(png_of(grey, 1, 2, PNG_COLOR_TYPE_GRAY_ALPHA), 1).pixels == Bytes{40, 255});
}

TEST_CASE("a palette becomes RGB, in an image of 4 bits a pixel") {
  const Bytes rows{0x01, 0x20};  // the indices 0, 1, 2
  const auto palette = [](png_structp png, png_infop info) {
    png_color colours[3] = {{1, 2, 3}, {40, 50, 60}, {255, 0, 255}};
    png_set_PLTE(png, info, colours, 3);
  };
  const Bytes file = png_of(rows, 1, 3, PNG_COLOR_TYPE_PALETTE, 4, false, palette);
  CHECK(decoded(file).pixels == Bytes{1, 2, 3, 40, 50, 60, 255, 0, 255});
  SECTION("and is the classes of a mask") {
    CHECK(decode_mask(file, "a file").pixels == Bytes{0, 1, 2});
  }
}

TEST_CASE("grey values of few bits are spread in an image, and as they are in a mask") {
  const Bytes rows{0b00011011};  // the values 0, 1, 2, 3
  const Bytes file = png_of(rows, 1, 4, PNG_COLOR_TYPE_GRAY, 2);
  CHECK(decoded(file, 1).pixels == Bytes{0, 85, 170, 255});
  CHECK(decode_mask(file, "a file").pixels == Bytes{0, 1, 2, 3});
}

TEST_CASE("a mask must be a PNG file of one sample a pixel") {
  const auto complaint_about_mask = [](const Bytes& file) {
    return complaint<DataError>([&] { decode_mask(file, "mask"); });
  };
  CHECK_THAT(complaint_about_mask(png_of(pattern(4, 4, 3))),
             containing("mask: a mask must be") && containing("3 samples a pixel"));
  CHECK_THAT(complaint_about_mask(jpeg_of(pattern(16, 16, 1))), containing("JPEG changes"));
  CHECK_THAT(complaint_about_mask(png_of(Bytes(8), 1, 4, PNG_COLOR_TYPE_GRAY, 16)),
             containing("16 bits"));
}

TEST_CASE("a JPEG file gives about the pixels that were written") {
  for (const bool progressive : {false, true})
    for (const Index channels : {1, 3}) {
      const Picture picture = pattern(24, 40, channels);
      const Bytes file = jpeg_of(picture, progressive, 100);
      CHECK(distance(decoded(file, channels), picture) <= 60);  // at the edge of the pattern
      const PictureInfo info = picture_info(file, "a file");
      CHECK((info.height == 24 && info.width == 40 && info.channels == channels));
    }
}

TEST_CASE("a CMYK JPEG of Adobe's kind becomes RGB") {
  Picture inks{16, 16, 4, {}};  // 255 minus cyan, magenta, yellow and black
  for (int i = 0; i < 16 * 16; ++i) inks.pixels.insert(inks.pixels.end(), {200, 100, 50, 255});
  const Bytes file = jpeg_of(inks, false, 100);
  CHECK(picture_info(file, "a file").conversion == "CMYK converted to RGB");
  const Picture rgb = decoded(file);
  CHECK(std::abs(rgb.pixels[0] - 200) <= 2);
  CHECK(std::abs(rgb.pixels[1] - 100) <= 2);
  CHECK(std::abs(rgb.pixels[2] - 50) <= 2);
}

TEST_CASE("a JPEG file is decoded at a fraction of its size if that is enough") {
  const Bytes file = jpeg_of(pattern(200, 300, 3));
  const auto height = [&](Index side) { return decode_picture(file, "a file", 3, side).height; };
  CHECK(height(0) == 200);
  CHECK(height(101) == 200);
  CHECK(height(100) == 100);
  CHECK(height(30) == 50);
  CHECK(height(1) == 25);
}

TEST_CASE("files that are no images are refused by name") {
  CHECK(complaint_about({}) == "a file: is empty");
  CHECK(complaint_about({1, 2, 3}) == "a file: is neither a PNG nor a JPEG file");
  CHECK_THAT(complaint_about({0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}),
             containing("a file: is a PNG file that ends before its first chunk"));
  CHECK_THAT(complaint_about({0xff, 0xd8, 0xff}), containing("a file: is damaged or cut off"));
}

TEST_CASE("a file that is cut off anywhere is refused, without a crash") {
  for (const Bytes& whole :
       {png_of(pattern(20, 20, 3)), jpeg_of(pattern(20, 20, 3)), jpeg_of(pattern(20, 20, 3), true)})
    for (std::size_t length = 3; length + 20 < whole.size(); length += 7) {
      const Bytes part(whole.begin(), whole.begin() + std::ptrdiff_t(length));
      INFO(length << " of " << whole.size() << " bytes");
      CHECK_THAT(complaint_about(part), containing("a file: "));
    }
}

TEST_CASE("a damaged PNG file is refused wherever a byte of its pixels is changed") {
  const Bytes whole = png_of(pattern(20, 20, 3));
  for (std::size_t at = 45; at + 16 < whole.size(); at += 11) {
    Bytes changed = whole;
    changed[at] ^= 0x55;
    CHECK_THAT(complaint_about(changed), containing("is damaged or cut off"));
  }
}

TEST_CASE("a file that claims more pixels than it can hold is refused before they are allocated") {
  const Bytes png = png_of(pattern(8, 8, 3));
  Bytes huge = with_header(with_header(png, 16, 100000), 20, 100000);
  CHECK_THAT(complaint_about(huge),
             containing("claims 100000x100000 pixels, but at most 67108864"));
  huge = with_header(with_header(png, 16, 8000), 20, 8000);
  CHECK_THAT(complaint_about(huge), containing("claims 8000x8000 pixels, which its"));
  CHECK_THAT(complaint<DataError>([&] { picture_info(huge, "a file"); }), containing("claims"));
  CHECK_THAT(complaint_about(with_header(png, 16, 0)), containing("header is damaged"));

  Bytes jpeg = jpeg_of(pattern(16, 16, 3));
  for (std::size_t i = 0; i + 8 < jpeg.size(); ++i)
    if (jpeg[i] == 0xff && jpeg[i + 1] == 0xc0)  // the frame: length, bits, height, width
      for (const std::size_t high : {i + 5, i + 7}) jpeg[high] = 0x1f;
  CHECK_THAT(complaint_about(jpeg), containing("claims 7952x7952 pixels, which its"));
}

TEST_CASE("what has the size already is left as it is") {
  const Picture picture = pattern(9, 7, 3);
  CHECK(fitted(picture, 9, 7, Fit::pad).pixels == picture.pixels);
  CHECK(fitted_mask(pattern(9, 7, 1), 9, 7, Fit::crop, 255).pixels == pattern(9, 7, 1).pixels);
}

TEST_CASE("shrinking averages, growing interpolates, and a flat image stays flat") {
  const Picture flat{50, 30, 1, Bytes(1500, 77)};
  for (const Fit fit : {Fit::pad, Fit::crop, Fit::stretch})
    for (const Index side : {3, 16, 64})
      CHECK(fitted(flat, side, side, fit).pixels == Bytes(std::size_t(side * side), 77));

  Picture checks{64, 64, 1, {}};
  for (int i = 0; i < 64 * 64; ++i) checks.pixels.push_back((i + i / 64) % 2 == 0 ? 0 : 200);
  for (const std::uint8_t value : fitted(checks, 8, 8, Fit::stretch).pixels)
    CHECK(std::abs(value - 100) <= 2);

  const Picture ramp{1, 2, 1, {0, 100}};
  CHECK(fitted(ramp, 1, 4, Fit::stretch).pixels == Bytes{0, 25, 75, 100});
}

TEST_CASE("an image of other proportions is padded, cropped or stretched") {
  Picture wide{4, 12, 1, {}};  // columns 0 to 11
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 12; ++x) wide.pixels.push_back(std::uint8_t(20 * x));
  const auto middle_row = [&](Fit fit) {
    const Picture to = fitted(wide, 4, 4, fit);
    return Bytes(to.row(2), to.row(2) + 4);
  };
  CHECK(middle_row(Fit::crop) == Bytes{80, 100, 120, 140});
  const Bytes stretched = middle_row(Fit::stretch);
  CHECK((stretched[0] >= 20 && stretched[0] <= 30 && stretched[3] >= 190));
  CHECK(middle_row(Fit::pad) == stretched);  // one row in the middle, its mirror image around it

  Picture mask{2, 4, 1, {1, 1, 2, 2, 3, 3, 4, 4}};
  CHECK(fitted_mask(mask, 4, 4, Fit::pad, 255).pixels ==
        Bytes{255, 255, 255, 255, 1, 1, 2, 2, 3, 3, 4, 4, 255, 255, 255, 255});
  CHECK(fitted_mask(mask, 2, 2, Fit::crop, 255).pixels == Bytes{1, 2, 3, 4});
  CHECK(fitted_mask(mask, 1, 2, Fit::stretch, 255).pixels == Bytes{3, 4});
}

TEST_CASE("an image of one row can be fitted") {
  const Picture thin{1, 3000, 3, Bytes(9000, 5)};
  for (const Fit fit : {Fit::pad, Fit::crop, Fit::stretch})
    CHECK(fitted(thin, 32, 32, fit).pixels == Bytes(32 * 32 * 3, 5));
}
