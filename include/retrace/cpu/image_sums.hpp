// Sums over the pixels of every image, in double and in a fixed order: log-determinants.
#pragma once

#include "retrace/core/error.hpp"
#include "retrace/cpu/cpu.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

/// Computes sums[i] += sign·Σ row(r) over the rows of image i, where row(r) returns a double for
/// row r of n·h. If there are more images than sums, as behind a batch pooling, neighbouring ones
/// belong to one sum. The order of summation depends on nothing but the shape.
/// @throws ShapeError unless the number of images is a multiple of the number of sums.
template <class Row>
void add_image_sums(View<double, Cpu> sums, Shape shape, Work work, double sign, Row row) {
  const Index rows = shape.n * shape.h, count = sums.shape().n;
  if (count == 0 ? shape.n != 0 : shape.n % count != 0)
    throw ShapeError("there are " + std::to_string(count) + " log-determinants for " +
                     std::to_string(shape.n) + " images: the images must be a multiple of them");
  Tensor<double, Cpu> of_rows(sums.device(), per_channel(rows), Use::workspace);
  double* partial = of_rows.data();
  sums.device().parallel(rows, work, [=](Index first, Index last, int) {
    for (Index r = first; r < last; ++r) partial[r] = row(r);
  });
  if (sums.device().dry()) return;
  for (Index i = 0; i < count; ++i) {
    double sum = 0;
    for (Index r = i * (rows / count); r < (i + 1) * (rows / count); ++r) sum += partial[r];
    sums.data()[i] += sign * sum;
  }
}

}  // namespace retrace::inline RETRACE_ISA::cpu
