// Brownian motion as a function of a seed and the time.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "retrace/core/tensor.hpp"
#include "retrace/math/philox.hpp"

namespace retrace::inline RETRACE_ISA {

/// W(t) of independent Brownian motions, one per element of a tensor, with W(begin) = 0. The same
/// seed, time and element always give the same value, so that the way back through a solve meets
/// the path of the way forward, and other steps see the same path.
///
/// W(end) is drawn first, then the middle of ever smaller intervals around t by the Brownian
/// bridge, down to (end − begin)/2^depth; between such times W is linear (the virtual Brownian tree
/// of Li et al. 2020). One value costs `depth` normal numbers.
class BrownianPath {
 public:
  BrownianPath(std::uint64_t seed, std::uint64_t stream, double begin, double end, int depth = 16)
      : key_(philox_key(seed)), stream_(stream), begin_(begin), end_(end), depth_(depth) {}

  /// W(t) of element `index`.
  double operator()(double t, std::uint64_t index) const {
    double from = begin_, to = end_, low = 0;
    double high = std::sqrt(to - from) * normal(0, index);
    std::uint32_t node = 1;
    for (int level = 0; level < depth_; ++level) {
      const double middle = from + (to - from) / 2;
      const double value = (low + high) / 2 + std::sqrt((to - from) / 4) * normal(node, index);
      if (t == middle) return value;
      node = 2 * node + (t > middle ? 1 : 0);
      (t > middle ? from : to) = middle;
      (t > middle ? low : high) = value;
    }
    return low + (high - low) * ((t - from) / (to - from));
  }

  /// ΔW from time s to time t in every element.
  template <class T, Device D>
  void increments(View<T, D> x, double s, double t) const {
    if (x.device().dry()) return;
    std::vector<T> values(static_cast<std::size_t>(x.shape().size()));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<T>((*this)(t, i) - (*this)(s, i));
    upload(x, std::span<const T>(values));
  }

 private:
  double normal(std::uint32_t node, std::uint64_t index) const {
    const PhiloxKey at = philox_key(index);
    return standard_normal(philox({node, at[0], static_cast<std::uint32_t>(stream_),
                                   at[1] ^ static_cast<std::uint32_t>(stream_ >> 32)},
                                  key_))[0];
  }

  PhiloxKey key_;
  std::uint64_t stream_;
  double begin_, end_;
  int depth_;
};

}  // namespace retrace::inline RETRACE_ISA
