// Small tensors as host vectors, for arithmetic on the coefficients of a layer.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include "retrace/layer/log_det.hpp"

namespace retrace::inline RETRACE_ISA {

/// Returns the elements in double; zeros on a dry device.
template <class T, Device D>
std::vector<double> to_host(View<T, D> x) {
  using E = std::remove_const_t<T>;
  std::vector<E> elements(static_cast<std::size_t>(x.shape().size()));
  if (!x.device().dry()) download(std::span<E>(elements), x);
  return {elements.begin(), elements.end()};
}

template <class T, Device D>
void set_from_host(View<T, D> x, const std::vector<double>& values) {
  const std::vector<T> elements(values.begin(), values.end());
  if (!x.device().dry()) upload(x, std::span<const T>(elements));
}

/// Adds the values to the elements of x.
template <class T, Device D>
void add_from_host(View<T, D> x, const std::vector<double>& values) {
  Tensor<T, D> more(x.device(), x.shape(), Use::workspace);
  set_from_host(more.view(), values);
  add(x, std::as_const(more).view());
}

/// Adds to the log-determinant of every image a number that each pixel of x has. If x has more
/// images than there are log-determinants, as behind a batch pooling, each has several of them.
template <Device D>
void add_to_all(LogDet<D>& log_det, double of_pixel, Shape x) {
  const Index images = log_det.value.shape().n;
  if (images == 0) return;
  const Index each = x.pixels() / images;
  const auto pixels = static_cast<double>(each);
  Tensor<double, D> more(log_det.value.device(), log_det.value.shape(), Use::workspace);
  fill(more.view(), of_pixel * pixels);
  add(log_det.value.view(), std::as_const(more).view());
}

}  // namespace retrace::inline RETRACE_ISA
