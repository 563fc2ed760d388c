// Bijections of single elements whose parameters another part of a network computes.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>

#include "retrace/core/shape.hpp"
#include "retrace/math/quick_exp.hpp"

namespace retrace::inline RETRACE_ISA {

/// The pixels of a checkerboard that a map changes: all, or those whose row + column is even or
/// odd.
enum class Pixels { all, even, odd };

/// A map has
///
///   parameters()                       p, the number of parameters of an element
///   channel_of(k, channels)            the channel that parameter k of a pixel belongs to
///   forward(x, v, channels)            replaces the elements of a pixel by y; returns Σ log|dy/dx|
///   inverse(y, v, channels)            replaces y by x; returns Σ log|dx/dy|
///   backward(dy, x, v, channels, q)    replaces dy by dx, and v by the gradient of a loss with
///                                      ∂L/∂(log-determinant) = q
///
/// where v are the p·channels parameters of the pixel.
namespace maps {

/// y = x + t: additive.
struct Shift {
  static constexpr const char* name = "Shift";
  static constexpr bool volume_preserving = true;

  static constexpr Index parameters() { return 1; }
  static constexpr Index channel_of(Index k, Index) { return k; }
  template <class T>
  double forward(T* x, const T* v, Index channels) const {
    for (Index c = 0; c < channels; ++c) x[c] += v[c];
    return 0;
  }
  template <class T>
  double inverse(T* y, const T* v, Index channels) const {
    for (Index c = 0; c < channels; ++c) y[c] -= v[c];
    return 0;
  }
  template <class T>
  void backward(T* dy, const T*, T* v, Index channels, T) const {
    for (Index c = 0; c < channels; ++c) v[c] = dy[c];
  }
};

/// y = x·e(s) + t with e(s) = exp(bound·tanh s), which can neither vanish nor explode; v = (s, t).
struct Affine {
  static constexpr const char* name = "Affine";
  double bound = 2;

  void require() const {
    if (!(bound > 0) || !std::isfinite(bound) || bound > 20)
      throw std::invalid_argument("Affine: bound must be positive and at most 20, got " +
                                  std::to_string(bound));
  }
  static constexpr Index parameters() { return 2; }
  static constexpr Index channel_of(Index k, Index channels) { return k % channels; }

  template <class T>
  double forward(T* x, const T* v, Index channels) const {
    const T* t = v + channels;
    return in_blocks<T>(v, channels, [=](Index c, Index count, const T* logs) {
      for (Index i = 0; i < count; ++i) x[c + i] = x[c + i] * math::quick_exp(logs[i]) + t[c + i];
    });
  }
  template <class T>
  double inverse(T* y, const T* v, Index channels) const {
    const T* t = v + channels;
    return -in_blocks<T>(v, channels, [=](Index c, Index count, const T* logs) {
      for (Index i = 0; i < count; ++i) y[c + i] = (y[c + i] - t[c + i]) / math::quick_exp(logs[i]);
    });
  }
  template <class T>
  void backward(T* dy, const T* x, T* v, Index channels, T q) const {
    T* t = v + channels;
    const T a = static_cast<T>(bound);
    in_blocks<T>(v, channels, [=](Index c, Index count, const T* logs) {
      for (Index i = 0; i < count; ++i) {
        const T g = dy[c + i], e = math::quick_exp(logs[i]), tanh = logs[i] / a;
        v[c + i] = (g * x[c + i] * e + q) * a * (1 - tanh * tanh);
        t[c + i] = g;
        dy[c + i] = g * e;
      }
    });
  }

 private:
  /// Calls body(channel, count, logs) for blocks of channels, with logs = bound·tanh s. Returns the
  /// sum of all logs.
  template <class T, class Body>
  double in_blocks(const T* s, Index channels, Body body) const {
    constexpr Index block = 32;
    const T a = static_cast<T>(bound);
    std::array<T, block> logs;
    double sum = 0;
    for (Index c = 0; c < channels; c += block) {
      const Index count = std::min(block, channels - c);
      for (Index i = 0; i < count; ++i)
        logs[static_cast<std::size_t>(i)] = a * math::quick_tanh(s[c + i]);
      for (Index i = 0; i < count; ++i)
        sum += static_cast<double>(logs[static_cast<std::size_t>(i)]);
      body(c, count, logs.data());
    }
    return sum;
  }
};

}  // namespace maps
}  // namespace retrace::inline RETRACE_ISA
