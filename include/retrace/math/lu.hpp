// Small square matrices in double: products, triangular factors, inverses.
#pragma once

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "retrace/core/isa.hpp"
#include "retrace/math/philox.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// An n x n matrix, row by row.
struct Matrix {
  std::size_t n = 0;
  std::vector<double> elements{};

  explicit Matrix(std::size_t size) : n(size), elements(size * size) {}
  double& at(std::size_t i, std::size_t j) { return elements[i * n + j]; }
  double at(std::size_t i, std::size_t j) const { return elements[i * n + j]; }

  Matrix transposed() const {
    Matrix t(n);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) t.at(j, i) = at(i, j);
    return t;
  }
};

inline Matrix operator*(const Matrix& a, const Matrix& b) {
  Matrix c(a.n);
  for (std::size_t i = 0; i < a.n; ++i)
    for (std::size_t k = 0; k < a.n; ++k) {
      const double factor = a.at(i, k);
      if (factor == 0) continue;  // triangular factors are half zeros
      for (std::size_t j = 0; j < a.n; ++j) c.at(i, j) += factor * b.at(k, j);
    }
  return c;
}

/// A matrix P·L·U: P permutes rows, L has ones and U has `diagonal` on the diagonal. Row i of L·U
/// is row order[i] of the matrix.
struct Triangular {
  std::vector<std::size_t> order;
  Matrix lower, upper;  ///< without their diagonals
  std::vector<double> diagonal;

  explicit Triangular(std::size_t n) : order(n), lower(n), upper(n), diagonal(n) {
    for (std::size_t i = 0; i < n; ++i) order[i] = i;
  }

  Matrix full_lower() const {
    Matrix full = lower;
    for (std::size_t i = 0; i < full.n; ++i) full.at(i, i) = 1;
    return full;
  }
  Matrix full_upper() const {
    Matrix full = upper;
    for (std::size_t i = 0; i < full.n; ++i) full.at(i, i) = diagonal[i];
    return full;
  }
  /// Returns P·a, whose row order[i] is row i of a.
  Matrix permuted(const Matrix& a) const {
    Matrix result(a.n);
    for (std::size_t i = 0; i < a.n; ++i)
      for (std::size_t j = 0; j < a.n; ++j) result.at(order[i], j) = a.at(i, j);
    return result;
  }
  /// Returns Pᵀ·a.
  Matrix permuted_back(const Matrix& a) const {
    Matrix result(a.n);
    for (std::size_t i = 0; i < a.n; ++i)
      for (std::size_t j = 0; j < a.n; ++j) result.at(i, j) = a.at(order[i], j);
    return result;
  }
  Matrix product() const { return permuted(full_lower() * full_upper()); }

  /// Returns U⁻¹·L⁻¹·Pᵀ, by forward and backward substitution.
  Matrix inverse() const {
    const std::size_t n = order.size();
    Matrix x(n);
    for (std::size_t i = 0; i < n; ++i) x.at(i, order[i]) = 1;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < i; ++k)
        for (std::size_t j = 0; j < n; ++j) x.at(i, j) -= lower.at(i, k) * x.at(k, j);
    for (std::size_t i = n; i-- > 0;) {
      for (std::size_t k = i + 1; k < n; ++k)
        for (std::size_t j = 0; j < n; ++j) x.at(i, j) -= upper.at(i, k) * x.at(k, j);
      for (std::size_t j = 0; j < n; ++j) x.at(i, j) /= diagonal[i];
    }
    return x;
  }
};

/// Returns the factors of a regular matrix, by Gaussian elimination with partial pivoting.
inline Triangular factorised(Matrix a) {
  Triangular lu(a.n);
  for (std::size_t k = 0; k < a.n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < a.n; ++i)
      if (std::abs(a.at(i, k)) > std::abs(a.at(pivot, k))) pivot = i;
    std::swap(lu.order[k], lu.order[pivot]);
    for (std::size_t j = 0; j < a.n && pivot != k; ++j) std::swap(a.at(k, j), a.at(pivot, j));
    for (std::size_t i = k + 1; i < a.n; ++i) {
      a.at(i, k) /= a.at(k, k);
      for (std::size_t j = k + 1; j < a.n; ++j) a.at(i, j) -= a.at(i, k) * a.at(k, j);
    }
  }
  for (std::size_t i = 0; i < a.n; ++i) {
    lu.diagonal[i] = a.at(i, i);
    for (std::size_t j = 0; j < a.n; ++j)
      (j < i ? lu.lower : lu.upper).at(i, j) = j == i ? 0 : a.at(i, j);
  }
  return lu;
}

/// Returns an orthogonal matrix: the rows of a normally distributed one, orthogonalised in order.
inline Matrix random_rotation(std::size_t n, Random& random) {
  Matrix q(n);
  for (double& element : q.elements) element = random.normal();
  for (std::size_t i = 0; i < n; ++i) {
    for (int twice = 0; twice < 2; ++twice)
      for (std::size_t k = 0; k < i; ++k) {
        double dot = 0;
        for (std::size_t j = 0; j < n; ++j) dot += q.at(i, j) * q.at(k, j);
        for (std::size_t j = 0; j < n; ++j) q.at(i, j) -= dot * q.at(k, j);
      }
    double squares = 0;
    for (std::size_t j = 0; j < n; ++j) squares += q.at(i, j) * q.at(i, j);
    for (std::size_t j = 0; j < n; ++j) q.at(i, j) /= std::sqrt(squares);
  }
  return q;
}

}  // namespace retrace::inline RETRACE_ISA::math
