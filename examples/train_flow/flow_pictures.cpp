#include "flow_pictures.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "png_writer.hpp"
#include "retrace/train/durable_file.hpp"

using retrace::Index;

namespace {

constexpr Index margin = 2;
constexpr std::uint8_t background = 255;

Picture blank(Index height, Index width, Index channels) {
  return {
      height, width, channels,
      std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * channels), background)};
}

/// Copies a picture into another one, each pixel as a square.
void paste(Picture& to, const Picture& from, Index top, Index left, Index enlargement) {
  for (Index y = 0; y < from.height * enlargement; ++y)
    for (Index x = 0; x < from.width * enlargement; ++x)
      std::copy_n(from.row(y / enlargement) + x / enlargement * from.channels, from.channels,
                  to.row(top + y) + (left + x) * to.channels);
}

/// Five colours of the map "viridis", which are as far from each other as their numbers.
constexpr std::array<std::array<double, 3>, 5> colours{
    {{68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}}};

std::array<std::uint8_t, 3> colour(double share) {
  const double at = std::clamp(share, 0.0, 1.0) * (colours.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(at), colours.size() - 2);
  const double part = at - static_cast<double>(below);
  std::array<std::uint8_t, 3> result{};
  for (std::size_t i = 0; i < 3; ++i)
    result[i] = static_cast<std::uint8_t>(
        std::lround((1 - part) * colours[below][i] + part * colours[below + 1][i]));
  return result;
}

}  // namespace

void write_png(const std::filesystem::path& path, const Picture& picture) {
  const std::vector<std::uint8_t> bytes = encode_png(picture);
  retrace::DurableFile file(path);
  file.write(std::as_bytes(std::span(bytes)));
  file.commit();
}

Picture grid(const std::vector<Picture>& pictures, Index columns, Index enlargement) {
  if (pictures.empty()) return blank(1, 1, 1);
  const auto count = std::ssize(pictures);
  const Index rows = (count + columns - 1) / columns;
  const Index height = pictures[0].height * enlargement + margin;
  const Index width = pictures[0].width * enlargement + margin;
  Picture all = blank(rows * height + margin, columns * width + margin, pictures[0].channels);
  for (Index i = 0; i < count; ++i)
    paste(all, pictures[static_cast<std::size_t>(i)], margin + i / columns * height,
          margin + i % columns * width, enlargement);
  return all;
}

Picture density_picture(const std::vector<double>& log_densities, Index height, Index width) {
  double largest = -1e300;
  for (const double each : log_densities)
    if (std::isfinite(each)) largest = std::max(largest, each);
  Picture picture = blank(height, width, 3);
  for (Index i = 0; i < height * width; ++i) {
    // The square root shows where the density is small.
    const double density = std::exp(log_densities[static_cast<std::size_t>(i)] - largest);
    const auto rgb = colour(std::isfinite(density) ? std::sqrt(density) : 0);
    std::copy(rgb.begin(), rgb.end(), picture.pixels.begin() + 3 * i);
  }
  return picture;
}

void draw_points(Picture& picture, const std::vector<float>& points, double low, double high,
                 std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  for (std::size_t i = 0; i + 1 < points.size(); i += 2) {
    const double scale = 1 / (high - low);
    const double x = (points[i] - low) * scale * static_cast<double>(picture.width);
    const double y = (high - points[i + 1]) * scale * static_cast<double>(picture.height);
    if (!(x >= 0 && y >= 0) || x >= static_cast<double>(picture.width) ||
        y >= static_cast<double>(picture.height))
      continue;
    std::uint8_t* pixel = picture.row(static_cast<Index>(y)) + 3 * static_cast<Index>(x);
    pixel[0] = red;
    pixel[1] = green;
    pixel[2] = blue;
  }
}

Picture in_a_row(const std::vector<Picture>& pictures) {
  Index width = margin;
  for (const Picture& each : pictures) width += each.width + margin;
  Picture all = blank(pictures[0].height + 2 * margin, width, pictures[0].channels);
  Index left = margin;
  for (const Picture& each : pictures) {
    paste(all, each, margin, left, 1);
    left += each.width + margin;
  }
  return all;
}
