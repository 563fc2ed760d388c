#include "retrace/layer/batch_norm.hpp"

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("BatchNorm keeps the contract of a layer") {
  const double slope = GENERATE(1.0, 0.0, 0.2);
  CAPTURE(slope);
  const auto make = [=]<class T>(Cpu& device) -> AnyLayer<T> {
    return BatchNorm<T, Cpu>(device, 7, {.activation = {slope}});
  };
  CHECK(check_layer(make, {{4, 3, 5, 7}, {1, 4, 6, 7}, {5, 1, 1, 7}}, {.agreement = 64}) == "");
}

TEST_CASE("BatchNorm standardises a batch") {
  Cpu device;
  AnyLayer<double> layer = BatchNorm<double, Cpu>(device, 3);
  auto x = normal<double>(device, {5, 4, 3, 3});
  for (Index pixel = 0; pixel < 60; ++pixel)
    for (Index c = 0; c < 3; ++c)
      x.view().pixel(pixel)[c] = 100 * double(c) + (1 + double(c)) * x.view().pixel(pixel)[c];
  layer.forward(x, training);
  for (Index c = 0; c < 3; ++c) {
    const Values z = values(x.view().channels(c, 1));
    CHECK(std::abs(std::accumulate(z.begin(), z.end(), 0.0)) < 1e-10);
    CHECK(dot(z, z) / 60 == Approx(1).epsilon(1e-4));  // epsilon of the variance
  }
}

TEST_CASE("BatchNorm's running averages are those of the batches, the variance unbiased") {
  Cpu device;
  AnyLayer<double> layer = BatchNorm<double, Cpu>(device, 1, {.momentum = 0.25});
  const auto list = layer.parameters();
  REQUIRE(list.buffers.size() == 2);
  CHECK(list.buffers[0].name == "running_mean");
  CHECK(list.buffers[1].name == "running_variance");
  auto x = tensor<double>(device, {4, 1, 1, 1}, {1, 2, 3, 6});  // mean 3, Σ of squares 14
  layer.forward(x, training);
  CHECK(values(*list.buffers[0].tensor)[0] == Approx(0.75).epsilon(1e-14));
  CHECK(values(*list.buffers[1].tensor)[0] == Approx(0.75 + 0.25 * 14 / 3).epsilon(1e-14));

  auto y = tensor<double>(device, {1, 1, 1, 1}, {5});
  layer.forward(y, inference);
  CHECK(values(y)[0] == Approx((5 - 0.75) / std::sqrt(0.75 + 3.5 / 3 + 1e-5)).epsilon(1e-14));
}

TEST_CASE("BatchNorm keeps its input, and neither scale nor shift decays") {
  Cpu device;
  AnyLayer<float> layer = BatchNorm<float, Cpu>(device, 7);
  CHECK(kept_bytes(layer, normal<float>(device, {2, 3, 4, 7})) == 168 * sizeof(float));
  for (const auto& named : layer.parameters().parameters) CHECK_FALSE(named.parameter->decays);
}

TEST_CASE("BatchNorm refuses what does not fit") {
  Cpu device;
  AnyLayer<float> layer = BatchNorm<float, Cpu>(device, 7);
  auto wide = normal<float>(device, {2, 3, 5, 8}), pixel = normal<float>(device, {1, 1, 1, 7});
  auto x = normal<float>(device, {2, 3, 5, 7}), dy = normal<float>(device, {2, 3, 5, 7});
  CHECK_THROWS_WITH(layer.forward(wide, training),
                    "BatchNorm: x is 2x3x5x8 but must have 7 channels");
  CHECK_THROWS_WITH(layer.forward(pixel, training),
                    "BatchNorm: a training batch of one pixel (1x1x1x7) has no variance; "
                    "use a larger batch");
  CHECK_NOTHROW(layer.forward(pixel, inference));
  CHECK_THROWS_WITH(layer.forward(x, replay(training)),
                    "BatchNorm: the last forward pass has not recorded the statistics of a batch; "
                    "run forward with `training` first");
  CHECK_THROWS_WITH(layer.backward(x, dy), containing("no forward pass has stored an input"));
  layer.forward(x, training);
  auto other = normal<float>(device, {2, 3, 4, 7});
  CHECK_THROWS_WITH(layer.backward(x, other), "backward: y is 2x3x5x7 but dy is 2x3x4x7");
  layer.forward(x, inference);
  CHECK_THROWS_AS(layer.backward(x, dy), StateError);
}
