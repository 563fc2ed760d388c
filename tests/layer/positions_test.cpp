#include "retrace/layer/positions.hpp"

#include "retrace/cpu/operations.hpp"
#include "retrace/layer/embedding.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("Learned and axial positions keep the contract of a layer") {
  const std::vector<Shape> shapes{{2, 1, 5, 8}, {1, 1, 20, 8}, {3, 1, 1, 8}};
  const auto learned = []<class T>(Cpu& device) -> AnyLayer<T> {
    Random random(1);
    return LearnedPositions<T, Cpu>(device, 20, 8, random);
  };
  const auto axial = []<class T>(Cpu& device) -> AnyLayer<T> {
    Random random(1);
    return AxialPositions<T, Cpu>(device, 4, 6, 8, random);
  };
  CHECK(check_layer(learned, shapes, {.added = 4}) == "");
  CHECK(check_layer(axial, shapes, {.added = 4}) == "");
}

TEST_CASE("Axial positions join a vector of the row and one of the column") {
  Cpu device(1);
  Random random(1);
  AxialPositions<double, Cpu> layer(device, 2, 3, 3, random);
  layer.inside([&](const std::string& name, auto& part) {
    if (name == "row") assign(part.value.view(), {1, 2});
    if (name == "column") assign(part.value.view(), {10, 20, 30, 40, 50, 60});
  });
  const auto x = tensor<double>(device, {1, 1, 5, 3}, Values(15, 0.5));
  Tensor<double, Cpu> y(device, x.shape());
  layer.apply(y.view(), x.view(), training, Store::set);
  CHECK(values(y) == Values{1.5, 10.5, 20.5, 1.5, 30.5, 40.5, 1.5, 50.5, 60.5, 2.5, 10.5, 20.5, 2.5,
                            30.5, 40.5});
  const auto decoding = std::make_shared<Decoding>(Decoding{.longest = 6, .done = 4});
  layer.set_decoding(decoding);
  Tensor<double, Cpu> one(device, {1, 1, 1, 3});
  layer.apply(one.view(), View<const double, Cpu>(device, x.data(), one.shape(), 3), training,
              Store::set);
  CHECK(values(one) == Values{2.5, 30.5, 40.5});
}

TEST_CASE("Positions refuse sequences that are too long, in words") {
  Cpu device;
  Random random(1);
  LearnedPositions<float, Cpu> learned(device, 20, 8, random);
  AxialPositions<float, Cpu> axial(device, 4, 6, 8, random);
  CHECK_NOTHROW(axial.output_shape({1, 1, 24, 8}));
  CHECK_THROWS_WITH(learned.output_shape({1, 1, 21, 8}),
                    "LearnedPositions: x is 1x1x21x8, positions 0 to 21, but there are vectors of "
                    "20");
  CHECK_THROWS_WITH(axial.output_shape({1, 1, 25, 8}),
                    "AxialPositions: x is 1x1x25x8, positions 0 to 25, but the grid is 4 x 6");
}

TEST_CASE("An embedding gathers rows, and adds gradients to them in order") {
  Cpu device(2);
  Random random(1);
  Embedding<double, Cpu> embedding(device, 4, 2, random);
  assign(embedding.weight().value.view(), {1, 2, 3, 4, 5, 6, 7, 8});
  const std::vector<std::int32_t> ids{3, 0, 3, 1};
  const auto x = embedding.forward(ids, 2, 2);
  CHECK(x.shape() == sequence(2, 2, 2));
  CHECK(values(x) == Values{7, 8, 1, 2, 7, 8, 3, 4});
  const auto dx = tensor<double>(device, x.shape(), {1, 2, 3, 4, 5, 6, 7, 8});
  embedding.backward(ids, dx.view());
  embedding.backward(ids, dx.view());
  CHECK(values(embedding.weight().gradient) == Values{6, 8, 14, 16, 0, 0, 12, 16});
  embedding.weight().freeze();
  CHECK_NOTHROW(embedding.backward(ids, dx.view()));
  CHECK_FALSE(embedding.weight().has_gradient());
}

TEST_CASE("An embedding names an id that is no token, and its position") {
  Cpu device;
  Random random(1);
  Embedding<float, Cpu> embedding(device, 4, 2, random);
  const std::vector<std::int32_t> high{0, 3, 4}, low{0, -1, 2};
  CHECK_THROWS_WITH(embedding.forward(high, 1, 3),
                    "Embedding: id 4 at position 2 must be in [0, 4)");
  CHECK_THROWS_WITH(embedding.forward(low, 3, 1),
                    "Embedding: id -1 at position 1 must be in [0, 4)");
  CHECK_THROWS_WITH(embedding.forward(low, 2, 2),
                    "Embedding: there are 3 ids for the positions of 2x1x2x2");
}
