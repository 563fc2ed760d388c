// Maps without parameters between an interval and the line.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "retrace/math/flow_maps.hpp"

namespace retrace::inline RETRACE_ISA::maps {

/// y = 1/(1 + e⁻ˣ), in (0, 1). If y was rounded to 0 or 1, inverse returns the x of the nearest
/// number in between, which is finite.
struct Sigmoid {
  static constexpr const char* name = "Sigmoid";

  static constexpr Index parameters() { return 0; }
  static constexpr Index channel_of(Index, Index) { return 0; }

  template <class T>
  double forward(T* x, const T*, Index channels) const {
    double sum = 0;
    for (Index c = 0; c < channels; ++c) {
      const T e = std::exp(-std::abs(x[c]));
      sum -= static_cast<double>(std::abs(x[c]) + 2 * std::log1p(e));
      x[c] = (x[c] < 0 ? e : T(1)) / (1 + e);
    }
    return sum;
  }
  template <class T>
  double inverse(T* y, const T*, Index channels) const {
    constexpr T least = std::numeric_limits<T>::min();
    constexpr T most = 1 - std::numeric_limits<T>::epsilon() / 2;
    double sum = 0;
    for (Index c = 0; c < channels; ++c) {
      const T inside = std::clamp(y[c], least, most);  // NaN stays NaN
      const T a = std::log(inside), b = std::log1p(-inside);
      y[c] = a - b;
      sum -= static_cast<double>(a + b);
    }
    return sum;
  }
  template <class T>
  void backward(T* dy, const T* x, T*, Index channels, T q) const {
    for (Index c = 0; c < channels; ++c) {
      const T e = std::exp(-std::abs(x[c])), y = (x[c] < 0 ? e : T(1)) / (1 + e);
      dy[c] = dy[c] * e / ((1 + e) * (1 + e)) + q * (1 - 2 * y);
    }
  }
};

/// y = log p − log(1 − p) with p = a + (1 − 2a)·x: data in [0, 1] on the whole line (Dinh et al.
/// 2017, §4.1).
struct Logit {
  static constexpr const char* name = "Logit";
  double margin = 0.025;  ///< a

  void require() const {
    if (!(margin > 0 && margin < 0.5))
      throw std::invalid_argument("Logit: the margin must be between 0 and 0.5, got " +
                                  std::to_string(margin));
  }
  static constexpr Index parameters() { return 0; }
  static constexpr Index channel_of(Index, Index) { return 0; }

  template <class T>
  double forward(T* x, const T*, Index channels) const {
    double sum = static_cast<double>(channels) * std::log1p(-2 * margin);
    for (Index c = 0; c < channels; ++c) {
      const T p = share(x[c]), a = std::log(p), b = std::log1p(-p);
      x[c] = a - b;
      sum -= static_cast<double>(a + b);
    }
    return sum;
  }
  template <class T>
  double inverse(T* y, const T*, Index channels) const {
    double sum = static_cast<double>(channels) * -std::log1p(-2 * margin);
    for (Index c = 0; c < channels; ++c) {
      const T e = std::exp(-std::abs(y[c])), p = (y[c] < 0 ? e : T(1)) / (1 + e);
      sum -= static_cast<double>(std::abs(y[c]) + 2 * std::log1p(e));
      y[c] = (p - static_cast<T>(margin)) / static_cast<T>(1 - 2 * margin);
    }
    return sum;
  }
  template <class T>
  void backward(T* dy, const T* x, T*, Index channels, T q) const {
    for (Index c = 0; c < channels; ++c) {
      const T p = share(x[c]);
      dy[c] = (dy[c] + q * (2 * p - 1)) * static_cast<T>(1 - 2 * margin) / (p * (1 - p));
    }
  }

 private:
  template <class T>
  T share(T x) const {
    return static_cast<T>(margin) + static_cast<T>(1 - 2 * margin) * x;
  }
};

}  // namespace retrace::inline RETRACE_ISA::maps
