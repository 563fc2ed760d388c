// Linear combinations of tensors, and the size of a solver's error, on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "retrace/core/addend.hpp"
#include "retrace/cpu/elementwise.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu::detail {

/// y = Σ factor·x of exactly `count` terms, so that the compiler unrolls the sum.
template <int count, int W, class T>
void combine_block(T* y, const T* const* x, const T* factor, Index at) {
  Block<T, W> sum = factor[0] * load<W>(x[0] + at);
  for (int k = 1; k < count; ++k) sum += factor[k] * load<W>(x[k] + at);
  save<W>(y + at, sum);
}

template <int W, class T>
void combine_any(T* y, const T* const* x, const T* factor, std::size_t count, Index at) {
  switch (count) {
    case 1:
      return combine_block<1, W>(y, x, factor, at);
    case 2:
      return combine_block<2, W>(y, x, factor, at);
    case 3:
      return combine_block<3, W>(y, x, factor, at);
    default: {
      Block<T, W> sum = factor[0] * load<W>(x[0] + at);
      for (std::size_t k = 1; k < count; ++k) sum += factor[k] * load<W>(x[k] + at);
      save<W>(y + at, sum);
    }
  }
}

}  // namespace cpu::detail

/// y = Σ factor·x. Views are packed; y may be one of the terms. Without terms, y = 0.
/// @throws ShapeError unless all shapes agree.
template <class T>
void combine(View<T, Cpu> y, std::span<const Addend<T, Cpu>> terms) {
  if (terms.empty()) return fill(y, T(0));
  const auto timed = y.device().timed(Operation::movement);
  std::vector<const T*> x;
  std::vector<T> factors;
  for (const Addend<T, Cpu>& term : terms) {
    require_same_shape("combine", "y", y.shape(), "a term", term.x.shape());
    x.push_back(term.x.data());
    factors.push_back(static_cast<T>(term.factor));
  }
  const Index size = y.shape().size();
  constexpr Index full = cpu::lanes<T>;
  const Index blocks = (size + full - 1) / full;
  T* const out = y.data();
  y.device().parallel(blocks, sweep_work<T>(y.shape(), 1.0 + static_cast<double>(x.size())),
                      [&](Index first, Index last, int) {
                        const Index end = std::min(last * full, size);
                        Index at = first * full;
                        for (; at + full <= end; at += full)
                          cpu::detail::combine_any<full>(out, x.data(), factors.data(), x.size(),
                                                         at);
                        for (; at < end; ++at)
                          cpu::detail::combine_any<1>(out, x.data(), factors.data(), x.size(), at);
                      });
}

/// Returns Σ (e/(absolute + relative·max(|a|, |b|)))² over all elements, the same bits for any
/// number of threads; 0 on a dry device. Views are packed.
template <class T>
double sum_of_error_ratios(View<const T, Cpu> e, View<const T, Cpu> a, View<const T, Cpu> b,
                           double relative, double absolute) {
  constexpr Index tile = 4096;
  const Index size = e.shape().size(), tiles = (size + tile - 1) / tile;
  std::vector<double> sums(static_cast<std::size_t>(tiles));
  e.device().parallel(tiles, sweep_work<T>(e.shape(), 3), [&](Index first, Index last, int) {
    for (Index t = first; t < last; ++t) {
      double sum = 0;
      for (Index i = t * tile; i < std::min((t + 1) * tile, size); ++i) {
        const auto larger =
            static_cast<double>(std::max(std::abs(a.data()[i]), std::abs(b.data()[i])));
        const double ratio = static_cast<double>(e.data()[i]) / (absolute + relative * larger);
        sum += ratio * ratio;
      }
      sums[static_cast<std::size_t>(t)] = sum;
    }
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}

/// sums[i] += factor·⟨x_i, y_i⟩ over the elements of each image i, the same bits for any number of
/// threads. Views are packed.
template <class T>
void add_inner_products(View<double, Cpu> sums, ConstView<T, Cpu> x, View<const T, Cpu> y,
                        double factor) {
  require_same_shape("add_inner_products", "x", x.shape(), "y", y.shape());
  const Index images = x.shape().n, size = images > 0 ? x.shape().size() / images : 0;
  x.device().parallel(images, sweep_work<T>(x.shape(), 2), [=](Index first, Index last, int) {
    for (Index i = first; i < last; ++i) {
      double sum = 0;
      for (Index k = i * size; k < (i + 1) * size; ++k)
        sum += static_cast<double>(x.data()[k]) * static_cast<double>(y.data()[k]);
      sums.data()[i] += factor * sum;
    }
  });
}

/// y += factor·a·b, element by element, on views of any pitch.
template <class T>
void add_product(View<T, Cpu> y, View<const T, Cpu> a, ConstView<T, Cpu> b, double factor) {
  require_same_shape("add_product", "y", y.shape(), "a", a.shape());
  require_same_shape("add_product", "y", y.shape(), "b", b.shape());
  cpu::for_each_pixel(
      y,
      [share = static_cast<T>(factor), channels = y.shape().c](T* to, const T* x, const T* z) {
        for (Index c = 0; c < channels; ++c) to[c] += share * x[c] * z[c];
      },
      a, b);
}

}  // namespace retrace::inline RETRACE_ISA
