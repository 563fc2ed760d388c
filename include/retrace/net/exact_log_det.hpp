// log|det(I + J)| and its gradient by the whole Jacobian of each image.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/log_det.hpp"
#include "retrace/net/stage_sequence.hpp"

namespace retrace::inline RETRACE_ISA {

namespace detail {

/// Inverts an n x n matrix by Gauss and Jordan with pivots, in place. Returns log|det|.
inline double invert_matrix(std::vector<double>& a, std::size_t n) {
  std::vector<double> inverse(n * n);
  for (std::size_t i = 0; i < n; ++i) inverse[i * n + i] = 1;
  double log_det = 0;
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < n; ++i)
      if (std::abs(a[i * n + k]) > std::abs(a[pivot * n + k])) pivot = i;
    for (std::size_t j = 0; j < n; ++j) {
      std::swap(a[k * n + j], a[pivot * n + j]);
      std::swap(inverse[k * n + j], inverse[pivot * n + j]);
    }
    const double diagonal = a[k * n + k];
    log_det += std::log(std::abs(diagonal));
    for (std::size_t j = 0; j < n; ++j) {
      a[k * n + j] /= diagonal;
      inverse[k * n + j] /= diagonal;
    }
    for (std::size_t i = 0; i < n; ++i) {
      const double factor = a[i * n + k];
      if (i == k || factor == 0) continue;
      for (std::size_t j = 0; j < n; ++j) {
        a[i * n + j] -= factor * a[k * n + j];
        inverse[i * n + j] -= factor * inverse[k * n + j];
      }
    }
  }
  a = std::move(inverse);
  return log_det;
}

}  // namespace detail

/// I + J of every image, one tangent per element of an image.
template <class T, Device D>
class ExactJacobian {
 public:
  using Tape = typename StageSequence<T, D>::Tape;
  using State = Tensor<T, D>;

  static constexpr Index most = 1024;  ///< elements of an image

  /// @throws ShapeError if an image has too many elements.
  ExactJacobian(StageSequence<T, D>& g, View<const T, D> x, const Tape& tape)
      : images_(static_cast<std::size_t>(x.shape().n)),
        size_(images_ == 0 ? 0 : static_cast<std::size_t>(x.shape().size()) / images_) {
    if (static_cast<Index>(size_) > most)
      throw ShapeError("the exact log-determinant of images of " + std::to_string(size_) +
                       " elements takes as many tangents, but at most " + std::to_string(most) +
                       " are allowed: use the series");
    matrices_.assign(images_, std::vector<double>(size_ * size_));
    std::vector<T> column(images_ * size_);
    State w(x.device(), x.shape(), Use::workspace);
    for (std::size_t j = 0; j < size_; ++j) {
      const State unit = unit_vectors(x, j);
      g.tangent(w.view(), x, unit.view(), tape);
      if (x.device().dry()) continue;
      download(std::span<T>(column), std::as_const(w).view());
      for (std::size_t i = 0; i < images_; ++i)
        for (std::size_t row = 0; row < size_; ++row)
          matrices_[i][row * size_ + j] =
              static_cast<double>(column[i * size_ + row]) + (row == j ? 1 : 0);
    }
    for (auto& matrix : matrices_)
      log_dets_.push_back(x.device().dry() ? 0 : detail::invert_matrix(matrix, size_));
  }

  const std::vector<double>& log_dets() const { return log_dets_; }

  /// Adds `share` times the gradient of tr((I + J)⁻¹·∂J).
  void add_gradient(View<T, D> dx, StageSequence<T, D>& g, View<const T, D> x, Tape& tape,
                    double share) const {
    std::vector<T> rows(images_ * size_);
    State dw(x.device(), x.shape(), Use::workspace), w(x.device(), x.shape(), Use::workspace),
        du(x.device(), x.shape(), Use::workspace);
    for (std::size_t j = 0; j < size_; ++j) {
      for (std::size_t i = 0; i < images_; ++i)
        for (std::size_t row = 0; row < size_; ++row)
          rows[i * size_ + row] = static_cast<T>(share * matrices_[i][j * size_ + row]);
      if (!x.device().dry()) upload(dw.view(), std::span<const T>(rows));
      const State unit = unit_vectors(x, j);
      Tape tangents;
      g.tangent(w.view(), x, unit.view(), tape, &tangents);
      g.tangent_gradient(x, unit.view(), std::as_const(dw).view(), dx, du.view(), tape, tangents);
    }
  }

 private:
  /// Element j of every image is 1, the others are 0.
  State unit_vectors(View<const T, D> x, std::size_t j) const {
    State unit(x.device(), x.shape(), Use::workspace);
    if (x.device().dry()) return unit;
    std::vector<T> values(images_ * size_);
    for (std::size_t i = 0; i < images_; ++i) values[i * size_ + j] = T(1);
    upload(unit.view(), std::span<const T>(values));
    return unit;
  }

  std::size_t images_, size_;
  std::vector<std::vector<double>> matrices_;  ///< (I + J)⁻¹ of each image
  std::vector<double> log_dets_;
};

}  // namespace retrace::inline RETRACE_ISA
