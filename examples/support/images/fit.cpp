#include "fit.hpp"

#include <algorithm>
#include <cmath>

#include "retrace/math/crop_flip.hpp"

using retrace::Index, retrace::math::mirrored;

namespace {

/// A side of the image: the part of it that is seen, the pixels it becomes, and where they start.
struct Side {
  Index first, length;
  Index scaled, offset;
};

struct Sides {
  Side rows, columns;
};

Side shrunk(Index length, Index wanted, double scale) {
  const Index scaled =
      std::clamp<Index>(std::llround(static_cast<double>(length) * scale), 1, wanted);
  return {0, length, scaled, (wanted - scaled) / 2};
}

Side cut(Index length, Index wanted, double scale) {
  const Index seen =
      std::clamp<Index>(std::llround(static_cast<double>(wanted) / scale), 1, length);
  return {(length - seen) / 2, seen, wanted, 0};
}

Sides sides(const Picture& picture, Index height, Index width, Fit fit) {
  const double down = static_cast<double>(height) / static_cast<double>(picture.height),
               across = static_cast<double>(width) / static_cast<double>(picture.width);
  if (fit == Fit::pad) {
    const double scale = std::min(down, across);
    return {shrunk(picture.height, height, scale), shrunk(picture.width, width, scale)};
  }
  const double scale = std::max(down, across);
  if (fit == Fit::crop)
    return {cut(picture.height, height, scale), cut(picture.width, width, scale)};
  return {{0, picture.height, height, 0}, {0, picture.width, width, 0}};
}

/// The pixels that one of the scaled side is an average of.
struct Average {
  Index first;
  std::vector<float> weights;
};

/// A triangle over the pixels that are covered, or over the two around.
std::vector<Average> averages(const Side& side) {
  const double step = static_cast<double>(side.length) / static_cast<double>(side.scaled);
  const double reach = std::max(step, 1.0);
  std::vector<Average> result;
  for (Index i = 0; i < side.scaled; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * step;
    const Index first = std::max<Index>(0, static_cast<Index>(std::floor(centre - reach))),
                end = std::min(side.length, static_cast<Index>(std::ceil(centre + reach)));
    std::vector<double> weights;
    double sum = 0;
    for (Index at = first; at < end; ++at) {
      const double distance = std::abs(static_cast<double>(at) + 0.5 - centre) / reach;
      sum += weights.emplace_back(std::max(0.0, 1 - distance));
    }
    Average& average = result.emplace_back(Average{side.first + first, {}});
    for (const double weight : weights) average.weights.push_back(static_cast<float>(weight / sum));
  }
  return result;
}

/// Rows of the seen part, scaled across.
std::vector<float> scaled_across(const Picture& from, const Sides& sides) {
  const std::vector<Average> across = averages(sides.columns);
  std::vector<float> to;
  to.reserve(static_cast<std::size_t>(sides.rows.length * sides.columns.scaled * from.channels));
  for (Index y = 0; y < sides.rows.length; ++y)
    for (const Average& average : across)
      for (Index c = 0; c < from.channels; ++c) {
        const std::uint8_t* at = from.row(sides.rows.first + y) + average.first * from.channels + c;
        float sum = 0;
        for (const float weight : average.weights) {
          sum += weight * static_cast<float>(*at);
          at += from.channels;
        }
        to.push_back(sum);
      }
  return to;
}

Picture scaled(const Picture& from, const Sides& sides) {
  const std::vector<float> wide = scaled_across(from, sides);
  const Index length = sides.columns.scaled * from.channels;
  Picture to{sides.rows.scaled, sides.columns.scaled, from.channels, {}};
  to.pixels.reserve(static_cast<std::size_t>(to.height * length));
  std::vector<float> sums(static_cast<std::size_t>(length));
  for (const Average& average : averages(sides.rows)) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    const float* at = wide.data() + (average.first - sides.rows.first) * length;
    for (const float weight : average.weights)
      for (float& sum : sums) sum += weight * *at++;
    for (const float sum : sums)
      to.pixels.push_back(static_cast<std::uint8_t>(std::clamp(sum + 0.5f, 0.0f, 255.0f)));
  }
  return to;
}

}  // namespace

Picture fitted(const Picture& picture, Index height, Index width, Fit fit) {
  if (picture.height == height && picture.width == width) return picture;
  const Sides all = sides(picture, height, width, fit);
  const Picture inner = scaled(picture, all);
  if (inner.height == height && inner.width == width) return inner;
  Picture to{height, width, picture.channels, {}};
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x) {
      const std::uint8_t* from = inner.row(mirrored(y - all.rows.offset, inner.height)) +
                                 mirrored(x - all.columns.offset, inner.width) * inner.channels;
      to.pixels.insert(to.pixels.end(), from, from + inner.channels);
    }
  return to;
}

Picture fitted_mask(const Picture& mask, Index height, Index width, Fit fit, std::uint8_t outside) {
  if (mask.height == height && mask.width == width) return mask;
  const Sides all = sides(mask, height, width, fit);
  /// Where the middle of pixel i is in the mask; -1 outside.
  const auto nearest = [](const Side& side, Index i) {
    i -= side.offset;
    return i < 0 || i >= side.scaled ? -1
                                     : side.first + (2 * i + 1) * side.length / (2 * side.scaled);
  };
  Picture to{height, width, 1, {}};
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x) {
      const Index row = nearest(all.rows, y), column = nearest(all.columns, x);
      to.pixels.push_back(row < 0 || column < 0 ? outside : mask.row(row)[column]);
    }
  return to;
}
