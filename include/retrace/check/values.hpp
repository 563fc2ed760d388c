// Reproducible tensors, their values, and distances between them.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "retrace/cpu/elementwise.hpp"
#include "retrace/math/philox.hpp"

namespace retrace::inline RETRACE_ISA::contract {

/// The elements of a tensor of any type, packed pixel by pixel.
using Values = std::vector<double>;

template <class T>
Values values(View<T, Cpu> x) {
  Values list;
  list.reserve(static_cast<std::size_t>(x.shape().size()));
  for (Index pixel = 0; pixel < x.shape().pixels(); ++pixel)
    for (Index c = 0; c < x.shape().c; ++c) list.push_back(static_cast<double>(x.pixel(pixel)[c]));
  return list;
}
template <class T>
Values values(const Tensor<T, Cpu>& x) {
  return values(x.view());
}

template <class T>
void assign(View<T, Cpu> x, const Values& list) {
  auto from = list.begin();
  for (Index pixel = 0; pixel < x.shape().pixels(); ++pixel)
    for (Index c = 0; c < x.shape().c; ++c) x.pixel(pixel)[c] = static_cast<T>(*from++);
}

template <class T>
Tensor<T, Cpu> tensor(Cpu& device, Shape shape, const Values& list, Use use = Use::activation) {
  Tensor<T, Cpu> x(device, shape, use);
  assign(x.view(), list);
  return x;
}

/// Returns standard normal numbers; a seed gives the same ones in every element type.
inline Values normal_values(Index count, unsigned seed) {
  Random random(seed);
  Values list(static_cast<std::size_t>(count));
  for (double& value : list) value = static_cast<double>(static_cast<float>(random.normal()));
  return list;
}
template <class T>
Tensor<T, Cpu> normal(Cpu& device, Shape shape, unsigned seed = 1, Use use = Use::activation) {
  return tensor<T>(device, shape, normal_values(shape.size(), seed), use);
}

/// Returns numbers between -2 and 2 in random order. No two are close to one another and none is
/// close to 0, so a small step changes neither a sign nor a maximum.
template <class T>
Tensor<T, Cpu> spread(Cpu& device, Shape shape, unsigned seed = 1) {
  const auto count = static_cast<std::size_t>(shape.size());
  Values list(count);
  for (std::size_t i = 0; i < count; ++i)
    list[i] =
        4 * (static_cast<double>(i) + (2 * i < count ? 0.25 : 0.75)) / static_cast<double>(count) -
        2;
  Random random(seed);
  for (std::size_t i = count; i > 1; --i)
    std::swap(list[i - 1], list[random.below(static_cast<std::uint32_t>(i))]);
  return tensor<T>(device, shape, list);
}

inline double largest(const Values& a) {
  double size = 0;
  for (double value : a) size = std::isnan(value) ? value : std::max(size, std::abs(value));
  return size;
}
inline double dot(const Values& a, const Values& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// Returns the largest |a − b| relative to the largest |b|; infinite if a is NaN or the sizes
/// differ.
inline double relative_distance(const Values& a, const Values& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double distance = 0, size = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (!(std::abs(a[i] - b[i]) >= 0)) return std::numeric_limits<double>::infinity();
    distance = std::max(distance, std::abs(a[i] - b[i]));
    size = std::max(size, std::abs(b[i]));
  }
  return distance == 0 ? 0 : distance / size;
}

/// Returns the relative distance of gradient i of a pass to that of a reference pass. A gradient
/// that is at most 1e-12 of the largest of the reference is zero except for roundings: its
/// difference is taken relative to that largest one.
inline double gradient_distance(const std::vector<Values>& a, const std::vector<Values>& b,
                                std::size_t i) {
  double most = 0;
  for (const Values& gradient : b) most = std::max(most, largest(gradient));
  if (largest(b.at(i)) > 1e-12 * most) return relative_distance(a.at(i), b[i]);
  Values x = a.at(i), y = b[i];
  x.push_back(most);
  y.push_back(most);
  return relative_distance(x, y);
}

/// Returns a relative distance in rounding units of T.
template <class T>
double in_roundings(double relative) {
  return relative / static_cast<double>(std::numeric_limits<T>::epsilon());
}
template <class T>
double distance_in_roundings(const Values& a, const Values& b) {
  return in_roundings<T>(relative_distance(a, b));
}

inline bool same_bits(const Values& a, const Values& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](double x, double y) {
    return std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y);
  });
}
inline bool same_bits(const std::vector<Values>& a, const std::vector<Values>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Values& x, const Values& y) { return same_bits(x, y); });
}

}  // namespace retrace::inline RETRACE_ISA::contract
