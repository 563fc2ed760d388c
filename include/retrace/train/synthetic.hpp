// Draws a data set of ten classes, so that training can be tried without downloaded data.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

#include "retrace/core/shape.hpp"
#include "retrace/core/thread_team.hpp"
#include "retrace/math/philox.hpp"
#include "retrace/train/image_set.hpp"

namespace retrace::inline RETRACE_ISA {

namespace synthetic {

using Colour = std::array<double, 3>;  ///< red, green and blue, 0 to 255

enum class Outline { disc, square, triangle, ring, cross };
enum class Texture { stripes, checks };

/// A class is an outline and a texture: label = outline + 5 * texture.
inline constexpr int outlines = 5;
inline constexpr int classes = 2 * outlines;

inline Colour random_colour(Random& random) {
  return {random.uniform(0, 255), random.uniform(0, 255), random.uniform(0, 255)};
}

/// Returns a colour that differs from the given one by at least `distance` in each channel.
inline Colour other_colour(Colour colour, double distance, Random& random) {
  for (double& value : colour)
    value =
        value < 127.5 ? random.uniform(value + distance, 255) : random.uniform(0, value - distance);
  return colour;
}

constexpr double mix(double a, double b, double share) { return a + (b - a) * share; }

/// The place, rotation and appearance of a figure. Lengths are in pixels.
struct Figure {
  Outline outline;
  Texture texture;
  double x, y, radius, angle;
  double cosine = std::cos(angle), sine = std::sin(angle);
  double period, phase;  ///< of the texture
  Colour first, second;  ///< the two colours of the texture

  /// Blends the figure over the pixel at (column, row). Its edge is one pixel soft.
  void paint(Colour& pixel, double column, double row) const {
    const double dx = column - x, dy = row - y;
    // No outline extends further.
    if (const double reach = 1.2 * radius + 1; dx * dx + dy * dy > reach * reach) return;
    const double u = cosine * dx + sine * dy, v = cosine * dy - sine * dx;
    const double cover = std::clamp(0.5 - distance(u, v), 0.0, 1.0);
    if (cover == 0) return;
    const double share = pattern(u, v);
    for (std::size_t c = 0; c < 3; ++c)
      pixel[c] = mix(pixel[c], mix(first[c], second[c], share), cover);
  }

 private:
  /// Returns the signed distance from the outline to (u, v) in pixels, negative inside.
  double distance(double u, double v) const {
    const double a = std::abs(u), b = std::abs(v), far = std::hypot(u, v);
    switch (outline) {
      case Outline::disc:
        return far - 0.9 * radius;
      case Outline::square:
        return std::max(a, b) - 0.8 * radius;
      case Outline::triangle:
        return std::max(v, (std::numbers::sqrt3 * a - v) / 2) - 0.55 * radius;
      case Outline::ring:
        return std::abs(far - 0.75 * radius) - 0.27 * radius;
      case Outline::cross:
        return std::min(std::max(a - radius, b - 0.3 * radius),
                        std::max(b - radius, a - 0.3 * radius));
    }
    return far;
  }

  /// Returns the share of the second colour at (u, v), from 0 to 1 with soft transitions.
  double pattern(double u, double v) const {
    const double turn = 2 * std::numbers::pi / period;
    const double stripes = std::sin(turn * u + phase);
    const double wave =
        texture == Texture::stripes ? stripes : stripes * std::sin(turn * v + phase);
    return std::clamp(0.5 + 1.5 * wave, 0.0, 1.0);
  }
};

inline Figure random_figure(int label, double smallest, double largest, Random& random) {
  const double radius = random.uniform(smallest, largest);
  const Colour first = random_colour(random);
  return {.outline = static_cast<Outline>(label % outlines),
          .texture = static_cast<Texture>(label / outlines),
          .x = random.uniform(0.8 * radius, 31 - 0.8 * radius),
          .y = random.uniform(0.8 * radius, 31 - 0.8 * radius),
          .radius = radius,
          .angle = random.uniform(0, 2 * std::numbers::pi),
          .period = random.uniform(4, 6.5),
          .phase = random.uniform(0, 2 * std::numbers::pi),
          .first = first,
          .second = other_colour(first, 80, random)};
}

/// A linear gradient from one colour to another across the image.
struct Gradient {
  Colour start, end;
  double angle;
  double cosine = std::cos(angle), sine = std::sin(angle);

  Colour at(double column, double row) const {
    const double along = (column - 15.5) * cosine + (row - 15.5) * sine;
    Colour colour{};
    for (std::size_t c = 0; c < 3; ++c) colour[c] = mix(start[c], end[c], 0.5 + along / 44);
    return colour;
  }
};

/// Draws one image: a gradient, small distracting figures, the figure that determines the class,
/// and noise with a deviation of about 15.
inline void draw(std::uint8_t* pixels, int label, Random random) {
  const Gradient background{random_colour(random), random_colour(random),
                            random.uniform(0, 2 * std::numbers::pi)};
  std::array<Figure, 4> figures{};
  for (Figure& figure : figures)
    figure = random_figure(static_cast<int>(random.below(classes)), 2, 4, random);
  figures.back() = random_figure(label, 9, 14, random);

  for (int row = 0; row < 32; ++row)
    for (int column = 0; column < 32; ++column) {
      Colour pixel = background.at(column, row);
      for (const Figure& figure : figures) figure.paint(pixel, column, row);
      for (double value : pixel) {
        int noise = -510;  // the sum of a word's four bytes is nearly normal
        for (std::uint32_t word = random(); word != 0; word >>= 8)
          noise += static_cast<int>(word & 255);
        *pixels++ = static_cast<std::uint8_t>(std::clamp(value + 0.1 * noise, 0.0, 255.0));
      }
    }
}

}  // namespace synthetic

/// Draws 32 x 32 x 3 images of ten classes. The labels cycle through 0 to 9.
///
/// A class is one of five outlines (disc, square, triangle, ring, cross) filled with one of two
/// textures (stripes, checks). Colours, place, size, rotation, background, small figures around it
/// and noise do not depend on the class. Image i depends on (seed, i) alone, except that
/// floating-point rounding may change a pixel by one between machines. Use different seeds for
/// training and testing.
inline ImageSet synthetic_images(Index count, std::uint64_t seed) {
  ImageSet set{.name = "synthetic", .synthetic = true};
  set.labels.resize(static_cast<std::size_t>(count));
  set.pixels.resize(static_cast<std::size_t>(count * set.image_size()));
  share_out(count, 50e-6 * static_cast<double>(count), [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      const int label = static_cast<int>(i % synthetic::classes);
      set.labels[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(label);
      synthetic::draw(set.pixels.data() + i * set.image_size(), label,
                      Random(seed, substream("synthetic", static_cast<std::uint32_t>(i))));
    }
  });
  return set;
}

}  // namespace retrace::inline RETRACE_ISA
