// Compares log-determinants with those of numerical Jacobians.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "retrace/check/any_layer.hpp"

namespace retrace::inline RETRACE_ISA::contract {
namespace detail {

/// Returns log|det A| of an n x n matrix by Gaussian elimination with partial pivoting.
inline double log_abs_determinant(Values a, std::size_t n) {
  double sum = 0;
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < n; ++i)
      if (std::abs(a[i * n + k]) > std::abs(a[pivot * n + k])) pivot = i;
    for (std::size_t j = 0; j < n && pivot != k; ++j) std::swap(a[k * n + j], a[pivot * n + j]);
    sum += std::log(std::abs(a[k * n + k]));
    for (std::size_t i = k + 1; i < n; ++i) {
      const double factor = a[i * n + k] / a[k * n + k];
      for (std::size_t j = k; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
    }
  }
  return sum;
}

/// Returns log|det ∂f/∂x| of every image of f(x), with f(state) in place. The elements of one image
/// depend on that image alone, so one element of every image moves at a time.
template <class F>
Values log_determinants(F f, const Tensor<double, Cpu>& x) {
  constexpr double step = 1e-6;
  const auto images = static_cast<std::size_t>(x.shape().n);
  const std::size_t size = values(x).size() / std::max<std::size_t>(images, 1);
  std::vector<Values> jacobians(images, Values(size * size));
  for (std::size_t j = 0; j < size; ++j) {
    const auto moved = [&](double by) {
      Tensor<double, Cpu> state = clone(x);
      for (std::size_t i = 0; i < images; ++i) state.data()[i * size + j] += by;
      f(state);
      return values(state);
    };
    const Values up = moved(step), down = moved(-step);
    for (std::size_t i = 0; i < images; ++i)
      for (std::size_t k = 0; k < size; ++k)
        jacobians[i][k * size + j] = (up[i * size + k] - down[i * size + k]) / (2 * step);
  }
  Values sums;
  for (const Values& jacobian : jacobians) sums.push_back(log_abs_determinant(jacobian, size));
  return sums;
}

inline Findings compare_log_dets(const std::string& pass, const Values& given,
                                 const Values& measured) {
  Findings wrong;
  for (std::size_t i = 0; i < measured.size(); ++i)
    if (!(std::abs(given[i] - measured[i]) <= 1e-6 * (1 + std::abs(measured[i]))))
      wrong.add("the log-determinant of " + pass + " is " + text(given[i]) + " for image " +
                std::to_string(i) + ", but that of the numerical Jacobian is " + text(measured[i]));
  return wrong;
}

}  // namespace detail

/// Checks the log-determinants of forward and inverse against those of numerical Jacobians, on the
/// first one or two images of x. Running averages are used: by the statistics of a batch, images
/// would depend on one another. The value must not be read, only added to, and the elements must
/// have the same bits as without one.
template <std::same_as<double> T>
Findings check_log_det(AnyLayer<T>& layer, const Tensor<T, Cpu>& batch) {
  constexpr Index largest_image = 600;  // elements
  const Index images = std::min<Index>(batch.shape().n, 2);
  if (!layer.flow() || images == 0 || batch.shape().size() / batch.shape().n > largest_image)
    return {};
  Tensor<T, Cpu> x = clone(batch.view().images(0, images));
  // Pieces of images have no determinant of their own: their layer may only move elements.
  if (layer.output_shape(x.shape()).n != images) return {};
  Tensor<T, Cpu> y = clone(x), plain = clone(x);
  constexpr double before = 3;
  LogDet<Cpu> of_forward(x.device(), images), of_inverse(x.device(), images);
  fill(of_forward.value.view(), before);
  layer.forward(plain, inference);
  layer.forward(y, inference, &of_forward);
  Tensor<T, Cpu> back = clone(y), plain_back = clone(y);
  layer.inverse(plain_back, inference);
  layer.inverse(back, inference, &of_inverse);

  Findings wrong;
  if (!same_bits(values(plain), values(y)) || !same_bits(values(plain_back), values(back)))
    wrong.add("with a log-determinant, the elements have other bits");
  Values given = values(of_forward.value);
  for (double& value : given) value -= before;
  wrong.add(detail::compare_log_dets(
      "forward", given,
      detail::log_determinants([&](Tensor<T, Cpu>& state) { layer.forward(state, inference); },
                               x)));
  wrong.add(detail::compare_log_dets(
      "inverse", values(of_inverse.value),
      detail::log_determinants([&](Tensor<T, Cpu>& state) { layer.inverse(state, inference); },
                               y)));
  return wrong;
}

}  // namespace retrace::inline RETRACE_ISA::contract
