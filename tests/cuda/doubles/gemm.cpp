#include "cuda/doubles/gemm.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "cuda/emulator/control.hpp"
#include "cuda/emulator/location.hpp"

namespace doubles {
namespace {

/// The rows and columns as stored.
struct Stored {
  int rows, columns;
};

Stored stored(const Matrix& matrix, int rows, int columns) {
  return matrix.transposed ? Stored{columns, rows} : Stored{rows, columns};
}

void check(const Gemm& gemm, const Matrix& matrix, const char* name, int rows, int columns) {
  const Stored shape = stored(matrix, rows, columns);
  if (shape.rows == 0 || shape.columns == 0) return;
  const long long last = matrix.stride * (gemm.batch - 1) +
                         static_cast<long long>(matrix.leading) * (shape.columns - 1) + shape.rows;
  const std::size_t bytes = static_cast<std::size_t>(last) * bytes_of(matrix.type);
  const std::string what = std::string("matrix ") + name + " of " + gemm.call;
  if (reinterpret_cast<std::uintptr_t>(matrix.data) % bytes_of(matrix.type) != 0)
    throw emulator::Error(what + " is not aligned");
  if (!emulator::is_live(matrix.data, bytes))
    throw emulator::Error(what + ", " + std::to_string(bytes) +
                          " bytes, is not inside a device allocation");
}

/// Returns op(matrix), row by row.
std::vector<double> gather(const Matrix& matrix, int rows, int columns, int of_batch,
                           bool tf32_on) {
  std::vector<double> values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  auto value = values.begin();
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < columns; ++j) {
      const std::ptrdiff_t row = matrix.transposed ? j : i, column = matrix.transposed ? i : j;
      const double x =
          read(matrix.type, matrix.data, of_batch * matrix.stride + row + column * matrix.leading);
      *value++ = tf32_on ? tf32(x) : x;
    }
  }
  return values;
}

void compute_one(const Gemm& gemm, int of_batch) {
  const auto columns = static_cast<std::size_t>(gemm.columns);
  const auto inner = static_cast<std::size_t>(gemm.inner);
  const auto a = gather(gemm.a, gemm.rows, gemm.inner, of_batch, gemm.tf32);
  const auto b = gather(gemm.b, gemm.inner, gemm.columns, of_batch, gemm.tf32);
  std::vector<double> row(columns);
  for (int i = 0; i < gemm.rows; ++i) {
    std::fill(row.begin(), row.end(), 0.0);
    for (std::size_t k = 0; k < inner; ++k) {
      const double factor = a[static_cast<std::size_t>(i) * inner + k];
      for (std::size_t j = 0; j < columns; ++j) row[j] += factor * b[k * columns + j];
    }
    for (int j = 0; j < gemm.columns; ++j) {
      const std::ptrdiff_t at =
          of_batch * gemm.c.stride + i + static_cast<std::ptrdiff_t>(j) * gemm.c.leading;
      // With β = 0 the result is not read, because it may be NaN.
      const double old = gemm.beta == 0 ? 0 : gemm.beta * read(gemm.c.type, gemm.c.data, at);
      write(gemm.c.type, gemm.c.data, at, gemm.alpha * row[static_cast<std::size_t>(j)] + old);
    }
  }
}

}  // namespace

bool sizes_are_valid(const Gemm& gemm) {
  if (gemm.rows < 0 || gemm.columns < 0 || gemm.inner < 0 || gemm.batch < 0) return false;
  const auto fits = [](const Matrix& matrix, int rows, int columns) {
    return matrix.leading >= std::max(1, stored(matrix, rows, columns).rows);
  };
  return fits(gemm.a, gemm.rows, gemm.inner) && fits(gemm.b, gemm.inner, gemm.columns) &&
         fits(gemm.c, gemm.rows, gemm.columns);
}

void compute(const Gemm& gemm) {
  if (gemm.batch == 0) return;
  check(gemm, gemm.a, "A", gemm.rows, gemm.inner);
  check(gemm, gemm.b, "B", gemm.inner, gemm.columns);
  check(gemm, gemm.c, "C", gemm.rows, gemm.columns);
  const emulator::DeviceAccess access;
  for (int i = 0; i < gemm.batch; ++i) compute_one(gemm, i);
}

}  // namespace doubles
