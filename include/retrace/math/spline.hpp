// The monotonic rational-quadratic spline.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>

#include "retrace/math/flow_maps.hpp"

namespace retrace::inline RETRACE_ISA::maps {

/// y = a monotonic spline of rational-quadratic pieces on [−tail, tail], and y = x outside (Durkan
/// et al. 2019, §3.1). The K widths and K heights of the pieces are shares of 2·tail by softmax,
/// the K − 1 slopes between them are positive by softplus, and the slopes at the ends are 1. Zero
/// parameters give y = x.
///
/// With ξ the place of x in its piece, s = h/w, θ = ξ(1 − ξ) and d₀, d₁ the slopes at its ends:
///
///   y = y₀ + h·(s·ξ² + d₀·θ)/(s + (d₀ + d₁ − 2s)·θ)                                  (ibid., eq.
///   4) dy/dx = s²·(d₁·ξ² + 2s·θ + d₀·(1 − ξ)²)/(s + (d₀ + d₁ − 2s)·θ)²                  (eq. 5) ξ
///   = 2c/(−b − √(b² − 4ac)) in the inverse, with a root that is never of a negative  (eq. 6–8)
///
/// The inverse divides the rounding of y by dy/dx, which is small where a piece is flat: an error
/// of x is some 1e-7·tail/(dy/dx) in float. Every element is computed either as a piece or as the
/// tail, so neither sees the other's NaN.
struct Spline {
  static constexpr const char* name = "Spline";
  static constexpr Index most_bins = 32;

  Index bins = 8;       ///< K
  double tail = 3;      ///< B: outside [−B, B], y = x
  double least = 1e-3;  ///< smallest share of a width and a height, and smallest slope

  void require() const {
    if (bins < 2 || bins > most_bins)
      throw std::invalid_argument("Spline: bins must be from 2 to 32, got " + std::to_string(bins));
    if (!(tail > 0) || !std::isfinite(tail))
      throw std::invalid_argument("Spline: tail must be positive and finite, got " +
                                  std::to_string(tail));
    if (!(least > 0) || least * static_cast<double>(bins) >= 1)
      throw std::invalid_argument("Spline: the least share of " + std::to_string(bins) +
                                  " bins must be positive and less than their part, got " +
                                  std::to_string(least));
  }
  Index parameters() const { return 3 * bins - 1; }
  Index channel_of(Index k, Index) const { return k / parameters(); }

  template <class T>
  double forward(T* x, const T* v, Index channels) const {
    return each(x, v, channels, [this](T& value, const T* of_element) {
      const Knots<T> knots(*this, of_element);
      const Piece<T> piece = knots.piece(knots.find(knots.x, value));
      const T xi = std::clamp((value - piece.x0) / piece.w, T(0), T(1));
      value = piece.y0 + piece.h * piece.ratio(xi);
      return piece.log_slope(xi);
    });
  }
  template <class T>
  double inverse(T* y, const T* v, Index channels) const {
    return each(y, v, channels, [this](T& value, const T* of_element) {
      const Knots<T> knots(*this, of_element);
      const Piece<T> piece = knots.piece(knots.find(knots.y, value));
      const T xi = piece.solve(value - piece.y0);
      value = piece.x0 + piece.w * xi;
      return -piece.log_slope(xi);
    });
  }
  template <class T>
  void backward(T* dy, const T* x, T* v, Index channels, T q) const {
    const Index count = parameters();
    for (Index c = 0; c < channels; ++c, v += count) {
      if (inside(x[c]))
        dy[c] = differentiate(x[c], v, dy[c], q);
      else
        std::fill_n(v, count, T(0));
    }
  }

 private:
  /// False for NaN and infinities, which the tails leave as they are.
  template <class T>
  bool inside(T value) const {
    return std::abs(value) < static_cast<T>(tail);
  }

  /// The sum of act(element, its parameters) over the elements that are not in a tail.
  template <class T, class Act>
  double each(T* x, const T* v, Index channels, Act act) const {
    double sum = 0;
    for (Index c = 0; c < channels; ++c)
      if (inside(x[c])) sum += static_cast<double>(act(x[c], v + c * parameters()));
    return sum;
  }

  /// One piece: y − y₀ = h·ratio(ξ).
  template <class T>
  struct Piece {
    T x0, w, y0, h, s, d0, d1;

    T excess() const { return d0 + d1 - 2 * s; }
    T below(T theta) const { return s + excess() * theta; }
    T ratio(T xi) const {
      const T theta = xi * (1 - xi);
      return (s * xi * xi + d0 * theta) / below(theta);
    }
    /// d₁·ξ² + 2s·θ + d₀·(1 − ξ)².
    T above(T xi) const { return d1 * xi * xi + 2 * s * xi * (1 - xi) + d0 * (1 - xi) * (1 - xi); }
    T log_slope(T xi) const { return 2 * std::log(s / below(xi * (1 - xi))) + std::log(above(xi)); }
    /// The ξ with h·ratio(ξ) = y.
    T solve(T y) const {
      const T e = y * excess();
      const T a = h * (s - d0) + e, b = h * d0 - e, c = -s * y;
      const T root = std::sqrt(std::max(b * b - 4 * a * c, T(0)));
      const T divisor = -b - root;
      if (divisor == 0) return 0;  // y = 0 at a piece without height to speak of
      return std::clamp(2 * c / divisor, T(0), T(1));
    }
  };

