// The order in which ranks sum a vector: a ring of segments.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA::ring {

/// The largest piece of a vector that travels as one message.
inline constexpr std::size_t segment_bytes = 256 << 10;

/// The elements of a vector from `first` on.
struct Range {
  std::size_t first = 0, count = 0;
};

/// A vector is split into slices and each slice into one segment per rank. Segment s passes through
/// the ranks s, s + 1, …, s − 1 (modulo R), each of which adds its own part, and then once more, to
/// be copied. So every rank sends 2(R − 1)/R times the vector, and the sum of segment s is
/// ((x_s + x_{s+1}) + …) + x_{s−1} (Patarasuk & Yuan 2009).
class Layout {
 public:
  Layout(std::size_t count, std::size_t element_bytes, int ranks)
      : count_(count),
        ranks_(static_cast<std::size_t>(ranks)),
        slices_(std::max<std::size_t>(1, ceiling(count * element_bytes, ranks_ * segment_bytes))) {}

  std::size_t slices() const { return slices_; }
  Range slice(std::size_t index) const { return part({0, count_}, index, slices_); }
  Range segment(std::size_t slice_index, std::size_t index) const {
    return part(slice(slice_index), index, ranks_);
  }

 private:
  static std::size_t ceiling(std::size_t a, std::size_t b) { return (a + b - 1) / b; }
  static Range part(Range whole, std::size_t index, std::size_t parts) {
    const std::size_t begin = whole.count * index / parts, end = whole.count * (index + 1) / parts;
    return {whole.first + begin, end - begin};
  }

  std::size_t count_, ranks_, slices_;
};

template <class T>
void add_to(T* sum, const T* part, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) sum[i] += part[i];
}

/// Replaces the vectors of all ranks, which are in one address space, by their sum.
template <class T>
void sum_in_place(std::span<T* const> vectors, std::size_t count) {
  const std::size_t ranks = vectors.size();
  const Layout layout(count, sizeof(T), static_cast<int>(ranks));
  for (std::size_t slice = 0; slice < layout.slices(); ++slice)
    for (std::size_t s = 0; s < ranks; ++s) {
      const Range segment = layout.segment(slice, s);
      T* sum = vectors[s] + segment.first;
      for (std::size_t step = 1; step < ranks; ++step)
        add_to(sum, vectors[(s + step) % ranks] + segment.first, segment.count);
      for (std::size_t step = 1; step < ranks; ++step)
        std::copy_n(sum, segment.count, vectors[(s + step) % ranks] + segment.first);
    }
}

}  // namespace retrace::inline RETRACE_ISA::ring
