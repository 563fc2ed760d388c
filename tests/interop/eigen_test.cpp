#include "retrace/interop/eigen.hpp"

#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("a matrix of Eigen sees the elements of a tensor where they are") {
  Cpu device;
  Tensor<float, Cpu> x = normal<float>(device, {2, 3, 4, 6});
  auto matrix = pixel_matrix(x);
  CHECK(matrix.data() == x.data());
  CHECK(matrix.rows() == 24);
  CHECK(matrix.cols() == 6);
  matrix(5, 2) = 8;
  CHECK(x.view().pixel(5)[2] == 8);
  CHECK(pixel_matrix(std::as_const(x)) == matrix);
}

TEST_CASE("a map of some channels leaves the others alone") {
  Cpu device;
  Tensor<double, Cpu> x = normal<double>(device, {2, 3, 4, 6});
  const Values before = values(x);
  auto [first, second] = halves(x.view());
  const Values taken = values(second);
  pixel_matrix(first).setZero();
  CHECK(largest(values(first)) == 0);
  CHECK(same_bits(values(second), taken));
  pixel_matrix(first) = pixel_matrix(second) * 2;
  CHECK(x.view().pixel(23)[1] == 2 * x.view().pixel(23)[4]);
}