  /// The ends of all pieces, and what their gradients need.
  template <class T>
  struct Knots {
    using Row = std::array<T, most_bins + 1>;
    Index bins;
    Row x, y, width, height, slope;       ///< slopes at the ends
    Row share_of_width, share_of_height;  ///< softmax
    std::array<T, most_bins + 1> rises;   ///< ∂slope/∂parameter

    Knots(const Spline& spline, const T* v) : bins(spline.bins) {
      place(spline, v, x, width, share_of_width);
      place(spline, v + bins, y, height, share_of_height);
      const T least = static_cast<T>(spline.least);
      // softplus(u + u₀) + least = 1 at u = 0
      const T start = static_cast<T>(std::log(std::expm1(1 - spline.least)));
      constexpr T most = 64;  // of a slope: huge parameters must not overflow
      slope[0] = slope[at(bins)] = 1;
      for (Index i = 1; i < bins; ++i) {
        const T given = v[2 * bins + i - 1] + start, u = given > most ? most : given;
        const T e = math::quick_exp(-std::abs(u));
        slope[at(i)] = least + std::max(u, T(0)) + std::log1p(e);
        rises[at(i)] = given > most ? T(0) : (u > 0 ? T(1) : e) / (1 + e);
      }
    }

    /// The last knot that is not above the value.
    Index find(const Row& knots, T value) const {
      Index k = 0;
      for (Index i = 1; i < bins; ++i) k += value >= knots[at(i)];
      return k;
    }
    Piece<T> piece(Index k) const {
      const T w = width[at(k)], h = height[at(k)];
      return {x[at(k)], w, y[at(k)], h, h / w, slope[at(k)], slope[at(k + 1)]};
    }

    static std::size_t at(Index i) { return static_cast<std::size_t>(i); }

   private:
    void place(const Spline& spline, const T* v, Row& knots, Row& sizes, Row& shares) const {
      const T largest = *std::max_element(v, v + bins);
      T sum = 0;
      for (Index i = 0; i < bins; ++i) shares[at(i)] = math::quick_exp(v[i] - largest);
      for (Index i = 0; i < bins; ++i) sum += shares[at(i)];
      const T all = static_cast<T>(2 * spline.tail), least = static_cast<T>(spline.least);
      const T rest = 1 - least * static_cast<T>(bins);
      T end = static_cast<T>(-spline.tail);
      for (Index i = 0; i < bins; ++i) {
        shares[at(i)] /= sum;
        sizes[at(i)] = all * (least + rest * shares[at(i)]);
        knots[at(i)] = end;
        end += sizes[at(i)];
      }
    }
  };

  /// Replaces v by its gradient; returns dx. g = ∂L/∂y, q = ∂L/∂(log dy/dx).
  template <class T>
  T differentiate(T x, T* v, T g, T q) const {
    const Knots<T> knots(*this, v);
    const Index k = knots.find(knots.x, x);
    const Piece<T> p = knots.piece(k);
    const T xi = std::clamp((x - p.x0) / p.w, T(0), T(1)), theta = xi * (1 - xi);
    const T below = p.below(theta), above = p.above(xi), ratio = p.ratio(xi);
    const T turn = 1 - 2 * xi, ex = p.excess(), gh = g * p.h;
    // of ratio and log dy/dx with respect to ξ, s, d₀ and d₁
    const T of_xi = gh * p.s * above / (below * below) +
                    q * ((2 * p.d1 * xi + 2 * p.s * turn - 2 * p.d0 * (1 - xi)) / above -
                         2 * ex * turn / below);
    const T of_s = gh * (xi * xi - ratio * (1 - 2 * theta)) / below +
                   q * (2 / p.s + 2 * theta / above - 2 * (1 - 2 * theta) / below);
    const T of_d0 =
        gh * theta * (1 - ratio) / below + q * ((1 - xi) * (1 - xi) / above - 2 * theta / below);
    const T of_d1 = -gh * ratio * theta / below + q * (xi * xi / above - 2 * theta / below);
    const T of_x = of_xi / p.w;
    spread_to(v, knots, knots.share_of_width, k, -of_x, (-of_s * p.s - of_xi * xi) / p.w);
    spread_to(v + bins, knots, knots.share_of_height, k, g, g * ratio + of_s / p.w);
    T* const slopes = v + 2 * bins;
    std::fill_n(slopes, bins - 1, T(0));
    if (k > 0) slopes[k - 1] = of_d0 * knots.rises[Knots<T>::at(k)];
    if (k + 1 < bins) slopes[k] = of_d1 * knots.rises[Knots<T>::at(k + 1)];
    return of_x;
  }

  /// Sets v to the gradient of softmax, for that of the knot before piece k and of the piece's
  /// size.
  template <class T>
  void spread_to(T* v, const Knots<T>& knots, const typename Knots<T>::Row& shares, Index k,
                 T of_knot, T of_size) const {
    const T scale = static_cast<T>(2 * tail * (1 - least * static_cast<double>(bins)));
    T mean = 0;
    const auto of = [&](Index i) { return scale * (i < k ? of_knot : i == k ? of_size : T(0)); };
    for (Index i = 0; i <= k; ++i) mean += shares[knots.at(i)] * of(i);
    for (Index i = 0; i < bins; ++i) v[i] = shares[knots.at(i)] * (of(i) - mean);
  }
};

}  // namespace retrace::inline RETRACE_ISA::maps
