#include "retrace/interop/borrow.hpp"

#include "retrace/cpu/conv2d.hpp"
#include "retrace/layer/norm_act_conv.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("a layer runs on memory of the user's own, pitched or packed") {
  Cpu device;
  const Shape shape{2, 5, 6, 8};
  const Tensor<float, Cpu> x = normal<float>(device, shape);
  Random random(1);
  NormActConv<float, Cpu> layer(device, 8, 4, random);
  Tensor<float, Cpu> expected(device, layer.output_shape(shape));
  layer.apply(expected.view(), x.view(), inference, Store::set);

  const Bytes held = device.memory().live();
  std::vector<float> in(static_cast<std::size_t>(shape.pixels() * 11), 7.0f);
  std::vector<float> out(static_cast<std::size_t>(shape.pixels() * 4));
  copy(borrow(device, in.data() + 1, shape, 11), x.view());
  const View<float, Cpu> y = borrow(device, out.data(), expected.shape());
  layer.apply(y, borrow(device, std::as_const(in).data() + 1, shape, 11), inference, Store::set);
  CHECK(same_bits(values(y), values(expected)));
  CHECK(in[0] == 7);
  CHECK(in[9] == 7);  // between two pixels
  CHECK(device.memory().live() == held);
}

TEST_CASE("memory that cannot be viewed is refused") {
  Cpu device;
  alignas(double) char bytes[8 * 48];
  double* data = reinterpret_cast<double*>(bytes);
  const Index huge = Index{1} << 31;
  CHECK(borrow(device, data, {1, 2, 3, 8}).packed());
  CHECK_THROWS_WITH(borrow(device, data, {1, 2, 3, -8}), "borrow: 1x2x3x-8 has a negative extent");
  CHECK_THROWS_AS(borrow(device, data, {1, 2, 3, 8}, 7), ShapeError);
  CHECK_THROWS_WITH(borrow(device, data, {1, 2, 3, 8}, 7), containing("overlap"));
  CHECK_THROWS_WITH(borrow(device, data, {huge, huge, 1, 1}), containing("address space"));
  CHECK_THROWS_WITH(borrow(device, data, {huge, 1, 1, 1}, huge), containing("address space"));
  CHECK_THROWS_WITH(borrow(device, static_cast<double*>(nullptr), {1, 2, 3, 8}),
                    "borrow: the data is null");
  CHECK_THROWS_WITH(borrow(device, reinterpret_cast<double*>(bytes + 4), {1, 2, 3, 4}),
                    "borrow: the data is not aligned to 8 bytes");
  CHECK(borrow(device, static_cast<double*>(nullptr), {0, 2, 3, 8}).shape().size() == 0);
}
